import type { KeyObject } from 'node:crypto';
import { parentPort } from 'node:worker_threads';
import { performJob, type ThreadAnswer, type ThreadOrder, type ThreadOutcome, toBytes, toText } from './signature-job.ts';

/** What runs in one of the threads of `signature-threads.ts`. */

const keys = new Map<number, KeyObject>();

parentPort?.on('message', (order: ThreadOrder) => {
  if (order.forgetKeys) keys.clear();
  for (const { id, key } of order.newKeys) keys.set(id, key);
  const answer: ThreadAnswer = { batch: order.batch, outcomes: order.algorithms.map((_, place) => perform(order, place)) };
  parentPort?.postMessage(answer);
});

function perform({ algorithms, keyIds, contents, signatures }: ThreadOrder, place: number): ThreadOutcome {
  try {
    const algorithm = algorithms[place];
    const key = keys.get(keyIds[place] ?? Number.NaN);
    const content = contents[place];
    const signature = signatures[place];
    if (algorithm === undefined || content === undefined) throw new Error('the order is not whole');
    if (key === undefined) throw new Error('the key was not handed over');
    const order = { algorithm, key, content: toBytes(content) };
    const outcome = performJob(signature === undefined ? order : { ...order, signature: toBytes(signature) });
    return typeof outcome === 'boolean' ? outcome : toText(outcome);
  } catch (error) {
    return { failure: error instanceof Error ? error.message : String(error) };
  }
}
