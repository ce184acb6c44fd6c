import type { Db } from '../store/database.ts';
import { enqueueJobs } from '../store/lanes.ts';
import { findForgotten, forgetGoneBodies } from '../store/pending-events.ts';
import { deleteUnusedFilters, endExpiredSubscriptions, endSuspendedSubscriptions } from '../store/subscriptions.ts';
import { notifyJob } from './notify.ts';

/** After so long without being resumed a subscription ends, and with it what was gathered for it. */
const SUSPENDED_DAYS = 30;
/** So long the usual way has to tell what happened. */
const FORGOTTEN_SECONDS = 60;

/** What is done now and then: ends what is over, forgets what nobody needs, and takes up what was left, by a partner that is let in again, say. */
export async function tendSubscriptions(db: Db): Promise<void> {
  await endExpiredSubscriptions(db);
  await endSuspendedSubscriptions(db, SUSPENDED_DAYS);
  await deleteUnusedFilters(db);
  await forgetGoneBodies(db);
  const forgotten = await findForgotten(db, FORGOTTEN_SECONDS);
  await enqueueJobs(
    db,
    forgotten.map(({ subscriptionId, partnerId }) => notifyJob(partnerId, { subscription: subscriptionId })),
  );
}
