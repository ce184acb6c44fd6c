import type { ClaimedJob } from '../store/lane-exchange.ts';
import type { Db } from '../store/database.ts';

/**
 * One kind of work. `run` does one job, whatever happens at most `timeoutMs` long; what it brought forth it hands back, and
 * `record` writes that in the very commit that settles the job, for many jobs at once. A job may run more than once, and
 * its result is recorded exactly once.
 */
export interface TaskKind<Payload = unknown, Result = unknown> {
  readonly kind: string;
  /** Jobs at a time in one process. */
  readonly hands: number;
  /** Jobs at a time of one owner, over all processes. */
  readonly cap: number;
  readonly timeoutMs: number;
  /** What it throws is noted, and the job tried again later. It heeds `signal`: then there is no more time. */
  run(job: Job<Payload>, signal: AbortSignal): Promise<TaskResult<Result>>;
  /** In one transaction with the end of the jobs. */
  record?(db: Db, results: readonly Result[]): Promise<void>;
  /** In place of a further try, where `run` has thrown too often. Absent: the job becomes a dead letter. */
  giveUp?(job: Job<Payload>, error: unknown): Promise<TaskResult<Result>>;
}

export type Job<Payload> = Omit<ClaimedJob, 'payload'> & { readonly payload: Payload };

/** `retry`: not before `runAt`. `failed`: a dead letter. `error` is for the operator and names nobody. */
export type TaskResult<Result> = { readonly record?: Result | undefined } & (
  | { readonly state: 'done' }
  | { readonly state: 'retry'; readonly runAt: Date; readonly error: string }
  | { readonly state: 'failed'; readonly error: string }
);
