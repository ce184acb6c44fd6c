import { sql } from 'kysely';
import type { Pool } from 'pg';
import type { Db } from './database.ts';

/**
 * Work that was promised and must be done: one table of jobs, written in the transaction that made them necessary.
 *
 * A job belongs to a queue, `(kind, owner)`: of each queue only so many run at a time, over all processes, so that no
 * owner takes more than his share. It may also belong to a lane, `(kind, lane)`: of a lane one runs at a time, in the
 * order in which the jobs were written, and one that must be tried again holds those behind it.
 *
 * State of a job, changed by `lane-exchange.ts` alone but for the last line:
 *
 *     ready ──→ running ──→ done (removed)
 *     │  ↑        ├──→ ready, at a later time
 *     ↓  │        └──→ failed ──→ dead
 *     waiting (behind another of its lane, or held)
 *     dead ──→ ready (`replayJobs`)
 */

export interface NewJob {
  readonly kind: string;
  /** Whose share of the workers it takes, e.g. a partner's id. */
  readonly owner: string;
  /** Of one lane of a kind, jobs are done strictly one after the other. Absent: in any order. */
  readonly lane?: string | undefined;
  readonly payload: object;
  /** Not before; absent: now. */
  readonly runAt?: Date | undefined;
}

/** Channel on which workers are told that there is something to do. */
export const JOB_CHANNEL = 'dci_job';

/**
 * Who moves jobs from one state to another takes this lock first, in a statement of its own, so that the next statement
 * sees what its last holder did. Until the end of the transaction.
 */
export const LOCK_LANES = `select pg_advisory_xact_lock(hashtextextended('dci lanes', 0))`;

/** Writes jobs within the caller's transaction, in their order. Tell the workers once it is committed (`JobBell`). */
export async function enqueueJobs(db: Db, jobs: readonly NewJob[]): Promise<void> {
  if (jobs.length === 0) return;
  const rows = jobs.map(({ kind, owner, lane, payload, runAt }, n) => ({ n, kind, owner, lane, payload, run_at: runAt }));
  await sql`
    insert into job (kind, owner, lane, payload, run_at)
    select kind, owner, lane, payload, coalesce(run_at, now())
    from json_to_recordset(${JSON.stringify(rows)}::json)
      as entry (n integer, kind text, owner text, lane text, payload json, run_at timestamptz)
    order by n`.execute(db);
}

/** Tells the workers of all processes that there is something to do. Outside of transactions: their commits would queue up. */
export async function callWorkers(pool: Pool): Promise<void> {
  await pool.query(`select pg_notify('${JOB_CHANNEL}', '')`);
}

/** A queue, or one lane of it, whose jobs wait: until a time, or until it is resumed. */
export interface Hold {
  readonly kind: string;
  readonly owner: string;
  /** Absent: the whole queue. */
  readonly lane?: string | undefined;
  /** Absent: until `resumeJobs`. */
  readonly until?: Date | undefined;
  readonly reason: string;
}

/** Lets no further job of a queue or lane begin; those that run are not disturbed. A hold that is there is replaced. */
export async function holdJobs(db: Db, { kind, owner, lane = '', until, reason }: Hold): Promise<void> {
  await sql`
    insert into job_hold (kind, owner, lane, until, reason) values (${kind}, ${owner}, ${lane}, ${until ?? null}, ${reason})
    on conflict (kind, owner, lane) do update set until = excluded.until, reason = excluded.reason, since = now()`.execute(db);
}

/** Ends a hold. Within a transaction that ends soon: until then no worker takes a job. */
export async function resumeJobs(db: Db, { kind, owner, lane = '' }: Omit<Hold, 'reason' | 'until'>): Promise<void> {
  await sql.raw(LOCK_LANES).execute(db);
  await sql`delete from job_hold where kind = ${kind} and owner = ${owner} and lane = ${lane}`.execute(db);
  // Should another be before it or at work, the next claim sends it back to wait.
  await sql`
    update job set state = 'ready'
    where id = (select min(id) from job where kind = ${kind} and lane = ${lane} and state = 'waiting')`.execute(db);
}

/** Puts dead jobs back to work, those of `ids` or those that came into being since then, as if never tried. Returns how many. */
export async function replayJobs(db: Db, kind: string, which: { ids: readonly string[] } | { since: Date }): Promise<number> {
  const chosen = 'ids' in which ? sql`id = any(${which.ids}::bigint[])` : sql`created_at >= ${which.since}`;
  const { numAffectedRows = 0n } = await sql`
    update job set state = 'ready', attempts = 0, claims = 0, run_at = now(), error = null
    where kind = ${kind} and state = 'dead' and ${chosen}`.execute(db);
  return Number(numAffectedRows);
}
