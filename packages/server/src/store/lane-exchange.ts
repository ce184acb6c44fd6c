import { sql } from 'kysely';
import type { Pool, PoolClient } from 'pg';
import type { Db } from './database.ts';
import { LOCK_LANES } from './lanes.ts';

/**
 * The workers' side of the lanes. A worker first *settles* what it has done: in one durable commit with whatever the work
 * brought forth. Then it *exchanges*: under the lock of the lanes it clears away what is settled, lets those behind it
 * come forward, and claims as much as it has hands free. Because only one exchanges at a time, caps are exact and no two
 * jobs of a lane ever run together. What an exchange did may be lost in a crash of the database without harm: then a
 * claim was never made, and the settled job is still there to be cleared.
 *
 * A worker that has not been seen for a while is taken for dead, and its jobs for never begun. Should it come back, it
 * cannot settle them any more: a claim is known by the worker and by its number.
 */

export interface ClaimedJob {
  readonly id: string;
  readonly kind: string;
  readonly owner: string;
  readonly lane: string | null;
  readonly payload: unknown;
  /** How often it was tried in vain. */
  readonly attempts: number;
  /** How often a worker began it, this time included; more than `attempts` + 1 where workers died over it. */
  readonly claims: number;
}

/** Of one kind of job: how many the worker can take now, and how many may run of each owner over all processes. */
export interface Demand {
  readonly kind: string;
  readonly free: number;
  readonly cap: number;
}

/** What became of a job. `retry` tries it again at `runAt`; `failed` makes a dead letter of it; `returned` was not tried. */
export interface Settlement {
  readonly job: Pick<ClaimedJob, 'id' | 'claims'>;
  readonly state: 'done' | 'retry' | 'failed' | 'returned';
  readonly runAt?: Date | undefined;
  /** For the operator; nothing personal. */
  readonly error?: string | undefined;
}

/** Writes what became of jobs; returns the ids of those that were still this worker's. The others must leave no trace. */
export async function settleJobs(db: Db, worker: string, settlements: readonly Settlement[]): Promise<ReadonlySet<string>> {
  const rows = settlements.map(({ job, state, runAt, error }) => ({
    id: job.id,
    claims: job.claims,
    verdict: state,
    run_at: runAt,
    error,
  }));
  const settled = await sql<{ id: string }>`
    update job set
      state = case verdict when 'done' then 'done' when 'failed' then 'failed' else 'ready' end,
      worker = case when verdict in ('done', 'failed') then job.worker end,
      attempts = job.attempts + (verdict in ('retry', 'failed'))::integer,
      run_at = case when verdict = 'retry' then coalesce(settled.run_at, now()) else job.run_at end,
      error = coalesce(settled.error, job.error)
    from json_to_recordset(${JSON.stringify(rows)}::json)
      as settled (id bigint, claims integer, verdict text, run_at timestamptz, error text)
    where job.id = settled.id and job.claims = settled.claims and job.worker = ${worker}::uuid and job.state = 'running'
    returning job.id`.execute(db);
  return new Set(settled.rows.map(({ id }) => id));
}

export interface Exchange {
  readonly worker: string;
  /** Settled by this worker, to be cleared away. */
  readonly settled: readonly string[];
  readonly demands: readonly Demand[];
}

export interface Exchanged {
  readonly jobs: readonly ClaimedJob[];
  /** Jobs were met that must wait for others of their lane: behind them there may be more to claim at once. */
  readonly parked: boolean;
}

