import { sql } from 'kysely';
import type { Db } from '../store/database.ts';
import { enqueueJobs } from '../store/lanes.ts';
import { changeSubscription, findSubscriptions, type Subscription, type SubscriptionState } from '../store/subscriptions.ts';
import { notifyJob } from './notify.ts';

/** What an operator does to a subscription. */
export const SUBSCRIPTION_CHANGES = ['approve', 'suspend', 'resume', 'end'] as const;
export type SubscriptionChange = (typeof SUBSCRIPTION_CHANGES)[number];

/** There is no such subscription, or it is in a state from which this does not lead. */
export class SubscriptionStateError extends Error {
  override readonly name = 'SubscriptionStateError';
}

const CHANGES: Readonly<Record<SubscriptionChange, { from: readonly SubscriptionState[]; state: SubscriptionState; reason?: string }>> = {
  approve: { from: ['pending'], state: 'active' },
  suspend: { from: ['active'], state: 'suspended', reason: 'by an operator' },
  resume: { from: ['suspended'], state: 'active' },
  end: { from: ['pending', 'active', 'suspended'], state: 'ended', reason: 'by an operator' },
};

/** Throws a `SubscriptionStateError`. Call the workers once it has returned. */
export async function manageSubscription(db: Db, code: string, change: SubscriptionChange, reason?: string): Promise<Subscription> {
  const { from, state, reason: usual } = CHANGES[change];
  return await db.transaction().execute(async (transaction) => {
    const [subscription] = await findSubscriptions(transaction, [code]);
    if (subscription === undefined) throw new SubscriptionStateError(`there is no subscription ${code}`);
    if (!(await changeSubscription(transaction, subscription.id, from, { state, reason: reason ?? usual })))
      throw new SubscriptionStateError(
        `the subscription is ${subscription.state}; only one that is ${from.join(' or ')} can be changed like that`,
      );
    // What happened before it was approved is not told; what was gathered while it was suspended is.
    if (change === 'approve')
      await transaction
        .updateTable('subscription')
        .set({ starts_at: sql<Date>`greatest(starts_at, now())` })
        .where('id', '=', subscription.id)
        .execute();
    if (change === 'resume') await enqueueJobs(transaction, [notifyJob(subscription.partnerId, { subscription: subscription.id })]);
    const [changed] = await findSubscriptions(transaction, [code]);
    return changed ?? subscription;
  });
}
