import type { Db } from '../store/database.ts';
import { dropTold } from '../store/pending-events.ts';
import { noteFailing, noteReceived } from '../store/subscriptions.ts';
import type { Attempt } from './deliver-message.ts';
import { NOTIFY } from './notify.ts';

/** After so long without a notification that arrived a subscription is suspended. */
const PATIENCE_DAYS = 5;

/** Keeps subscriptions informed of how their notifications fare: what has arrived is told, and who fails too long is told no more. */
export async function watchNotifications(db: Db, attempts: readonly Attempt[]): Promise<void> {
  const own = attempts.flatMap((attempt) =>
    attempt.action === NOTIFY && attempt.lane !== undefined ? [{ ...attempt, lane: attempt.lane }] : [],
  );
  const arrived = own.filter(({ state }) => state === 'delivered');
  // One of which nothing was left to tell has not failed.
  const failed = own.filter(({ state, remade }) => state !== 'delivered' && (remade === undefined || remade.delivery !== undefined));
  if (arrived.length > 0) {
    await dropTold(
      db,
      arrived.map(({ lane, id }) => ({ subscriptionId: lane, deliveryId: id })),
    );
    await noteReceived(db, [...new Set(arrived.map(({ lane }) => lane))]);
  }
  if (failed.length > 0) await noteFailing(db, [...new Set(failed.map(({ lane }) => lane))], PATIENCE_DAYS);
}
