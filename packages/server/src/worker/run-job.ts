import { isDatabaseUnavailable } from '../store/database.ts';
import type { ClaimedJob } from '../store/lane-exchange.ts';
import type { TaskKind, TaskResult } from './task-kind.ts';

/** What came of a job that was run, or not: `returned` was not tried. */
export type Outcome = TaskResult<unknown> | { readonly state: 'returned'; readonly record?: undefined };

export interface JobLog {
  error(fields: object, text: string): void;
}

/** Of a job that throws: then it is given up. */
const MOST_TRIES = 8;
/** Of workers that died over one job. */
const MOST_DEATHS = 20;

/** Runs a job; never throws. */
export async function runJob(kind: TaskKind, job: ClaimedJob, signal: AbortSignal, log: JobLog): Promise<Outcome> {
  const isDeadly = job.claims - job.attempts > MOST_DEATHS;
  try {
    if (isDeadly) throw new Error('workers have died over this job again and again');
    return await kind.run(job, signal);
  } catch (error) {
    // Whatever else was to be said of it, it stays to be done.
    if (isDatabaseUnavailable(error)) return { state: 'returned' };
    log.error({ err: error, kind: job.kind, job: job.id, attempts: job.attempts }, 'a job failed');
    return isDeadly ? await giveUp(kind, job, error, log) : await judgeFailure(kind, job, error, log);
  }
}

/** What to do about a job that threw, or whose result could not be recorded. */
export async function judgeFailure(kind: TaskKind, job: ClaimedJob, error: unknown, log: JobLog): Promise<Outcome> {
  if (job.attempts + 1 >= MOST_TRIES) return await giveUp(kind, job, error, log);
  return { state: 'retry', runAt: new Date(Date.now() + 1_000 * 2 ** job.attempts), error: nameOf(error) };
}

async function giveUp(kind: TaskKind, job: ClaimedJob, error: unknown, log: JobLog): Promise<Outcome> {
  try {
    return (await kind.giveUp?.(job, error)) ?? { state: 'failed', error: nameOf(error) };
  } catch (failure) {
    if (isDatabaseUnavailable(failure)) return { state: 'returned' };
    log.error({ err: failure, kind: job.kind, job: job.id }, 'a job could not even be given up');
    return { state: 'failed', error: nameOf(failure) };
  }
}

// The message may repeat what was worked on; the log has it, the table need not.
function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : 'Error';
}
