import { type Db, isDatabaseUnavailable } from '../store/database.ts';
import { type ClaimedJob, type Settlement, settleJobs } from '../store/lane-exchange.ts';
import { judgeFailure, type JobLog, type Outcome } from './run-job.ts';
import type { TaskKind } from './task-kind.ts';

/** A job that has ended and is to be settled. */
export interface EndedJob {
  readonly job: ClaimedJob;
  readonly kind: TaskKind;
  readonly outcome: Outcome;
}

export interface Settling {
  readonly db: Db;
  readonly worker: string;
  readonly log: JobLog;
}

/**
 * Settles jobs and records their results in one commit; one by one where together it does not work, so that a result that
 * cannot be recorded keeps no other from it. Returns the ids of those that are to be cleared away.
 */
export async function settleEnded(settling: Settling, batch: readonly EndedJob[]): Promise<string[]> {
  try {
    return await settleTogether(settling, batch);
  } catch (error) {
    if (isDatabaseUnavailable(error)) throw error;
    const [only, ...others] = batch;
    if (only === undefined) return [];
    if (others.length > 0) {
      const cleared: string[] = [];
      for (const one of batch) cleared.push(...(await settleEnded(settling, [one])));
      return cleared;
    }
    const { job, kind } = only;
    settling.log.error({ err: error, kind: job.kind, job: job.id }, 'the result of a job could not be recorded');
    const outcome = await judgeFailure(kind, job, error, settling.log);
    // A last word that cannot be recorded either is left unsaid.
    return await settleTogether(settling, [{ job, kind, outcome: { ...outcome, record: undefined } }]);
  }
}

async function settleTogether({ db, worker }: Settling, batch: readonly EndedJob[]): Promise<string[]> {
  await db.transaction().execute(async (transaction) => {
    const ids = await settleJobs(transaction, worker, batch.map(toSettlement));
    const own = batch.filter(({ job }) => ids.has(job.id));
    for (const [kind, entries] of Map.groupBy(own, (entry) => entry.kind)) {
      const results = entries.flatMap(({ outcome }) => outcome.record ?? []);
      if (results.length > 0) await kind.record?.(transaction, results);
    }
  });
  // All of them: the answer to an earlier attempt to settle may have been lost, and clearing what is not settled does nothing.
  return batch.filter(({ outcome }) => outcome.state === 'done' || outcome.state === 'failed').map(({ job }) => job.id);
}

function toSettlement({ job, outcome }: EndedJob): Settlement {
  return outcome.state === 'done' || outcome.state === 'returned' ? { job, state: outcome.state } : { job, ...outcome };
}
