import { randomUUID } from 'node:crypto';
import { DciError, type SubscribeCriteria } from '@dci/protocol';
import type { AuditLog } from '../disclosure/audit-log.ts';
import { decideGrant, type Grant } from '../disclosure/grant.ts';
import { writeLegalBasis } from '../disclosure/legal-basis.ts';
import type { Pseudonyms } from '../disclosure/pseudonyms.ts';
import { findProfile } from '../profiles/index.ts';
import type { Profile } from '../profiles/profile.ts';
import type { Filter } from '../registry/plan.ts';
import { readGoneCovers } from '../registry/read-gone-covers.ts';
import type { Reader } from '../registry/reader.ts';
import { planRecords, planSubscription } from '../registry/search.ts';
import type { Db } from '../store/database.ts';
import { enqueueDeliveries, type NewDelivery } from '../store/deliveries.ts';
import { enqueueJobs, type NewJob } from '../store/lanes.ts';
import type { Partner } from '../store/partners.ts';
import {
  dropPendingEvents,
  loadGoneBodies,
  loadPendingEvents,
  loadRelatedIds,
  markTold,
  type PendingEvent,
  takeBackTold,
} from '../store/pending-events.ts';
import { changeSubscription, getSubscription, lockActive, type Subscription } from '../store/subscriptions.ts';
import { type ComposedNotification, composeNotification } from './compose-notification.ts';
import type { PartnerDirectory } from './partner-directory.ts';
import { planningContext, type PlanningParts } from './planning-context.ts';
import { describeDisclosed, describeSender } from './search-audit.ts';
import { isEverything, toSearchCriteria } from './subscribe.ts';

/**
 * Tells a subscriber what happened. Whether he is told, and what, is decided now: whether he and his subscription are still
 * in force, whether the right is still his, and which of the records, and of their fields, a search of his would give.
 */
export interface Notifier {
  notify(work: NotifyWork, signal: AbortSignal): Promise<Notified | undefined>;
  /** Writes down what came of it, within the caller's transaction. */
  record(db: Db, notified: readonly Notified[]): Promise<void>;
}

export interface NotifyWork {
  readonly subscription: string;
  /** The notification that is to be made anew; absent: of what has not been told. */
  readonly toldIn?: string;
}

export interface Notified {
  readonly subscriptionId: string;
  readonly partnerId: string;
  /** Events that nobody is to be told of. */
  readonly dropped: readonly string[];
  readonly told: readonly string[];
  readonly toldIn?: string;
  readonly delivery?: NewDelivery;
  readonly isMore: boolean;
  /** Why nothing more is told. */
  readonly suspend?: string;
  /** What is on its way to the subscriber is not sent, but told when the subscription goes on. */
  readonly takeBack?: boolean;
}

export interface NotifierParts extends PlanningParts {
  readonly db: Db;
  readonly profiles: readonly Profile[];
  readonly directory: PartnerDirectory;
  readonly reader: Reader;
  readonly pseudonyms: Pseudonyms;
  readonly audit: AuditLog;
}

/** The kind of job that tells one subscriber. */
export const NOTIFY = 'notify';

export function notifyJob(partnerId: string, work: NotifyWork, runAt?: Date): NewJob {
  return { kind: NOTIFY, owner: partnerId, lane: work.subscription, payload: work, runAt };
}

const STOPPED = { dropped: [], told: [], isMore: false, takeBack: true } as const;

/** Events of one notification. */
const MOST_EVENTS = 500;
// The audit row stands for itself: its id is claimed only so that it is written for the partner as it is now.
const CLAIM_SECONDS = 60;

export function createNotifier(parts: NotifierParts): Notifier {
  const { db, directory } = parts;
  return {
    async notify({ subscription: id, toldIn }) {
      const subscription = await getSubscription(db, id);
      const partner = subscription && directory.findById(subscription.partnerId);
      if (subscription === undefined || partner?.active !== true) return undefined;
      const common = { subscriptionId: id, partnerId: partner.id };
      const again = toldIn === undefined ? {} : { toldIn };
      // What waits stays for when it is resumed.
      if (subscription.state !== 'active') return { ...common, ...STOPPED };
      const events = await loadPendingEvents(db, id, toldIn ?? null, MOST_EVENTS);
      if (events.length === 0) return undefined;
      const isMore = toldIn === undefined && events.length === MOST_EVENTS;
      try {
        const rights = findRights(parts, partner, subscription);
        const composed = await compose(parts, partner, subscription, rights, events, again);
        const seqs = events.map(({ seq }) => seq);
        if (composed === undefined) return { ...common, dropped: seqs, told: [], isMore };
        await release(parts, partner, subscription, rights, composed);
        const delivery = toDelivery(partner, subscription, composed);
        if (delivery === undefined) return { ...common, ...STOPPED, suspend: 'there is no address to notify' };
        return { ...common, dropped: [], told: seqs, toldIn: composed.transactionId, delivery, isMore };
      } catch (error) {
        if (!(error instanceof DciError)) throw error;
        return { ...common, ...STOPPED, suspend: `it is not open to the partner any more (${error.code})` };
      }
    },
    async record(transaction, given) {
      // One that was ended or suspended meanwhile is told nothing more; what was made for it is as if it never had been.
      const active = await lockActive(
        transaction,
        given.map(({ subscriptionId }) => subscriptionId),
      );
      const notified = given.filter(({ subscriptionId, takeBack }) => takeBack === true || active.has(subscriptionId));
      for (const { subscriptionId, dropped, told, toldIn, suspend, takeBack } of notified) {
        if (dropped.length > 0) await dropPendingEvents(transaction, subscriptionId, dropped);
        if (toldIn !== undefined) await markTold(transaction, subscriptionId, told, toldIn);
        if (suspend !== undefined)
          await changeSubscription(transaction, subscriptionId, ['active'], { state: 'suspended', reason: suspend });
        if (takeBack === true) await takeBackTold(transaction, subscriptionId);
      }
      await enqueueDeliveries(
        transaction,
        notified.flatMap(({ delivery }) => delivery ?? []),
      );
      await enqueueJobs(
        transaction,
        notified
          .filter(({ isMore }) => isMore)
          .map(({ partnerId, subscriptionId }) => notifyJob(partnerId, { subscription: subscriptionId })),
      );
    },
  };
}

