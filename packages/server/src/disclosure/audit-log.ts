import { setTimeout as sleep, setImmediate as nextTurn } from 'node:timers/promises';
import type { Pool } from 'pg';
import { type AuditChain, type AuditEntry, type AuditVerdict, openAuditChain, takeChain } from '../store/audit.ts';

declare const released: unique symbol;

/** Something that may leave: its audit row is committed. Only `AuditLog.release` makes one. */
export interface Released {
  readonly [released]: true;
  readonly text: string;
}

/** The answer was withheld: `duplicate` message id, or the partner changed (`stale`) while it was being made. */
export class WithheldError extends Error {
  override readonly name = 'WithheldError';
  readonly verdict: Exclude<AuditVerdict, 'written'>;

  constructor(verdict: Exclude<AuditVerdict, 'written'>) {
    super(`the answer was withheld: ${verdict}`);
    this.verdict = verdict;
  }
}

/**
 * The audit trail as seen by who discloses: no answer leaves before its row is committed. Rows that arrive while a commit
 * is under way share the next one, so the cost of a durable commit is divided among them.
 */
export interface AuditLog {
  /** Runs `write` while the row is being committed and lets its text go once it is. Throws a `WithheldError` instead, or the database's error. */
  release(entry: AuditEntry, write: () => Promise<string>): Promise<Released>;
  /** Waits for the rows that were handed in. */
  close(): Promise<void>;
}

interface Waiting {
  readonly entry: AuditEntry;
  readonly resolve: (verdict: AuditVerdict) => void;
  readonly reject: (error: unknown) => void;
}

const LARGEST_BATCH = 500;

// Between the beginnings of two commits: what comes in between shares the second. A lone row does not wait.
const LEAST_INTERVAL_MS = 2;

/** Opens the audit trail over `pool`; `now` in epoch milliseconds. */
export function openAuditLog(pool: Pool, { now }: { now: () => number }): AuditLog {
  let chain: AuditChain | undefined;
  let queue: Waiting[] = [];
  let running: Promise<void> | undefined;
  let begun = 0;

  async function drain(): Promise<void> {
    // Whatever else this turn of the event loop hands in joins the first batch.
    await nextTurn();
    while (queue.length > 0) {
      const wait = begun + LEAST_INTERVAL_MS - performance.now();
      if (wait > 0) await sleep(wait);
      begun = performance.now();
      const batch = takeBatch();
      try {
        chain ??= openAuditChain(pool, await takeChain(pool));
        const entries = batch.map((waiting) => waiting.entry);
        const verdicts = await chain.commit(now(), entries);
        batch.forEach((waiting, index) => waiting.resolve(verdicts[index] ?? 'stale'));
      } catch (error) {
        for (const waiting of batch) waiting.reject(error);
      }
    }
    running = undefined;
  }

  // A message id stands once in a batch: the statement could not tell two claims of it apart.
  function takeBatch(): Waiting[] {
    const claimed = new Set<string>();
    const batch: Waiting[] = [];
    const later: Waiting[] = [];
    for (const waiting of queue) {
      const { claimUntil, partnerId, messageId } = waiting.entry;
      const claim = claimUntil === undefined ? undefined : `${partnerId} ${messageId}`;
      if (batch.length === LARGEST_BATCH || (claim !== undefined && claimed.has(claim))) later.push(waiting);
      else {
        batch.push(waiting);
        if (claim !== undefined) claimed.add(claim);
      }
    }
    queue = later;
    return batch;
  }

  function commit(entry: AuditEntry): Promise<AuditVerdict> {
    return new Promise((resolve, reject) => {
      queue.push({ entry, resolve, reject });
      running ??= drain();
    });
  }

  return {
    async release(entry, write) {
      const committing = commit(entry);
      const writing = write();
      // Why it could not be written is told only of what may leave.
      writing.catch(() => undefined);
      const verdict = await committing;
      if (verdict !== 'written') throw new WithheldError(verdict);
      return { text: await writing } as Released;
    },
    async close() {
      await running;
    },
  };
}
