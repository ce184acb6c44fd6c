import { CompiledQuery, sql } from 'kysely';
import type { Profile } from '../../profiles/profile.ts';
import type { Database, Db } from '../../store/database.ts';
import { listAppliedTypes, type TypeOfRegistry } from '../applied-types.ts';
import { dayOf } from '../moments.ts';
import { readNextEvents, skipEvents } from '../read-events.ts';
import { createParameters, type Parameters, tableOf } from '../sql.ts';
import { ID_HASH } from './count-cells.ts';
import { describeCounting, nameCube } from './cubes.ts';
import { compileChangeDay, compileDimension, listDimensions } from './dimensions.ts';

/**
 * Keeps the counts of the cubes in step with the records: counts those that were there before, then follows the change
 * events, and the days on which ages pass into another band. What a record was counted as is remembered, so that a change
 * moves it from one cell to another. A step is one transaction; broken off anywhere, the next one goes on where the last
 * one ended. One process at a time does it.
 *
 * `mostMs`: after so long, what is left is done the next time.
 */
export async function keepCounts(
  database: Database,
  profiles: readonly Profile[],
  now: () => number,
  mostMs = Number.POSITIVE_INFINITY,
): Promise<void> {
  const begun = performance.now();
  const types = await listAppliedTypes(database, profiles, ({ statistics }) => (statistics?.cubes ?? []).length > 0);
  const today = dayOf(now());
  await runStep(database.db, begin);
  for (const type of types) await openType(database.db, type);
  /** Whether there is more to do, and time for it. */
  const step = async (work: (db: Db) => Promise<number>): Promise<boolean> =>
    performance.now() - begun < mostMs && (await runStep(database.db, work)) > 0;
  for (const type of types) while (await step((db) => fillSome(db, type, today)));
  while (await step((db) => catchUp(db, types, today)));
}

const BATCH = 2_000;
const FIRST_ID = '00000000-0000-0000-0000-000000000000';
const CURSOR = 'statistics';

/** 0 where another process is at it. */
async function runStep(db: Db, work: (db: Db) => Promise<number>): Promise<number> {
  return await db.transaction().execute(async (transaction) => {
    const { rows } = await sql<{ taken: boolean }>`select pg_try_advisory_xact_lock(hashtextextended('dci counts', 0)) as taken`.execute(
      transaction,
    );
    return rows[0]?.taken === true ? await work(transaction) : 0;
  });
}

/** The first time of all, what happened before is in the records that are counted. */
async function begin(db: Db): Promise<number> {
  const begun = await db.selectFrom('counted_type').select('record_type').limit(1).executeTakeFirst();
  if (begun === undefined) await skipEvents(db, CURSOR);
  return 0;
}

/** What was counted under another declaration is thrown away. */
async function openType(db: Db, { profile, recordType }: TypeOfRegistry): Promise<void> {
  await runStep(db, async (transaction) => {
    const key = { registry: profile.registry, record_type: recordType.name };
    const declared = describeCounting(recordType);
    const known = await transaction
      .selectFrom('counted_type')
      .select('declared')
      .where('registry', '=', key.registry)
      .where('record_type', '=', key.record_type)
      .executeTakeFirst();
    if (known?.declared === declared) return 0;
    for (const table of ['counted_type', 'counted_cell', 'counted_record'] as const)
      await transaction.deleteFrom(table).where('registry', '=', key.registry).where('record_type', '=', key.record_type).execute();
    await transaction
      .insertInto('counted_type')
      .values({ ...key, declared, position: FIRST_ID })
      .execute();
    return 0;
  });
}

/** Returns how many records were counted that were there before; 0: there are no more. */
async function fillSome(db: Db, type: TypeOfRegistry, today: string): Promise<number> {
  const { profile, recordType } = type;
  const state = await db
    .selectFrom('counted_type')
    .select('position')
    .where('registry', '=', profile.registry)
    .where('record_type', '=', recordType.name)
    .where('is_done', '=', false)
    .executeTakeFirst();
  if (state === undefined) return 0;
  const ids = await readIds(db, `select id from ${tableOf(profile, recordType)} where id > $1 order by id limit $2`, [
    state.position,
    BATCH,
  ]);
  await countAnew(db, type, ids, today);
  await db
    .updateTable('counted_type')
    .set({ position: ids.at(-1) ?? state.position, is_done: ids.length < BATCH })
    .where('registry', '=', profile.registry)
    .where('record_type', '=', recordType.name)
    .execute();
  return ids.length;
}

/**
 * Returns how much there was to do; when it was nothing, the counts are those of this moment, or of the moment before the
 * first change that cannot be read yet: changes wait for every older transaction.
 */
async function catchUp(db: Db, types: readonly TypeOfRegistry[], today: string): Promise<number> {
  let done = await followSome(db, types, today);
  for (const type of types) done += await turnSome(db, type, today);
  if (done > 0) return done;
  await sql`delete from counted_cell where records = 0`.execute(db);
  await sql`
    update counted_type set day = ${today}::date, kept_at = least(now(), (
      select min(e.at) from event_cursor c
      join change_event e on e.xid >= c.until_xid or e.seq >= c.until_seq
      where c.name = ${CURSOR}))
    where is_done`.execute(db);
  return 0;
}

