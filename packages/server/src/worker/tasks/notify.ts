import { NOTIFY, type Notified, type Notifier, type NotifyWork } from '../../services/notify.ts';
import type { TaskKind } from '../task-kind.ts';

/** Makes notifications, of one subscription one after the other. */
export function notifyTask(notifier: Notifier): TaskKind<NotifyWork, Notified> {
  return {
    kind: NOTIFY,
    hands: 16,
    cap: 8,
    timeoutMs: 60_000,
    run: async ({ payload }, signal) => ({ state: 'done', record: await notifier.notify(payload, signal) }),
    record: (db, notified) => notifier.record(db, notified),
  };
}
