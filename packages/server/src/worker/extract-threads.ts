import { once } from 'node:events';
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { SigningKey } from '@dci/protocol';
import { BUILT_IN_PROFILES } from '../profiles/index.ts';
import type { ExtractMaker, WantedExtract } from '../services/make-extract.ts';
import type { Database } from '../store/database.ts';
import { deleteUnfinished } from '../store/extracts.ts';
import { type ExtractOrder, type ExtractOutcome, type ExtractThreadSettings, toError } from './extract-order.ts';

/**
 * Makes extracts beside the thread that answers, which has to write a million rows for nobody meanwhile; and in little memory:
 * what lives for a moment only may not pile up as it may in a process that serves. Each extract has a thread of its own, whose
 * memory is given back before the extract is told of; one that fails takes nothing with it but its extract.
 */
export interface ExtractThreads extends ExtractMaker {
  close(): Promise<void>;
}

export interface ExtractThreadsParts extends Omit<ExtractThreadSettings, 'connection'> {
  readonly database: Database;
  readonly activeKey: () => SigningKey;
  /** For registries that a thread does not know. */
  readonly inPlace: ExtractMaker;
}

const PROGRAM = new URL(`./extract-thread${extname(import.meta.url)}`, import.meta.url);
const MEMORY = { maxYoungGenerationSizeMb: 6, maxOldGenerationSizeMb: 128 };

export function createExtractThreads(parts: ExtractThreadsParts): ExtractThreads {
  const { database, activeKey, inPlace, keys, senderId, extractLifetimeDays } = parts;
  const threads = new Set<Worker>();

  function start(): Worker {
    const workerData: ExtractThreadSettings = { connection: database.connection, keys, senderId, extractLifetimeDays };
    const worker = new Worker(PROGRAM, { name: 'extracts', execArgv: [], resourceLimits: MEMORY, workerData });
    threads.add(worker);
    worker.once('exit', () => threads.delete(worker));
    // Whoever waits for it hears of it too.
    worker.on('error', () => undefined);
    return worker;
  }

  async function perform(worker: Worker, order: ExtractOrder, signal: AbortSignal): Promise<ExtractOutcome> {
    const settled = new AbortController();
    const waiting = { signal: AbortSignal.any([signal, settled.signal]) };
    try {
      worker.postMessage(order);
      const [outcome] = (await Promise.race([once(worker, 'message', waiting), failWith(worker, waiting)])) as [ExtractOutcome];
      return outcome;
    } finally {
      settled.abort();
      await worker.terminate();
    }
  }

  return {
    async make(wanted) {
      if (!BUILT_IN_PROFILES.includes(wanted.plan.profile)) return await inPlace.make(wanted);
      wanted.signal.throwIfAborted();
      let outcome: ExtractOutcome;
      try {
        outcome = await perform(start(), writeOrder(wanted, activeKey()), wanted.signal);
      } catch (error) {
        await deleteUnfinished(database.db, wanted.transaction.id).catch(() => undefined);
        wanted.signal.throwIfAborted();
        throw error;
      }
      if (outcome !== undefined) throw toError(outcome);
    },
    async close() {
      await Promise.all([...threads].map((worker) => worker.terminate()));
    },
  };
}

/** Of errors `once` makes a rejection; of an end it does not. */
async function failWith(worker: Worker, waiting: { readonly signal: AbortSignal }): Promise<never> {
  await once(worker, 'exit', waiting);
  throw new Error('the thread that makes extracts has ended');
}

function writeOrder({ transaction, partner, item, plan, purpose }: WantedExtract, signingKey: SigningKey): ExtractOrder {
  return { transaction, partner, item, registry: plan.profile.registry, purpose, today: plan.today, signingKey };
}
