import { setTimeout as sleep } from 'node:timers/promises';
import type { JobBell } from '../services/job-bell.ts';

/**
 * Carries changes on to subscriptions, turn by turn, on whichever process is first. It looks a few times a second: changes
 * are written by commands too, which call nobody.
 */
export interface FanOutLoop {
  /** What an operator should know; undefined: all is well. */
  findTrouble(): string | undefined;
  close(): Promise<void>;
}

export interface FanOutLoopParts {
  readonly turn: () => Promise<{ readonly isMore: boolean; readonly due: number }>;
  readonly bell: JobBell;
  readonly log: { error(fields: object, text: string): void };
  readonly everyMs?: number;
}

const LOOK_EVERY_MS = 200;
const AGAIN_AFTER_MS = 1_000;
const TROUBLE = 'changes are not carried on to subscriptions; see the log';

export function startFanOutLoop({ turn, bell, log, everyMs = LOOK_EVERY_MS }: FanOutLoopParts): FanOutLoop {
  const closing = new AbortController();
  let trouble: string | undefined;

  async function takeTurn(): Promise<number> {
    try {
      const { isMore, due } = await turn();
      trouble = undefined;
      if (due > 0) bell.ring();
      return isMore ? 0 : everyMs;
    } catch (error) {
      if (trouble === undefined) log.error({ err: error }, TROUBLE);
      trouble = TROUBLE;
      return AGAIN_AFTER_MS;
    }
  }

  async function loop(): Promise<void> {
    while (!closing.signal.aborted) {
      const pause = await takeTurn();
      if (pause > 0) await sleep(pause, undefined, { signal: closing.signal, ref: false }).catch(() => undefined);
    }
  }

  const running = loop();
  return {
    findTrouble: () => trouble,
    async close() {
      closing.abort();
      await running;
    },
  };
}
