import type { Attempt, Deliverer } from '../../services/deliver-message.ts';
import { DELIVER } from '../../store/deliveries.ts';
import type { TaskKind } from '../task-kind.ts';

/** Brings messages to partners, several to each at a time, and to many at a time. */
export function deliverTask(deliverer: Deliverer): TaskKind<{ readonly id: string }, Attempt> {
  return {
    kind: DELIVER,
    hands: 128,
    cap: 8,
    timeoutMs: 60_000,
    async run({ payload }, signal) {
      const attempt = await deliverer.attempt(payload.id, signal);
      if (attempt?.state !== 'pending' || attempt.nextAt === undefined) return { state: 'done', record: attempt };
      return { state: 'retry', runAt: attempt.nextAt, error: attempt.error ?? `status ${attempt.status}`, record: attempt };
    },
    giveUp: async ({ payload }) => ({ state: 'done', record: await deliverer.abandon(payload.id) }),
    record: (db, attempts) => deliverer.record(db, attempts),
  };
}
