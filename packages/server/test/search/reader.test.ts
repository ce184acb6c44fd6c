import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { executeSearch, executeSearches } from '../../src/registry/execute.ts';
import { openMessageBudget } from '../../src/registry/message-budget.ts';
import { openReader } from '../../src/registry/reader.ts';
import { expression, identifier, openSearchFixture, type SearchFixture } from './search-fixture.ts';
import { keyOf, makePopulation } from './social-population.ts';

const population = makePopulation(5, 5);
const known = population.persons.find(({ uin }) => uin !== undefined);
let fixture: SearchFixture;
beforeAll(async () => {
  fixture = await openSearchFixture(population);
});
afterAll(() => fixture.close());

const tooLong = expect.objectContaining({
  code: 'rjct.search.too_many_records_found',
  message: expect.stringContaining('narrow'),
}) as Error;

describe('a reader', () => {
  it('hands over columns as the text they are, and answers to whom they belong', async () => {
    const statement = (number: number): { name: string; sql: string; parameters: number[] } => ({
      name: 'one',
      sql: `select $1::int, '{"n":1}'::jsonb, null, true, 0.1::double precision`,
      parameters: [number],
    });
    const answers = await Promise.all(Array.from({ length: 200 }, (_, number) => fixture.reader.lookUp(statement(number))));
    expect(answers).toEqual(answers.map((_, number) => [[String(number), '{"n": 1}', null, 't', '0.1']]));
  });

  it('takes a statement that is cancelled for a search that finds too much', async () => {
    const reader = openReader(fixture.database, { statementTimeoutMs: 50 });
    const slow = { sql: 'select pg_sleep(10)', parameters: [] };
    await expect(reader.read(slow)).rejects.toThrow(tooLong);
    const [looked, next] = await Promise.allSettled([reader.lookUp(slow), reader.lookUp({ sql: 'select 1', parameters: [] })]);
    expect(looked).toMatchObject({ status: 'rejected', reason: tooLong });
    expect(next).toMatchObject({ status: 'fulfilled', value: [['1']] });
    await reader.close();
  });

  it('gives the refusal to each plan of a batch whose statement was cancelled', async () => {
    const reader = openReader(fixture.database, { statementTimeoutMs: 50 });
    const client = await fixture.database.pool.connect();
    try {
      await client.query('begin');
      await client.query('lock table identifier in access exclusive mode');
      const results = await executeSearches(
        reader,
        ['U0001', 'U0002', 'U0003'].map((uin) => fixture.plan(identifier('UIN', uin))),
        {
          budget: openMessageBudget({ milliseconds: 60_000, records: 100, characters: 1_000_000 }, () => performance.now()),
          inTurn: (work) => work(),
        },
      );
      expect(results).toEqual([tooLong, tooLong, tooLong]);
    } finally {
      await client.query('rollback');
      client.release();
      await reader.close();
    }
  });

  it('connects again when the database has ended its connections', async () => {
    const reader = openReader(fixture.database, { statementTimeoutMs: 5_000 });
    const look = fixture.plan(identifier('UIN', known?.uin ?? ''));
    const query = fixture.plan(expression({ UIN: known?.uin, BRN: `B${known?.key}` }));
    const find = async (): Promise<string[]> => {
      const results = await Promise.all([look, look, look, query].map((plan) => executeSearch(reader, plan)));
      return results.map(({ records }) => keyOf(records[0]?.body ?? ''));
    };
    const expected = Array.from({ length: 4 }, () => known?.key);
    for (let round = 0; round < 5; round += 1) {
      expect(await find()).toEqual(expected);
      await fixture.database.pool.query(
        'select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()',
      );
    }
    await find();
    // Under way when their connection ends: asked once more.
    const sleeping = reader.lookUp({ sql: `select pg_sleep(0.3), 'awake'`, parameters: [] });
    await fixture.database.pool.query(`select pg_sleep(0.1)`);
    await fixture.database.pool.query(`select pg_terminate_backend(pid) from pg_stat_activity where query like 'select pg_sleep(0.3)%'`);
    expect(await sleeping).toEqual([['', 'awake']]);
    await reader.close();
  });

  it('fails when there is no database, and does not serve once closed', async () => {
    const nowhere = openReader({ ...fixture.database, connection: { host: '/nowhere', user: 'dci' } }, { statementTimeoutMs: 50 });
    await expect(nowhere.lookUp({ sql: 'select 1', parameters: [] })).rejects.toThrow('ENOENT');
    await nowhere.close();
    const reader = openReader(fixture.database, { statementTimeoutMs: 50 });
    await reader.lookUp({ sql: 'select 1', parameters: [] });
    await reader.close();
    await expect(reader.lookUp({ sql: 'select 1', parameters: [] })).rejects.toThrow('closed');
  });
});
