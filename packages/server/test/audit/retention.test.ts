import { randomUUID } from 'node:crypto';
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startApp } from '../../src/app.ts';
import { ConfigError, readConfig } from '../../src/config.ts';
import { findRetentionProblems, purgeKind, RETENTION_KINDS, type RetentionKind } from '../../src/store/retention.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { startTestApp } from '../support/test-app.ts';

let test: TestDatabase;

beforeAll(async () => {
  test = await createTestDatabase();
});

afterAll(() => test.drop());

const NOW = Date.parse('2026-11-24T12:00:00Z');
const DAY = 86_400_000;

function kind(name: string): RetentionKind {
  const found = RETENTION_KINDS.find((candidate) => candidate.name === name);
  if (found === undefined) throw new Error(`there is no kind ${name}`);
  return found;
}

async function addEvents(...ages: number[]): Promise<void> {
  for (const age of ages)
    await test.database.db
      .insertInto('change_event')
      .values({
        registry: 'social',
        record_type: 'person',
        record_id: randomUUID(),
        version: 1,
        kind: 'REGISTER',
        at: new Date(NOW - age * DAY),
      })
      .execute();
  // They have been read.
  await test.database.pool.query('update event_cursor set done_xid = pg_snapshot_xmax(pg_current_snapshot()), done_seq = 1000000');
}

async function countEvents(): Promise<number> {
  return (await test.database.db.selectFrom('change_event').select('seq').execute()).length;
}

beforeEach(async () => {
  await test.database.db.deleteFrom('change_event').execute();
});

describe('a kind of row', () => {
  it('is purged by its age, in batches, and no younger row with it', async () => {
    await addEvents(200, 150, 100, 91, 89, 1);
    expect(await purgeKind(test.database.pool, kind('change_events'), new Map(), NOW, 2)).toBe(4);
    expect(await countEvents()).toBe(2);
  });

  it('is kept as long as the setting says', async () => {
    await addEvents(200, 20, 1);
    expect(await purgeKind(test.database.pool, kind('change_events'), new Map([['change_events', 10]]), NOW)).toBe(2);
    expect(await countEvents()).toBe(1);
  });

  it('is kept for ever where the setting says so', async () => {
    await addEvents(20_000);
    expect(await purgeKind(test.database.pool, kind('change_events'), new Map([['change_events', undefined]]), NOW)).toBe(0);
    expect(await countEvents()).toBe(1);
  });

  it('keeps what its condition excludes', async () => {
    await addEvents(200, 200);
    const none = { ...kind('change_events'), only: "kind = 'DELETE'" };
    expect(await purgeKind(test.database.pool, none, new Map(), NOW)).toBe(0);
    expect(await countEvents()).toBe(2);
  });
});

it('has an index by age for every kind', async () => {
  const { rows } = await test.database.pool.query<{ key: string }>(
    `select c.relname || '.' || a.attname as key from pg_index i
     join pg_class c on c.oid = i.indrelid join pg_attribute a on a.attrelid = c.oid and a.attnum = i.indkey[0]`,
  );
  const indexed = rows.map((row) => row.key);
  for (const { table, since } of RETENTION_KINDS) expect(indexed).toContain(`${table}.${since}`);
});

describe('the setting DCI_RETENTION', () => {
  it('names kinds with days, or for ever', () => {
    const { retention } = readConfig({ DCI_RETENTION: 'change_events=30d, transactions=forever' });
    expect([...retention]).toEqual([
      ['change_events', 30],
      ['transactions', undefined],
    ]);
  });

  it.each(['change_events', 'change_events=30', 'change_events=0d', 'change_events=-1d', '=3d', 'a b=3d'])('refuses %s', (value) => {
    expect(() => readConfig({ DCI_RETENTION: value })).toThrow(ConfigError);
  });

  it('must name kinds that there are, and none whose end is not a matter of choice', () => {
    expect(findRetentionProblems(new Map([['change_events', 1]]))).toEqual([]);
    expect(findRetentionProblems(new Map([['nothing', 1]]))).toHaveLength(1);
    expect(findRetentionProblems(new Map([['seen_messages', 1]]))).toHaveLength(1);
  });
});

it('is obeyed by a running server, by its clock', async () => {
  const app = await startTestApp({ now: () => NOW });
  try {
    const row = { partner_id: randomUUID(), expires_at: new Date(NOW - 1) };
    const kept = { ...row, message_id: 'good for a day', expires_at: new Date(NOW + DAY) };
    await app.database.db
      .insertInto('message_seen')
      .values([{ ...row, message_id: 'over' }, kept])
      .execute();
    // Ends after its first round of periodic work.
    await (await startApp(app.config, { now: () => NOW, log: pino({ level: 'silent' }) })).close();
    const left = await app.database.db.selectFrom('message_seen').select('message_id').execute();
    expect(left).toEqual([{ message_id: kept.message_id }]);
  } finally {
    await app.close();
  }
});

it('ends the start of a server that is told of a kind that does not exist', async () => {
  const config = readConfig({ DCI_RETENTION: 'nothing=1d', DCI_PORT: '0' });
  await expect(startApp(config)).rejects.toThrow(ConfigError);
});