/** Returns how many events were followed. */
async function followSome(db: Db, types: readonly TypeOfRegistry[], today: string): Promise<number> {
  const events = await readNextEvents(db, CURSOR, BATCH);
  for (const type of types) {
    const ids = events
      .filter(({ registry, recordType }) => registry === type.profile.registry && recordType === type.recordType.name)
      .map(({ recordId }) => recordId);
    await countAnew(db, type, [...new Set(ids)], today);
  }
  return events.length;
}

/** Returns how many records passed into another band. */
async function turnSome(db: Db, type: TypeOfRegistry, today: string): Promise<number> {
  const ids = await readIds(
    db,
    'select record_id as id from counted_record where registry = $1 and record_type = $2 and due <= $3::date limit $4',
    [type.profile.registry, type.recordType.name, today, BATCH],
  );
  await countAnew(db, type, ids, today);
  return ids.length;
}

async function readIds(db: Db, statement: string, parameters: readonly unknown[]): Promise<readonly string[]> {
  return (await db.executeQuery<{ id: string }>(CompiledQuery.raw(statement, [...parameters]))).rows.map(({ id }) => id);
}

/** Takes the records out of the cells they were counted in and puts those that are still there into the ones they belong to. */
async function countAnew(db: Db, type: TypeOfRegistry, ids: readonly string[], today: string): Promise<void> {
  if (ids.length === 0) return;
  const { rows } = await db.executeQuery<{ id: string }>(compileFindMoved(type, ids, today));
  if (rows.length === 0) return;
  const moved = rows.map(({ id }) => id);
  for (const statement of [compileTakeOut(type, moved), compilePutIn(type, moved, today)]) await db.executeQuery(statement);
}

/** Those that are not counted as they are; most changes of a record are of something else. */
function compileFindMoved(type: TypeOfRegistry, ids: readonly string[], today: string): CompiledQuery {
  const parameters = createParameters();
  const { dims, due } = compileCounted(type, parameters, today);
  return CompiledQuery.raw(
    `select q.id from unnest(${parameters.bind(ids, 'uuid[]')}) q (id)
     left join ${tableOf(type.profile, type.recordType)} r on r.id = q.id left join counted_record c on c.record_id = q.id
     where (r.id is not null or c.record_id is not null) and (r.id is null or c.dims is distinct from ${dims} or c.due is distinct from ${due})`,
    [...parameters.values],
  );
}

/** As what a record `r` is counted. */
function compileCounted({ profile, recordType }: TypeOfRegistry, parameters: Parameters, today: string): { dims: string; due: string } {
  const row = { profile, recordType, alias: 'r', parameters, sight: undefined };
  const dimensions = listDimensions(recordType);
  const days = dimensions.flatMap((dimension) => compileChangeDay(dimension, row, today) ?? []);
  return {
    dims: `array[${dimensions.map((dimension) => compileDimension(dimension, row, today)).join(', ')}]::text[]`,
    due: days.length === 0 ? 'null::date' : `least(${days.join(', ')})`,
  };
}

function compileTakeOut(type: TypeOfRegistry, ids: readonly string[]): CompiledQuery {
  const parameters = createParameters();
  const moved = `delete from counted_record where record_id = any(${parameters.bind(ids, 'uuid[]')}) returning record_id, dims`;
  return CompiledQuery.raw(addToCells(type, moved, '-'), [...parameters.values]);
}

function compilePutIn(type: TypeOfRegistry, ids: readonly string[], today: string): CompiledQuery {
  const parameters = createParameters();
  const { dims, due } = compileCounted(type, parameters, today);
  const moved = `insert into counted_record (record_id, registry, record_type, dims, due)
    select r.id, ${quoted(type)}, ${dims}, ${due}
    from ${tableOf(type.profile, type.recordType)} r where r.id = any(${parameters.bind(ids, 'uuid[]')}) returning record_id, dims`;
  return CompiledQuery.raw(addToCells(type, moved, ''), [...parameters.values]);
}

function addToCells(type: TypeOfRegistry, moved: string, sign: '' | '-'): string {
  const { recordType } = type;
  const names = listDimensions(recordType).map(({ name }) => name);
  const cubes = (recordType.statistics?.cubes ?? []).map((cube) => {
    const values = cube.map((name) => `m.dims[${names.indexOf(name) + 1}]`).join(', ');
    return `('${nameCube(cube)}', array[${values}]::text[])`;
  });
  return `with m as (${moved})
    insert into counted_cell as c (registry, record_type, cube, cell, records, id_sum)
    select ${quoted(type)}, q.cube, q.cell, ${sign}count(*), ${sign}sum(${ID_HASH}(m.record_id, 0))
    from m cross join lateral (values ${cubes.join(', ')}) q (cube, cell) group by q.cube, q.cell
    on conflict (registry, record_type, cube, cell)
    do update set records = c.records + excluded.records, id_sum = c.id_sum + excluded.id_sum`;
}

/** Names of a profile, which are made of lower case letters, digits and `_`. */
function quoted({ profile, recordType }: TypeOfRegistry): string {
  return `'${profile.registry}', '${recordType.name}'`;
}
