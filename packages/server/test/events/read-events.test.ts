import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { mayHaveEvents, readNextEvents, skipEvents } from '../../src/registry/read-events.ts';
import { putRecords } from '../../src/registry/write.ts';
import { openRegistry, person, type RegistryFixture } from '../records/registry-fixture.ts';

let registry: RegistryFixture;
const clients: pg.Client[] = [];

beforeEach(async () => {
  registry = await openRegistry();
});

afterEach(async () => {
  for (const client of clients.splice(0)) await client.end();
  await registry.close();
});

/** A writer of its own, whose transaction has begun and has its id. */
async function begin(): Promise<{ event(name: string): Promise<void>; commit(): Promise<void>; rollback(): Promise<void> }> {
  const client = new pg.Client(registry.database.connection);
  clients.push(client);
  await client.connect();
  await client.query('begin');
  await client.query('select pg_current_xact_id()');
  return {
    event: async (name) => {
      await client.query(
        `insert into change_event (registry, record_type, record_id, version, kind) values ('social', $1, $2, 1, 'REGISTER')`,
        [name, randomUUID()],
      );
    },
    commit: async () => void (await client.query('commit')),
    rollback: async () => void (await client.query('rollback')),
  };
}

/** Other databases of the same PostgreSQL have transactions too, which hold the reader up for a moment. */
async function read(expected: number, most = 100): Promise<string[]> {
  const { db } = registry.database;
  for (let attempt = 0; ; attempt += 1) {
    const mayBeMore = await mayHaveEvents(db, 'subscriptions');
    const events = await db.transaction().execute((transaction) => readNextEvents(transaction, 'subscriptions', most));
    if (events.length > 0) expect(mayBeMore).toBe(true);
    if (events.length >= expected || attempt === 200) return events.map(({ recordType }) => recordType);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

describe('reading events', () => {
  it('leaves none out that was numbered early and committed late', async () => {
    const older = await begin();
    const younger = await begin();
    await younger.event('a');
    await older.event('b');
    await older.commit();
    // Of a transaction that is older than all that run: it can be read at once, past the number of "a" …
    expect(await read(1)).toEqual(['b']);
    // … which must not be lost by that.
    await younger.event('c');
    await younger.commit();
    expect(await read(2)).toEqual(['a', 'c']);
    expect(await read(0)).toEqual([]);
  });

  it('finds one that was numbered early and committed late, though nothing comes after it', async () => {
    const older = await begin();
    const younger = await begin();
    await younger.event('a');
    await older.event('b');
    await older.commit();
    expect(await read(1)).toEqual(['b']);
    await younger.commit();
    expect(await read(1)).toEqual(['a']);
    expect(await read(0)).toEqual([]);
  });

  it('never reads a version before the one that it follows, though its writer be the older', async () => {
    const older = await begin();
    const between = await begin();
    const younger = await begin();
    // The younger writer has the record first, then the older one; a third that lies between them still runs.
    await younger.event('v1');
    await younger.commit();
    await older.event('v2');
    await older.commit();
    expect(await read(0)).toEqual([]);
    await between.event('other');
    await between.commit();
    expect(await read(3)).toEqual(['v1', 'v2', 'other']);
  });

  it('tells without a lock that there is nothing to read, once all is read', async () => {
    const { db } = registry.database;
    expect(await mayHaveEvents(db, 'subscriptions')).toBe(false);
    const [older, younger] = [await begin(), await begin()];
    await younger.event('a');
    expect(await mayHaveEvents(db, 'subscriptions')).toBe(false);
    await younger.commit();
    // It cannot be read yet, and must not be forgotten.
    expect(await mayHaveEvents(db, 'subscriptions')).toBe(true);
    expect(await read(0)).toEqual([]);
    await older.rollback();
    for (const name of ['b', 'c']) {
      const writer = await begin();
      await writer.event(name);
      await writer.commit();
    }
    expect(await read(1, 1)).toEqual(['a']);
    expect(await mayHaveEvents(db, 'subscriptions')).toBe(true);
    expect(await read(2)).toEqual(['b', 'c']);
    expect(await mayHaveEvents(db, 'subscriptions')).toBe(false);
  });

  it('waits for the oldest that is running', async () => {
    const older = await begin();
    const younger = await begin();
    await younger.event('a');
    await younger.commit();
    expect(await read(0)).toEqual([]);
    await older.event('b');
    await older.commit();
    expect(await read(2)).toEqual(['a', 'b']);
  });

  it('waits for one that writes nothing or gives up, and no longer', async () => {
    const idle = await begin();
    const writer = await begin();
    await writer.event('a');
    await writer.commit();
    expect(await read(0)).toEqual([]);
    await idle.rollback();
    expect(await read(1)).toEqual(['a']);
  });

  it('reads a window in parts, in order, while others write on', async () => {
    const [one, two] = [await begin(), await begin()];
    for (const name of ['a', 'b', 'c']) {
      await one.event(name);
      await two.event(`${name}2`);
    }
    await one.commit();
    await two.commit();
    expect(await read(2, 2)).toEqual(['a', 'a2']);
    const three = await begin();
    await three.event('d');
    await three.commit();
    expect(await read(3, 3)).toEqual(['b', 'b2', 'c']);
    expect(await read(1, 3)).toEqual(['c2']);
    expect(await read(1, 3)).toEqual(['d']);
  });

  it('passes over what was there at a moment, and nothing that comes to light after it', async () => {
    const [one, older, younger] = [await begin(), await begin(), await begin()];
    for (const name of ['a', 'b', 'c']) await one.event(name);
    await younger.event('e');
    await one.commit();
    // In the middle of a stretch.
    expect(await read(1, 1)).toEqual(['a']);
    await older.event('d');
    const { db } = registry.database;
    expect(await db.transaction().execute((transaction) => skipEvents(transaction, 'subscriptions'))).toBe(true);
    expect(await read(0)).toEqual([]);
    await younger.commit();
    await older.commit();
    expect(await read(2)).toEqual(['e', 'd']);
    const last = await begin();
    await last.event('f');
    await last.commit();
    expect(await read(1)).toEqual(['f']);
  });

  it('counts as read only what its transaction committed, and serves one at a time', async () => {
    const writer = await begin();
    await writer.event('a');
    await writer.commit();
    const { db } = registry.database;
    const failed = db.transaction().execute(async (transaction) => {
      while ((await readNextEvents(transaction, 'subscriptions', 10)).length === 0);
      expect(await db.transaction().execute((other) => readNextEvents(other, 'subscriptions', 10))).toEqual([]);
      throw new Error('crash');
    });
    await expect(failed).rejects.toThrow('crash');
    expect(await read(1)).toEqual(['a']);
  });

  it('of many writers of the same records loses nothing, and has each record’s versions in order', async () => {
    const records = Array.from({ length: 8 }, (_, index) => `r${index}`);
    const put = (round: number): Promise<unknown> =>
      putRecords(
        registry.database.db,
        registry.profile,
        records.filter((_, index) => (index + round) % 3 !== 0).map((uin) => person(uin, {}, { email: [`${round}@x.test`] })),
      );
    const seen: { id: string; version: number; seq: string }[] = [];
    const take = async (): Promise<void> => {
      const events = await registry.database.db.transaction().execute((db) => readNextEvents(db, 'subscriptions', 7));
      seen.push(...events.map(({ recordId, version, seq }) => ({ id: recordId, version, seq })));
    };
    const writing = new AbortController();
    const reader = (async () => {
      while (!writing.signal.aborted) await take();
    })();
    await Promise.all(Array.from({ length: 40 }, (_, round) => put(round)));
    writing.abort();
    await reader;
    const rows = await registry.rows('select seq::text from change_event');
    for (let turn = 0; turn < 500 && seen.length < rows.length; turn += 1) {
      await take();
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect(seen.map(({ seq }) => seq).toSorted()).toEqual(rows.map(({ seq }) => seq).toSorted());
    for (const [, versions] of Map.groupBy(seen, ({ id }) => id))
      expect(versions.map(({ version }) => version)).toEqual(versions.map((_, index) => index + 1));
  });
});
