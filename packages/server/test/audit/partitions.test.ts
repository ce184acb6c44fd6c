import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { retireAudit } from '../../src/services/retire-audit.ts';
import { listAuditPartitions, makeAuditPartitions, tidyAuditIndexes } from '../../src/store/audit-partitions.ts';
import { readAuditPage } from '../../src/store/read-audit.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { addCheckpoint, addRows, keys, named, NOW, tamper, verify } from './audit-fixture.ts';

let test: TestDatabase;

beforeEach(async () => {
  test = await createTestDatabase();
});
afterEach(() => test.drop());

const at = (text: string): number => Date.parse(text);

async function names(): Promise<string[]> {
  return (await listAuditPartitions(test.database.pool)).map(({ name }) => name);
}

/** In which table each row lies. */
async function places(): Promise<string[]> {
  const { rows } = await test.database.pool.query<{ place: string }>(
    'select tableoid::regclass::text as place from audit order by at, seq',
  );
  return rows.map(({ place }) => place);
}

describe('partitions', () => {
  it('are made for this month and the next two, once', async () => {
    const { pool } = test.database;
    expect(await makeAuditPartitions(pool, NOW)).toEqual(['audit_2026_11', 'audit_2026_12', 'audit_2027_01']);
    expect(await makeAuditPartitions(pool, NOW)).toEqual([]);
    expect(await makeAuditPartitions(pool, at('2026-12-31T23:59:59Z'))).toEqual(['audit_2027_02']);
    expect(await names()).toEqual(['audit_2026_11', 'audit_2026_12', 'audit_2027_01', 'audit_2027_02']);
  });

  it('take the rows of their month, and the chain goes on from one to the next', async () => {
    await makeAuditPartitions(test.database.pool, NOW);
    await addRows(test, 3, { now: at('2026-11-30T23:59:59.999Z') });
    await addRows(test, 3, { now: at('2026-12-01T00:00:00Z') });
    expect(await places()).toEqual([...Array(3).fill('audit_2026_11'), ...Array(3).fill('audit_2026_12')]);
    expect(await verify(test)).toMatchObject({ rows: 6, problems: 0 });
  });

  it('that nobody made hold up no row: it waits in audit_rest, and its month gets a partition with the next round', async () => {
    const { pool } = test.database;
    await addRows(test, 3, { now: at('2026-08-15T00:00:00Z') });
    await addRows(test, 3, { now: at('2026-09-15T00:00:00Z') });
    expect(await places()).toEqual(Array(6).fill('audit_rest'));
    expect(await makeAuditPartitions(pool, NOW)).toEqual(['audit_2026_08', 'audit_2026_11', 'audit_2026_12', 'audit_2027_01']);
    await addRows(test, 3, { now: NOW });
    expect(await places()).toEqual([...Array(6).fill('audit_2026_08'), ...Array(3).fill('audit_2026_11')]);
    expect(await verify(test)).toMatchObject({ rows: 9, problems: 0 });
    await addRows(test, 1, { now: at('2031-01-01T00:00:00Z') });
    expect((await places()).at(-1)).toBe('audit_rest');
  });

  it('that are made while rows are on their way to audit_rest take these', async () => {
    const { pool } = test.database;
    const making = await pool.connect();
    try {
      await making.query('begin');
      await making.query('create table audit_2026_11 (like audit including defaults including constraints)');
      await making.query(`alter table audit attach partition audit_2026_11 for values from ('2026-11-01') to ('2026-12-01')`);
      const adding = addRows(test, 3, { now: NOW });
      await expect
        .poll(async () => (await pool.query(`select 1 from pg_locks where not granted and relation = 'audit_rest'::regclass`)).rowCount)
        .toBe(1);
      await making.query('commit');
      await adding;
    } finally {
      making.release();
    }
    expect(await places()).toEqual(Array(3).fill('audit_2026_11'));
    expect(await verify(test)).toMatchObject({ rows: 3, problems: 0 });
  });

  it('are protected like the whole', async () => {
    const { pool } = test.database;
    await makeAuditPartitions(pool, NOW);
    await addRows(test, 3);
    for (const statement of ['update audit_2026_11 set seq = 0', 'delete from audit_2026_11', 'truncate audit_2026_11', 'truncate audit'])
      await expect(pool.query(statement)).rejects.toThrow(/added to only|permission denied/);
    expect(await places()).toHaveLength(3);
  });

  it('find the rows of a record by an index, tidied or not', async () => {
    await makeAuditPartitions(test.database.pool, NOW);
    const record = 'a0000000-0000-7000-8000-000000000001';
    await addRows(test, 1, { change: { disclosed: [{ entity: 'SRPerson', records: [record] }] } });
    await addRows(test, 5);
    const find = async (): Promise<number> => (await readAuditPage(test.database.pool, { records: [record] }, { size: 10 })).rows.length;
    expect(await find()).toBe(1);
    await tidyAuditIndexes(test.database.pool);
    expect(await find()).toBe(1);
  });
});