interface Rights {
  readonly profile: Profile;
  readonly grant: Grant;
  /** What the subscription asks; undefined where it asks for everything. */
  readonly filter: Filter | undefined;
}

/** Throws a `DciError` where what was open when the subscription was made is so no longer. */
function findRights(parts: NotifierParts, partner: Partner, subscription: Subscription): Rights {
  const profile = findProfile(parts.profiles, subscription.registry);
  const criteria = subscription.criteria as SubscribeCriteria;
  const everything = isEverything(criteria);
  const isOpen = partner.scopes.has('registry/subscribe') && (!everything || partner.scopes.has('registry/subscribe-all'));
  if (profile === undefined || !partner.registries.has(profile.registry) || !isOpen)
    throw new DciError('err.request.forbidden', 'the right to be told is gone');
  const grant = decideGrant(partner);
  // A filter by what he is not given any more would tell it.
  const asked = toSearchCriteria(criteria);
  const context = planningContext(parts, { partner, grant, profile, criteria: asked, pointer: '' });
  return { profile, grant, filter: planSubscription(asked, everything, context).filter };
}

async function compose(
  parts: NotifierParts,
  partner: Partner,
  subscription: Subscription,
  { profile, grant, filter }: Rights,
  events: readonly PendingEvent[],
  again: Pick<NotifyWork, 'toldIn'>,
): Promise<ComposedNotification | undefined> {
  const criteria = subscription.criteria as SubscribeCriteria;
  const { query: _, ...asked } = toSearchCriteria(criteria);
  const gone = events.filter(({ kind }) => kind === 'DELETE').map(({ seq }) => seq);
  return await composeNotification({
    reader: parts.reader,
    pseudonyms: parts.pseudonyms,
    grant,
    profile,
    subscription,
    plan: (ids) =>
      planRecords({ ...asked, query: {} }, ids, planningContext(parts, { partner, grant, profile, criteria: asked, pointer: '' }), filter),
    events,
    ...again,
    bodies: await loadGoneBodies(parts.db, gone),
    readRelated: (seqs) => loadRelatedIds(parts.db, seqs),
    readCovers: (terms, seqs) => readGoneCovers(parts.db, profile, terms, seqs),
  });
}

async function release(
  { audit, now }: NotifierParts,
  partner: Partner,
  subscription: Subscription,
  { profile, grant }: Rights,
  { transactionId, count, disclosed }: ComposedNotification,
): Promise<void> {
  await audit.release(
    {
      ...describeSender({ partner, remoteAddress: '' }, 'notify'),
      registry: profile.registry,
      messageId: randomUUID(),
      claimUntil: now() / 1000 + CLAIM_SECONDS,
      transactionId,
      correlationId: subscription.code,
      legalBasis: writeLegalBasis(grant.legalBasis),
      purposes: grant.purposes,
      fieldRule: grant.rule.name,
      outcome: 'answered',
      query: JSON.stringify([{ registry: profile.registry, entity: subscription.entity, event: subscription.eventType }]),
      itemCount: count,
      recordCount: disclosed.reduce((sum, result) => sum + result.records.length, 0),
      disclosed: describeDisclosed(disclosed),
    },
    async () => '',
  );
}

function toDelivery(partner: Partner, subscription: Subscription, composed: ComposedNotification): NewDelivery | undefined {
  const url = partner.notifyUri ?? subscription.notifyUri;
  if (url === undefined || url === null) return undefined;
  return {
    partnerId: partner.id,
    action: NOTIFY,
    transactionId: composed.transactionId,
    url,
    lane: subscription.id,
    header: { action: 'notify', status: 'succ', totalCount: composed.count, completedCount: composed.count, meta: composed.meta },
    content: composed.content,
    replyTerms: subscription.replyTerms as object,
    rights: partner.revision,
    remake: notifyJob(partner.id, { subscription: subscription.id, toldIn: composed.transactionId }),
  };
}
