import { setImmediate as nextTurn } from 'node:timers/promises';
import type { SignatureExecutor } from '@dci/protocol';
import { performJob, type SignatureJob, type SignatureOutcome } from './signature-job.ts';
import { createSignatureThreads } from './signature-threads.ts';

/**
 * Signatures beside the one thread that answers. What one turn of the event loop asks to be verified goes to another thread
 * together, for to wake one costs as much as a signature; one or two are verified at once, in place. Signatures are made in
 * place too, unless that takes long: making one is a third of verifying one, and is done while the database commits.
 * Where a thread fails, its work is done in place: nothing is taken unverified or sent unsigned for it.
 * Of all searches that pause, one goes on in a turn: many large messages keep the thread no longer at a time than one does.
 */
export interface OpenSignatureExecutor extends SignatureExecutor {
  close(): Promise<void>;
}

interface Waiting {
  readonly job: SignatureJob;
  readonly resolve: (outcome: SignatureOutcome) => void;
  readonly reject: (error: unknown) => void;
}

// Below that waking a thread costs this one and the machine more than it spares.
const LEAST_BATCH = 3;
/** More at a time would keep the first of them waiting. */
const LARGEST_BATCH = 16;

export function openSignatureExecutor(): OpenSignatureExecutor {
  const threads = createSignatureThreads();
  let waiting: Waiting[] = [];
  let isDue = false;
  let lastPause = Promise.resolve();

  function ask(job: SignatureJob): Promise<SignatureOutcome> {
    return new Promise((resolve, reject) => {
      waiting.push({ job, resolve, reject });
      if (waiting.length === LARGEST_BATCH) handOver();
      else if (!isDue) {
        isDue = true;
        setImmediate(() => {
          isDue = false;
          handOver();
        });
      }
    });
  }

  function handOver(): void {
    const batch = waiting;
    waiting = [];
    const { beside = [], here = [] } = Object.groupBy(batch, ({ job }) => (belongsBeside(job) ? 'beside' : 'here'));
    if (beside.length < LEAST_BATCH && !beside.some(({ job }) => takesLong(job))) performInPlace(beside);
    else void performBeside(beside);
    performInPlace(here);
  }

  async function performBeside(batch: readonly Waiting[]): Promise<void> {
    const outcomes = await threads.perform(batch.map(({ job }) => job)).catch(() => undefined);
    if (outcomes === undefined) {
      performInPlace(batch);
      return;
    }
    for (const [index, { resolve, reject }] of batch.entries()) {
      const outcome = outcomes[index];
      if (outcome instanceof Error || outcome === undefined) reject(outcome);
      else resolve(outcome);
    }
  }

  return {
    async sign(order) {
      const signature = await ask(order);
      if (typeof signature === 'boolean') throw new Error('a signature was to be made, and none came');
      return signature;
    },
    verify: async (check) => (await ask(check)) === true,
    pause() {
      lastPause = lastPause.then(() => nextTurn());
      return lastPause;
    },
    close: () => threads.close(),
  };
}

function performInPlace(batch: readonly Waiting[]): void {
  for (const { job, resolve, reject } of batch) {
    try {
      resolve(performJob(job));
    } catch (error) {
      reject(error);
    }
  }
}

function belongsBeside(job: SignatureJob): boolean {
  return 'signature' in job || takesLong(job);
}

/** RSA signs ten times as long as the others do anything. */
function takesLong(job: SignatureJob): boolean {
  return !('signature' in job) && (job.algorithm === 'RS256' || job.algorithm === 'PS256');
}
