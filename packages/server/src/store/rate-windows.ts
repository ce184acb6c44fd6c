import { sql } from 'kysely';
import type { Db } from './database.ts';

/** Counters of spent points, one row a subject and window, shared by every process. */

export interface LeaseRequest {
  readonly subject: string;
  readonly windowStart: Date;
  /** What is needed; granted whole or not at all. */
  readonly points: number;
  /** What is taken instead where the window has room for it; `points` ≤ `block` ≤ `limit`. */
  readonly block: number;
  readonly limit: number;
}

export interface Lease {
  /** `block`, `points` or 0. */
  readonly granted: number;
  /** Points of the window that all processes together had taken; may be out of date by what others take meanwhile. */
  readonly used: number;
}

/** Takes points out of a window in one atomic statement: the block, or else what is needed, or else nothing. */
export async function leasePoints(db: Db, request: LeaseRequest): Promise<Lease> {
  const { subject, windowStart, points, block, limit } = request;
  const { rows } = await sql<Lease>`
    with whole as (
      insert into rate_window as w (subject, window_start, points) values (${subject}, ${windowStart}, ${block}::int)
      on conflict (subject, window_start) do update set points = w.points + excluded.points
        where w.points + excluded.points <= ${limit}::int
      returning points
    ), exact as (
      insert into rate_window as w (subject, window_start, points)
        select ${subject}, ${windowStart}, ${points}::int where not exists (select from whole)
      on conflict (subject, window_start) do update set points = w.points + excluded.points
        where w.points + excluded.points <= ${limit}::int
      returning points
    )
    select ${block}::int as granted, points as used from whole
    union all select ${points}::int, points from exact
    union all select 0, coalesce((select points from rate_window where subject = ${subject} and window_start = ${windowStart}), 0)
      where not exists (select from whole) and not exists (select from exact)`.execute(db);
  return rows[0] ?? { granted: 0, used: 0 };
}

/** Forgets windows that ended at least as long ago as they lasted; a subject ends with the seconds of its window. */
export async function deleteRateWindows(db: Db, now: Date): Promise<void> {
  await sql`
    delete from rate_window
    where window_start + 2 * substring(subject from '[0-9]+$')::int * interval '1 second' < ${now}`.execute(db);
}
