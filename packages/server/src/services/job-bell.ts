import { callWorkers, JOB_CHANNEL } from '../store/lanes.ts';
import type { Database } from '../store/database.ts';
import { listenTo } from '../store/listen.ts';

/** How those who write jobs call those who do them, in this process and in others. A call that is lost costs a second: workers look by themselves too. */
export interface JobBell {
  /** After the commit of what wrote the jobs. */
  ring(): void;
  /** Who is called. Listens for calls of other processes from the first time on. */
  onRing(listener: () => void): void;
  close(): Promise<void>;
}

// Each call to other processes is a commit of its own, so those of one moment share one.
const LEAST_INTERVAL_MS = 20;

export function openJobBell(database: Database, log: { warn(fields: object, text: string): void }): JobBell {
  const listeners: (() => void)[] = [];
  let listening: { close(): Promise<void> } | undefined;
  let timer: NodeJS.Timeout | undefined;
  let calling: Promise<void> = Promise.resolve();
  let last = 0;

  function ringHere(): void {
    for (const listener of listeners) listener();
  }

  function callOthers(): void {
    timer = undefined;
    last = performance.now();
    calling = callWorkers(database.pool).catch((error: unknown) => log.warn({ err: error }, 'workers could not be called'));
  }

  return {
    ring() {
      ringHere();
      timer ??= setTimeout(callOthers, Math.max(0, last + LEAST_INTERVAL_MS - performance.now()));
    },
    onRing(listener) {
      listeners.push(listener);
      listening ??= listenTo(database.connection, JOB_CHANNEL, ringHere, log);
    },
    async close() {
      if (timer !== undefined) {
        clearTimeout(timer);
        callOthers();
      }
      await calling;
      await listening?.close();
    },
  };
}