/** Clears what is settled and claims what may run now, the owners in turn, each by the times of his jobs. */
export async function exchangeJobs(pool: Pool, { worker, settled, demands }: Exchange): Promise<Exchanged> {
  return await withLanes(pool, async (client) => {
    if (settled.length > 0) await clear(client, settled);
    const wanted = demands.filter(({ free }) => free > 0);
    if (wanted.length === 0) return { jobs: [], parked: false };
    const columns = [wanted.map(({ kind }) => kind), wanted.map(({ free }) => free), wanted.map(({ cap }) => cap)];
    const { rows } = await client.query<ClaimedRow>({ name: 'job-claim', text: CLAIM, values: [...columns, worker] });
    const lanes = rows.filter(({ held }) => held);
    if (lanes.length > 0) await park(client, lanes);
    return { jobs: rows.filter(({ held }) => !held), parked: lanes.length > 0 };
  });
}

type ClaimedRow = ClaimedJob & { readonly held: boolean };

export interface Sweep {
  readonly worker: string;
  /** A worker that has not been seen for so long is taken for dead. */
  readonly leaseMs: number;
  /** Jobs that the worker has in its hands: runs, or has run and not settled. */
  readonly held: readonly string[];
}

/**
 * Takes note that the worker lives; gives the jobs of those that do not back to all, and clears away what they have settled;
 * ends holds whose time has come. So it is with jobs that are this worker's and not in its hands: of a claim, and of a
 * clearing away, the worker and the database may think differently after a crash of the database, or a lost connection.
 * Returns how many jobs were given back.
 */
export async function sweepLanes(pool: Pool, { worker, leaseMs, held }: Sweep): Promise<number> {
  return await withLanes(pool, async (client) => {
    await client.query(
      'insert into worker (id, seen_at) values ($1, clock_timestamp()) on conflict (id) do update set seen_at = excluded.seen_at',
      [worker],
    );
    await client.query(`delete from worker where seen_at < clock_timestamp() - $1 * interval '1 ms'`, [leaseMs]);
    const { rows } = await client.query<{ id: string; state: string }>(ORPHANS, [worker, held]);
    const ids = (of: string): string[] => rows.filter(({ state }) => state === of).map(({ id }) => id);
    await clear(client, [...ids('done'), ...ids('failed')]);
    const begun = ids('running');
    await client.query(`update job set state = 'ready', worker = null where id = any ($1::bigint[])`, [begun]);
    await client.query(END_HOLDS);
    return begun.length;
  });
}

/** The worker ends: nothing that it had is waited for. */
export async function forgetWorker(pool: Pool, worker: string): Promise<void> {
  await pool.query('delete from worker where id = $1', [worker]);
}

// What an exchange does need not outlive a crash, so its commit waits for no disk. The table is a queue: its size while a
// plan was made says nothing of its size when it is used.
const BEGIN = `begin; ${LOCK_LANES}; set local synchronous_commit = off; set local enable_seqscan = off`;

