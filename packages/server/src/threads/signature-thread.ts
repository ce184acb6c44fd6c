import type { KeyObject } from 'node:crypto';
import { parentPort } from 'node:worker_threads';
import { performJob, type ThreadAnswer, type ThreadJob, type ThreadOrder, type ThreadOutcome, toBytes, toText } from './signature-job.ts';

/** What runs in one of the threads of `signature-threads.ts`. */

const keys = new Map<number, KeyObject>();

parentPort?.on('message', ({ batch, forgetKeys, newKeys, jobs }: ThreadOrder) => {
  if (forgetKeys) keys.clear();
  for (const { id, key } of newKeys) keys.set(id, key);
  const answer: ThreadAnswer = { batch, outcomes: jobs.map(perform) };
  parentPort?.postMessage(answer);
});

function perform({ algorithm, keyId, content, signature }: ThreadJob): ThreadOutcome {
  try {
    const key = keys.get(keyId);
    if (key === undefined) throw new Error('the key was not handed over');
    const order = { algorithm, key, content: toBytes(content) };
    const outcome = performJob(signature === undefined ? order : { ...order, signature: toBytes(signature) });
    return typeof outcome === 'boolean' ? outcome : toText(outcome);
  } catch (error) {
    return { failure: error instanceof Error ? error.message : String(error) };
  }
}
