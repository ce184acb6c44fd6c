import { CompiledQuery, sql } from 'kysely';
import type { Db } from '../store/database.ts';
import type { ChangeKind } from './change-set.ts';

/**
 * Change events in order, none left out, and of each record in the order of its versions.
 *
 * Numbers are given after the lock on the record, so for one record they follow its versions; but transactions end in
 * another order than they took their numbers and ids. Events are therefore read stretch by stretch: all with an id below
 * `xid` and a number below `seq`, where `xid` is the oldest transaction that still runs and `seq` the lowest number that
 * can be seen of `xid` or younger ones.
 * - None is left out: a stretch is complete, for all its transactions have ended; what comes to light later has a higher id.
 * - Versions stay in order: who wrote a later version waited for the writer before it, so the earlier version can be seen
 *   too, and either it lies in the stretch or its number ends the stretch before both. The ids alone do not say that much:
 *   the earlier writer may have the higher id, above one that still runs.
 */
export interface StoredEvent {
  readonly seq: string;
  readonly registry: string;
  readonly recordType: string;
  readonly recordId: string;
  readonly version: number;
  readonly kind: ChangeKind;
  readonly changed: readonly string[];
  readonly at: Date;
  /** Of a DELETE: the record as it was, in stored form. */
  readonly body: string | null;
}

/** What was read: all below `done`; and of the stretch up to `until`, the numbers up to `last`. */
interface Cursor {
  readonly doneXid: string;
  readonly doneSeq: string;
  readonly untilXid: string;
  readonly untilSeq: string;
  readonly last: string;
}

/**
 * The next events after those that the reader `name` has read, at most `most`; they count as read when the transaction
 * `db` commits. One transaction at a time reads under a name, others are given nothing.
 */
export async function readNextEvents(db: Db, name: string, most: number): Promise<StoredEvent[]> {
  if (!(await lockCursor(db, name))) return [];
  const cursor = await loadCursor(db, name);
  const events = await readStretch(db, cursor, most);
  if (events.length > 0) {
    await saveCursor(db, name, { ...cursor, last: events.at(-1)?.seq ?? cursor.last });
    return events;
  }
  const next = await findNextStretch(db, cursor);
  if (next === undefined) return [];
  const begun = await readStretch(db, next, most);
  await saveCursor(db, name, { ...next, last: begun.at(-1)?.seq ?? next.last });
  return begun;
}

/**
 * Whether `readNextEvents` may find something; false is certain. One statement without a lock, for whoever looks often: of
 * what is not read, all lies beyond the stretch that was begun, by its transaction or by its number, or in the rest of it.
 */
export async function mayHaveEvents(db: Db, name: string): Promise<boolean> {
  const { rows } = await sql<{ may: boolean | null }>`
    select (select max(seq) from change_event) >= until_seq
      or (select xid from change_event order by xid desc, seq desc limit 1) >= until_xid
      or exists (
        select from change_event
        where seq > last_seq and seq < until_seq and xid < until_xid and (xid >= done_xid or seq >= done_seq)
      ) as may
    from event_cursor where name = ${name}`.execute(db);
  const [row] = rows;
  // Of a cursor that is missing whoever reads is told.
  return row === undefined || row.may === true;
}

/**
 * Has all events that can be read now count as read: for a reader that is about to read all records as they are, and then
 * follows what comes. What a later transaction reads of the records is as those events left them, or later. False: another
 * transaction is at it.
 */
export async function skipEvents(db: Db, name: string): Promise<boolean> {
  if (!(await lockCursor(db, name))) return false;
  const cursor = await loadCursor(db, name);
  const end = (await findNextStretch(db, cursor)) ?? cursor;
  await saveCursor(db, name, { ...end, last: (BigInt(end.untilSeq) - 1n).toString() });
  return true;
}

/** The lock first, in a statement of its own: the next one then sees what its last holder did. */
async function lockCursor(db: Db, name: string): Promise<boolean> {
  const lock = `dci events ${name}`;
  const { rows } = await sql<{ taken: boolean }>`select pg_try_advisory_xact_lock(hashtextextended(${lock}, 0)) as taken`.execute(db);
  return rows[0]?.taken === true;
}

async function loadCursor(db: Db, name: string): Promise<Cursor> {
  const { rows } = await sql<Cursor>`
    select done_xid::text as "doneXid", done_seq::text as "doneSeq", until_xid::text as "untilXid", until_seq::text as "untilSeq",
      last_seq::text as last
    from event_cursor where name = ${name}`.execute(db);
  const [cursor] = rows;
  if (cursor === undefined) throw new Error(`there is no cursor ${name}: a migration makes it`);
  return cursor;
}

async function saveCursor(db: Db, name: string, { doneXid, doneSeq, untilXid, untilSeq, last }: Cursor): Promise<void> {
  await sql`
    update event_cursor set done_xid = ${doneXid}::xid8, done_seq = ${doneSeq}::bigint, until_xid = ${untilXid}::xid8,
      until_seq = ${untilSeq}::bigint, last_seq = ${last}::bigint
    where name = ${name}`.execute(db);
}

async function readStretch(db: Db, cursor: Cursor, most: number): Promise<StoredEvent[]> {
  const { rows } = await db.executeQuery<StoredEvent>(
    CompiledQuery.raw(
      `select seq::text, registry, record_type as "recordType", record_id as "recordId", version, kind, changed, at, body
       from change_event
       where seq > $1::bigint and seq < $2::bigint and xid < $3::xid8 and (xid >= $4::xid8 or seq >= $5::bigint)
       order by change_event.seq limit $6`,
      [cursor.last, cursor.untilSeq, cursor.untilXid, cursor.doneXid, cursor.doneSeq, most],
    ),
  );
  return rows;
}

/** Where the stretch after this one ends; undefined: nothing is new, or its end lies before that of this one, for now. */
async function findNextStretch(db: Db, { untilXid, untilSeq }: Cursor): Promise<Cursor | undefined> {
  const xid = await findOldestRunning(db);
  const { rows } = await sql<{ seq: string; first: string | null; isFurther: boolean; isBehind: boolean }>`
    with stretch as (
      select coalesce((select min(seq) from change_event where xid >= ${xid}::xid8), (select max(seq) + 1 from change_event), 1) as seq
    )
    select seq::text, seq > ${untilSeq}::bigint as "isFurther", seq < ${untilSeq}::bigint as "isBehind",
      (select min(seq) - 1 from change_event where xid >= ${untilXid}::xid8 and xid < ${xid}::xid8)::text as first
    from stretch`.execute(db);
  const [row] = rows;
  // Where it ends at the same number, there may be numbers below it that were committed since, and nothing after them.
  if (row === undefined || row.isBehind || !(row.isFurther || row.first !== null)) return undefined;
  const before = (BigInt(untilSeq) - 1n).toString();
  const last = row.first !== null && BigInt(row.first) < BigInt(before) ? row.first : before;
  return { doneXid: untilXid, doneSeq: untilSeq, untilXid: xid, untilSeq: row.seq, last };
}

/**
 * In a statement of its own: where the planner does not know the id, it looks for a younger one along all numbers there are
 * (among three million events 0.8 s each time, instead of 0.1 ms). What has ended by now is seen by the next statement too.
 */
async function findOldestRunning(db: Db): Promise<string> {
  const { rows } = await sql<{ xid: string }>`select pg_snapshot_xmin(pg_current_snapshot())::text as xid`.execute(db);
  const [row] = rows;
  if (row === undefined) throw new Error('there is no snapshot');
  return row.xid;
}
