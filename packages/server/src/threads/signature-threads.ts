import type { KeyObject } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import {
  type SignatureJob,
  type SignatureOutcome,
  type ThreadAnswer,
  type ThreadOrder,
  type ThreadOutcome,
  toBytes,
  toText,
} from './signature-job.ts';

/**
 * Threads that sign and verify what they are handed, a batch at a time. A thread starts when it is first needed, and keeps
 * no process from ending that waits for nothing. An answer is known by the number of its batch; a thread that answers
 * anything else, or cannot be handed an order, is ended, and what it was asked is handed back as failed.
 */
export interface SignatureThreads {
  /** An outcome, or the error, for each job in its place. Throws where the thread has ended, or the jobs cannot be handed over. */
  perform(jobs: readonly SignatureJob[]): Promise<(SignatureOutcome | Error)[]>;
  close(): Promise<void>;
}

interface Thread {
  readonly worker: Worker;
  readonly keyIds: Map<KeyObject, number>;
  /** Handed over and not answered, by the numbers of the batches. */
  readonly asked: Map<number, Asked>;
}

interface Asked {
  readonly jobs: number;
  resolve(outcomes: readonly ThreadOutcome[]): void;
  reject(error: unknown): void;
}

// One processor is for the thread that asks.
const MOST_THREADS = Math.max(1, Math.min(4, availableParallelism() - 1));
const MOST_KEYS = 1_000;
const PROGRAM = new URL(`./signature-thread${extname(import.meta.url)}`, import.meta.url);

export function createSignatureThreads(): SignatureThreads {
  const threads: Thread[] = [];
  let batches = 0;

  function start(): Thread {
    const worker = new Worker(PROGRAM, { name: 'signatures', execArgv: [] });
    const thread: Thread = { worker, keyIds: new Map(), asked: new Map() };
    worker.on('message', ({ batch, outcomes }: ThreadAnswer) => {
      const asked = thread.asked.get(batch);
      if (asked?.jobs !== outcomes.length) {
        abandon(thread, new Error('the thread that signs and verifies answered what it was not asked'));
        return;
      }
      thread.asked.delete(batch);
      asked.resolve(outcomes);
      if (thread.asked.size === 0) worker.unref();
    });
    worker.on('messageerror', (error: Error) => abandon(thread, error));
    worker.on('error', (error: Error) => abandon(thread, error));
    worker.on('exit', () => abandon(thread, new Error('the thread that signs and verifies has ended')));
    threads.push(thread);
    return thread;
  }

  function abandon(thread: Thread, error: unknown): void {
    const place = threads.indexOf(thread);
    if (place >= 0) threads.splice(place, 1);
    void thread.worker.terminate();
    const asked = [...thread.asked.values()];
    thread.asked.clear();
    for (const { reject } of asked) reject(error);
  }

  /** One that has nothing to do, a new one, or the least busy. */
  function choose(): Thread {
    const [first, ...others] = threads;
    if (first === undefined) return start();
    const least = others.reduce((found, thread) => (thread.asked.size < found.asked.size ? thread : found), first);
    return least.asked.size > 0 && threads.length < MOST_THREADS ? start() : least;
  }

  return {
    async perform(jobs) {
      const thread = choose();
      const batch = batches;
      batches += 1;
      // While somebody waits for it the process may not end.
      if (thread.asked.size === 0) thread.worker.ref();
      const outcomes = await new Promise<readonly ThreadOutcome[]>((resolve, reject) => {
        thread.asked.set(batch, { jobs: jobs.length, resolve, reject });
        try {
          thread.worker.postMessage(writeOrder(batch, thread.keyIds, jobs));
        } catch (error) {
          // Which keys it knows is not certain any more.
          abandon(thread, error);
        }
      });
      return outcomes.map(readOutcome);
    },
    async close() {
      await Promise.all(threads.map(({ worker }) => worker.terminate()));
    },
  };
}

function writeOrder(batch: number, keyIds: Map<KeyObject, number>, jobs: readonly SignatureJob[]): ThreadOrder {
  const forgetKeys = keyIds.size > MOST_KEYS;
  if (forgetKeys) keyIds.clear();
  const newKeys: { id: number; key: KeyObject }[] = [];
  const order: ThreadOrder = { batch, forgetKeys, newKeys, algorithms: [], keyIds: [], contents: [], signatures: [] };
  for (const job of jobs) {
    let keyId = keyIds.get(job.key);
    if (keyId === undefined) {
      keyId = keyIds.size;
      keyIds.set(job.key, keyId);
      newKeys.push({ id: keyId, key: job.key });
    }
    order.algorithms.push(job.algorithm);
    order.keyIds.push(keyId);
    order.contents.push(toText(job.content));
    order.signatures.push('signature' in job ? toText(job.signature) : undefined);
  }
  return order;
}

function readOutcome(outcome: ThreadOutcome): SignatureOutcome | Error {
  if (typeof outcome === 'boolean') return outcome;
  if (typeof outcome === 'string') return toBytes(outcome);
  return new Error(outcome.failure);
}
