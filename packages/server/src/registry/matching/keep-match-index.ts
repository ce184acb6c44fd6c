import { CompiledQuery } from 'kysely';
import type { Profile, RecordType } from '../../profiles/profile.ts';
import type { Database, Db } from '../../store/database.ts';
import { listAppliedTypes, type TypeOfRegistry } from '../applied-types.ts';
import { readNextEvents, skipEvents } from '../read-events.ts';
import { recordTable } from '../record-table.ts';
import { type KeyedRecord, putMatchKeys, removeMatchKeys } from './match-index.ts';

/**
 * Keeps the match index in step with the records: fills in those that were there before the index, then follows the change
 * events. A step is one transaction; broken off anywhere, the next one goes on where the last one ended. One process at a
 * time does it. It stops after `mostMs`, whatever is left: others wait for their turn.
 */
export async function keepMatchIndex(
  database: Database,
  profiles: readonly Profile[],
  { mostMs = Number.POSITIVE_INFINITY, tell = () => undefined }: { mostMs?: number; tell?: (records: number) => void } = {},
): Promise<void> {
  const begun = performance.now();
  const matched = await listAppliedTypes(database, profiles, ({ matching }) => matching !== undefined);
  let done = 0;
  const count = (records: number): boolean => {
    done += records;
    tell(done);
    return records > 0 && performance.now() - begun < mostMs;
  };
  await begin(database.db, matched);
  for (const type of matched) while (count(await fillSome(database.db, type)));
  while (count(await followSome(database.db, matched)));
}

const BATCH = 1_000;
const FIRST_ID = '00000000-0000-0000-0000-000000000000';
const CURSOR = 'matches';

/** Nothing is filled in before all this is done, so what happened until then is in the records that will be. */
async function begin(db: Db, types: readonly TypeOfRegistry[]): Promise<void> {
  const rows = types.map(({ profile, recordType }) => ({
    registry: profile.registry,
    record_type: recordType.name,
    position: FIRST_ID,
  }));
  if (rows.length === 0) return;
  await db.transaction().execute(async (transaction) => {
    const begun = await transaction
      .insertInto('match_fill')
      .values(rows)
      .onConflict((conflict) => conflict.doNothing())
      .returning('record_type')
      .execute();
    // Of the others the events must be followed.
    if (begun.length === rows.length) await skipEvents(transaction, CURSOR);
  });
}

/** Returns how many records were filled in; 0: there are no more, or somebody else is at it. */
async function fillSome(db: Db, { profile, recordType }: TypeOfRegistry): Promise<number> {
  const key = { registry: profile.registry, record_type: recordType.name };
  return await db.transaction().execute(async (transaction) => {
    const state = await transaction
      .selectFrom('match_fill')
      .select('position')
      .where('registry', '=', key.registry)
      .where('record_type', '=', key.record_type)
      .where('is_done', '=', false)
      .forUpdate()
      .skipLocked()
      .executeTakeFirst();
    if (state === undefined) return 0;
    const records = await readRecords(transaction, profile, recordType, 'id > $1 order by id limit $2', [state.position, BATCH]);
    await putMatchKeys(transaction, profile, recordType, records);
    await transaction
      .updateTable('match_fill')
      .set({ position: records.at(-1)?.id ?? state.position, is_done: records.length < BATCH })
      .where('registry', '=', key.registry)
      .where('record_type', '=', key.record_type)
      .execute();
    return records.length;
  });
}

/** Returns how many events were followed. */
async function followSome(db: Db, matched: readonly TypeOfRegistry[]): Promise<number> {
  return await db.transaction().execute(async (transaction) => {
    const events = await readNextEvents(transaction, CURSOR, BATCH);
    for (const { profile, recordType } of matched) {
      const ids = new Set(
        events
          .filter((event) => event.registry === profile.registry && event.recordType === recordType.name)
          .map((event) => event.recordId),
      );
      if (ids.size === 0) continue;
      const records = await readRecords(transaction, profile, recordType, 'id = any($1::uuid[])', [[...ids]]);
      await putMatchKeys(transaction, profile, recordType, records);
      const gone = ids.difference(new Set(records.map(({ id }) => id)));
      await removeMatchKeys(transaction, [...gone]);
    }
    return events.length;
  });
}

async function readRecords(
  db: Db,
  profile: Profile,
  recordType: RecordType,
  condition: string,
  parameters: readonly unknown[],
): Promise<readonly KeyedRecord[]> {
  const statement = `select id, body from ${recordTable(profile, recordType)} where ${condition}`;
  return (await db.executeQuery<KeyedRecord>(CompiledQuery.raw(statement, [...parameters]))).rows;
}