describe('rows whose time is over', () => {
  beforeEach(async () => {
    await makeAuditPartitions(test.database.pool, at('2026-08-01T00:00:00Z'));
    await makeAuditPartitions(test.database.pool, NOW);
    await addRows(test, 3, { now: at('2026-08-15T00:00:00Z') });
    await addRows(test, 3, { now: at('2026-08-20T00:00:00Z'), chain: 2 });
    await addCheckpoint(test, at('2026-08-20T01:00:00Z'));
    await addRows(test, 3, { now: at('2026-09-15T00:00:00Z') });
    await addRows(test, 3, { now: NOW });
    await addCheckpoint(test, NOW);
  });

  it('go by whole months, and the rest verifies by the signed statement of what went', async () => {
    const { pool } = test.database;
    expect(await retireAudit(pool, keys, 2, NOW)).toEqual(['audit_2026_08']);
    expect(await verify(test)).toMatchObject({ rows: 6, checkpoints: 3, problems: 0, droppedBefore: '2026-09-01T00:00:00.000Z' });
    expect(await retireAudit(pool, keys, 2, NOW)).toEqual([]);
    expect(await retireAudit(pool, keys, 1, NOW)).toEqual(['audit_2026_09']);
    await addRows(test, 3, { chain: 2, now: NOW });
    expect(await verify(test)).toMatchObject({ rows: 6, checkpoints: 4, problems: 0 });
  });

  it('are missed all the same when more is gone than the statement says', async () => {
    await retireAudit(test.database.pool, keys, 2, NOW);
    await tamper(test, `delete from audit where at < '2026-10-01'`);
    expect(named((await verify(test)).found)).toEqual(['missing 1/4']);
  });

  it('are missed when they went without a statement', async () => {
    await tamper(test, 'drop table audit_2026_08');
    expect(named((await verify(test)).found)).toEqual(expect.arrayContaining(['missing 1/1', 'truncated 2/1']));
  });

  it('stay where the trail does not verify', async () => {
    await tamper(test, `update audit set outcome = 'x' where chain = 1 and seq = 2`);
    await expect(retireAudit(test.database.pool, keys, 2, NOW)).rejects.toThrow('1/2');
    expect(await names()).toContain('audit_2026_08');
  });

  it('stay where a statement cannot be signed', async () => {
    const broken = {
      ...keys,
      activeKey: () => {
        throw new Error('no key');
      },
    };
    await expect(retireAudit(test.database.pool, broken, 2, NOW)).rejects.toThrow('no key');
    expect(await names()).toContain('audit_2026_08');
    expect(await verify(test)).toMatchObject({ rows: 12, problems: 0 });
  });
});

it('a row without any place is refused and leaves no trace', async () => {
  const { pool } = test.database;
  await tamper(test, 'alter table audit detach partition audit_rest');
  await expect(addRows(test, 1, { now: at('2031-01-01T00:00:00Z') })).rejects.toThrow('no partition');
  expect((await pool.query('select seq::int from audit_chain where chain = 1')).rows).toEqual([{ seq: 0 }]);
});
