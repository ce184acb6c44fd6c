import type { Pool } from 'pg';

/**
 * Periodic work: each task runs on one process at a time, whichever comes first, under an advisory lock. A task that
 * fails is logged and runs again at the next tick.
 */
export interface Ticker {
  /** What an operator should know where ticks have stopped or keep failing; undefined: all is well. */
  findTrouble(): string | undefined;
  /** Ends after the tick under way. */
  close(): Promise<void>;
}

export interface PeriodicTask {
  /** Names the lock too: the same in every process and release. */
  readonly name: string;
  readonly run: (pool: Pool) => Promise<void>;
}

export interface TickerParts {
  readonly pool: Pool;
  readonly tasks: readonly PeriodicTask[];
  readonly everyMs: number;
  readonly log: { error(fields: object, text: string): void };
}

const MISSED_TICKS_ALLOWED = 3;

export function startTicker({ pool, tasks, everyMs, log }: TickerParts): Ticker {
  let failing: string | undefined;
  let lastEnd = Date.now();
  let running: Promise<void> = Promise.resolve();
  let timer: NodeJS.Timeout | undefined;
  let closed = false;

  async function tick(): Promise<void> {
    failing = undefined;
    for (const task of tasks) {
      try {
        await runAlone(pool, task);
      } catch (error) {
        failing = `the periodic task "${task.name}" failed; see the log`;
        log.error({ err: error, task: task.name }, 'periodic task failed');
      }
    }
    lastEnd = Date.now();
    schedule();
  }

  function schedule(): void {
    if (closed) return;
    timer = setTimeout(() => {
      running = tick();
    }, everyMs);
    timer.unref();
  }

  running = tick();
  return {
    findTrouble() {
      if (failing !== undefined) return failing;
      return Date.now() - lastEnd > everyMs * MISSED_TICKS_ALLOWED ? 'periodic work has stopped' : undefined;
    },
    async close() {
      closed = true;
      clearTimeout(timer);
      await running;
    },
  };
}

// The lock is taken and let go in statements of their own: within the task's statement it could be taken too early or too often.
async function runAlone(pool: Pool, task: PeriodicTask): Promise<void> {
  const client = await pool.connect();
  try {
    const lock = `dci ${task.name}`;
    const { rows } = await client.query<{ taken: boolean }>('select pg_try_advisory_lock(hashtextextended($1, 0)) as taken', [lock]);
    if (rows[0]?.taken !== true) return;
    try {
      await task.run(pool);
    } finally {
      await client.query('select pg_advisory_unlock(hashtextextended($1, 0))', [lock]);
    }
  } finally {
    client.release();
  }
}
