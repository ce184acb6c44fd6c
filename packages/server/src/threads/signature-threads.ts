import type { KeyObject } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import {
  type SignatureJob,
  type SignatureOutcome,
  type ThreadJob,
  type ThreadOrder,
  type ThreadOutcome,
  toBytes,
  toText,
} from './signature-job.ts';

/**
 * Threads that sign and verify what they are handed, a batch at a time. A thread starts when it is first needed, and keeps
 * no process from ending that waits for nothing. What one that fails was asked is handed back as failed.
 */
export interface SignatureThreads {
  /** An outcome, or the error, for each job in its place. Throws where the thread has ended. */
  perform(jobs: readonly SignatureJob[]): Promise<(SignatureOutcome | Error)[]>;
  close(): Promise<void>;
}

interface Thread {
  readonly worker: Worker;
  readonly keyIds: Map<KeyObject, number>;
  /** Handed over and not answered, batch by batch. */
  readonly asked: { resolve(outcomes: readonly ThreadOutcome[]): void; reject(error: Error): void }[];
}

// One processor is for the thread that asks.
const MOST_THREADS = Math.max(1, Math.min(4, availableParallelism() - 1));
const MOST_KEYS = 1_000;
const PROGRAM = new URL(`./signature-thread${extname(import.meta.url)}`, import.meta.url);

export function createSignatureThreads(): SignatureThreads {
  const threads: Thread[] = [];

  function start(): Thread {
    const worker = new Worker(PROGRAM, { name: 'signatures', execArgv: [] });
    const thread: Thread = { worker, keyIds: new Map(), asked: [] };
    worker.on('message', (outcomes: readonly ThreadOutcome[]) => {
      thread.asked.shift()?.resolve(outcomes);
      if (thread.asked.length === 0) worker.unref();
    });
    worker.on('error', (error: Error) => abandon(thread, error));
    worker.on('exit', () => abandon(thread, new Error('the thread that signs and verifies has ended')));
    threads.push(thread);
    return thread;
  }

  function abandon(thread: Thread, error: Error): void {
    const place = threads.indexOf(thread);
    if (place >= 0) threads.splice(place, 1);
    for (const { reject } of thread.asked.splice(0)) reject(error);
  }

  /** One that has nothing to do, a new one, or the least busy. */
  function choose(): Thread {
    const [first, ...others] = threads;
    if (first === undefined) return start();
    const least = others.reduce((found, thread) => (thread.asked.length < found.asked.length ? thread : found), first);
    return least.asked.length > 0 && threads.length < MOST_THREADS ? start() : least;
  }

  return {
    async perform(jobs) {
      const thread = choose();
      // While somebody waits for it the process may not end.
      if (thread.asked.length === 0) thread.worker.ref();
      const outcomes = await new Promise<readonly ThreadOutcome[]>((resolve, reject) => {
        thread.asked.push({ resolve, reject });
        thread.worker.postMessage(writeOrder(thread.keyIds, jobs));
      });
      return jobs.map((_job, index) => readOutcome(outcomes[index]));
    },
    async close() {
      await Promise.all(threads.map(({ worker }) => worker.terminate()));
    },
  };
}

function writeOrder(keyIds: Map<KeyObject, number>, jobs: readonly SignatureJob[]): ThreadOrder {
  const forgetKeys = keyIds.size > MOST_KEYS;
  if (forgetKeys) keyIds.clear();
  const newKeys: { id: number; key: KeyObject }[] = [];
  const written = jobs.map((job): ThreadJob => {
    let keyId = keyIds.get(job.key);
    if (keyId === undefined) {
      keyId = keyIds.size;
      keyIds.set(job.key, keyId);
      newKeys.push({ id: keyId, key: job.key });
    }
    const order = { algorithm: job.algorithm, keyId, content: toText(job.content) };
    return 'signature' in job ? { ...order, signature: toText(job.signature) } : order;
  });
  return { forgetKeys, newKeys, jobs: written };
}

function readOutcome(outcome: ThreadOutcome | undefined): SignatureOutcome | Error {
  if (typeof outcome === 'boolean') return outcome;
  if (typeof outcome === 'string') return toBytes(outcome);
  return new Error(outcome === undefined ? 'the thread that signs and verifies left something out' : outcome.failure);
}