async function withLanes<T>(pool: Pool, work: (client: PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  let broken: Error | undefined;
  try {
    await client.query(BEGIN);
    const result = await work(client);
    await client.query('commit');
    return result;
  } catch (error) {
    await client.query('rollback').catch((failure: Error) => {
      broken = failure;
    });
    throw error;
  } finally {
    client.release(broken);
  }
}

/** Removes what is done, buries what has failed, and lets the next of each lane come forward. */
async function clear(client: PoolClient, ids: readonly string[]): Promise<void> {
  if (ids.length > 0) await client.query({ name: 'job-clear', text: CLEAR, values: [ids] });
}

const CLEAR = `
with done as (
  delete from job where id = any ($1::bigint[]) and state = 'done' returning kind, lane
), failed as (
  update job set state = 'dead', worker = null where id = any ($1::bigint[]) and state = 'failed' returning kind, lane
), freed as (
  select kind, lane from done where lane is not null union select kind, lane from failed where lane is not null
)
update job set state = 'ready'
where id = any (array(
  select (select min(id) from job where job.kind = freed.kind and job.lane = freed.lane and job.state = 'waiting') from freed))`;

// Queues are found by jumping from one to the next in the index, so that a long one costs no more than a short one.
const CLAIM = `
with recursive queue (kind, owner) as (
  (select kind, owner from job where state = 'ready' order by kind, owner limit 1)
  union all
  select next.kind, next.owner from queue cross join lateral (
    select kind, owner from job where state = 'ready' and (kind, owner) > (queue.kind, queue.owner) order by kind, owner limit 1
  ) as next
), open as (
  select queue.kind, queue.owner, wanted.free,
    least(wanted.free, wanted.cap - (select count(*) from job
      where job.state in ('running', 'done', 'failed') and job.kind = queue.kind and job.owner = queue.owner)) as room
  from queue join unnest($1::text[], $2::integer[], $3::integer[]) as wanted (kind, free, cap) on wanted.kind = queue.kind
  where not exists (select from job_hold
    where job_hold.kind = queue.kind and job_hold.owner = queue.owner and lane = '' and (until is null or until > now()))
), due as materialized (
  select open.kind, open.owner, open.free, first.id, first.lane, first.run_at
  from open cross join lateral (
    select id, lane, run_at from job
    where state = 'ready' and job.kind = open.kind and job.owner = open.owner and run_at <= now()
    order by run_at, id limit greatest(open.room, 0)
    for update skip locked
  ) as first
), judged as (
  select due.*, lane is not null and (
    exists (select from job as other
      where other.kind = due.kind and other.lane = due.lane and other.state <> 'dead' and other.id <> due.id
        and (other.id < due.id or other.state in ('running', 'done', 'failed')))
    or exists (select from job_hold
      where job_hold.kind = due.kind and job_hold.owner = due.owner and job_hold.lane = due.lane and (until is null or until > now()))
  ) as held
  from due
), ranked as (
  select *, row_number() over (partition by kind, owner order by run_at, id) as turn from judged where not held
), chosen as (
  select *, row_number() over (partition by kind order by turn, run_at, id) as place from ranked
), claimed as (
  update job set state = 'running', worker = $4::uuid, claims = claims + 1
  from chosen where chosen.id = job.id and chosen.place <= chosen.free
  returning job.id, job.kind, job.owner, job.lane, job.payload, job.attempts, job.claims, false as held
)
select * from claimed
union all
select null, kind, null, lane, null, 0, 0, true from (select distinct kind, lane from judged where held) as lanes`;

/** Sends those behind the first of a lane to wait, many at once: a long lane that is held up is not gone through job by job. */
async function park(client: PoolClient, lanes: readonly ClaimedRow[]): Promise<void> {
  const columns = [lanes.map(({ kind }) => kind), lanes.map(({ lane }) => lane)];
  await client.query({ name: 'job-park', text: PARK, values: columns });
}

const PARK = `
update job set state = 'waiting'
where id = any (array(
  select ready.id from unnest($1::text[], $2::text[]) as held (kind, lane)
  cross join lateral (
    select id from job
    where job.kind = held.kind and job.lane = held.lane and job.state = 'ready'
      and (job.id > (select min(first.id) from job as first
             where first.kind = held.kind and first.lane = held.lane and first.state <> 'dead')
           or exists (select from job_hold where job_hold.kind = held.kind and job_hold.owner = job.owner
             and job_hold.lane = held.lane and (until is null or until > now()))
           or exists (select from job as other where other.kind = held.kind and other.lane = held.lane and other.id <> job.id
             and other.state in ('running', 'done', 'failed')))
    order by id desc limit 5000
  ) as ready))`;

const ORPHANS = `
select id, state from job
where state in ('running', 'done', 'failed')
  and ((worker = $1::uuid and id <> all ($2::bigint[])) or not exists (select from worker where worker.id = job.worker))`;

const END_HOLDS = `
with ended as (
  delete from job_hold where until <= now() returning kind, lane
)
update job set state = 'ready'
where id = any (array(
  select (select min(id) from job where job.kind = ended.kind and job.lane = ended.lane and job.state = 'waiting')
  from ended where lane <> ''))`;
