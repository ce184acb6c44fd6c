import { randomBytes } from 'node:crypto';
import {
  DciError,
  type SearchCriteria,
  type SubscribeCriteria,
  type SubscribeItem,
  type SubscribeReasonCode,
  type SubscribeRequest,
} from '@dci/protocol';
import { v7 as uuidV7 } from 'uuid';
import type { Grant } from '../disclosure/grant.ts';
import { findEventType } from '../profiles/events.ts';
import type { Profile } from '../profiles/profile.ts';
import { planSubscription } from '../registry/search.ts';
import { toStoredFilter } from '../registry/subscription-filter.ts';
import type { Db } from '../store/database.ts';
import type { Partner } from '../store/partners.ts';
import { countSubscriptions, endExpiredSubscriptions, insertSubscription, putFilter } from '../store/subscriptions.ts';
import { findOpenRegistry, type ServedRegistries } from './open-registry.ts';
import { planningContext, type PlanningParts } from './planning-context.ts';
import { readSchedule } from './schedule.ts';
import { holdsScope } from './scopes.ts';

/**
 * Makes the subscriptions that a request asks for, item by item: what cannot be is refused by its reason, and the others
 * exist. A filter is judged as that of a search is, under what the partner is given now; and again each time something
 * is told.
 */
export interface AskedSubscriptions {
  readonly partner: Partner;
  /** Of the token that the request came with. */
  readonly scopes: ReadonlySet<string>;
  readonly grant: Grant;
  /** The registry of the path, where the path names one. */
  readonly mounted: Profile | undefined;
  readonly request: SubscribeRequest;
  readonly senderUri: string | undefined;
  /** How it is to be written to. */
  readonly replyTerms: object;
}

/** Plain JSON, to be kept until it is told. */
export interface SubscribeOutcome {
  readonly referenceId: string;
  readonly locale?: string | undefined;
  readonly subscription?: MadeSubscription;
  readonly refusal?: { readonly code: SubscribeReasonCode; readonly message: string };
}

export interface MadeSubscription {
  readonly code: string;
  readonly state: 'pending' | 'active';
  readonly createdAt: string;
  readonly endsAt?: string | undefined;
  /** As they were asked for. */
  readonly criteria: SubscribeCriteria;
}

export type SubscribeParts = ServedRegistries & PlanningParts;

/** Of one partner, unless its own limit says otherwise. */
const MOST_SUBSCRIPTIONS = 10_000;

/** Within the transaction that takes the request. */
export async function subscribe(parts: SubscribeParts, db: Db, asked: AskedSubscriptions): Promise<SubscribeOutcome[]> {
  await endExpiredSubscriptions(db, asked.partner.id);
  let count = await countSubscriptions(db, asked.partner.id);
  const seen = new Set<string>();
  const outcomes: SubscribeOutcome[] = [];
  for (const [index, item] of asked.request.subscribe_request.entries()) {
    const common = { referenceId: item.reference_id, ...(item.locale === undefined ? {} : { locale: item.locale }) };
    try {
      if (seen.has(item.reference_id))
        throw refusal('rjct.reference_id.duplicate', 'another item of this message has the same reference_id');
      seen.add(item.reference_id);
      if (count >= (asked.partner.limits.subscriptions ?? MOST_SUBSCRIPTIONS))
        throw refusal('rjct.notify_details.invalid', 'you have as many subscriptions as you may have');
      outcomes.push({
        ...common,
        subscription: await makeOne(parts, db, asked, item, `/message/subscribe_request/${index}/subscribe_criteria`),
      });
      count += 1;
    } catch (error) {
      outcomes.push({ ...common, refusal: toReason(error) });
    }
  }
  return outcomes;
}

async function makeOne(
  parts: SubscribeParts,
  db: Db,
  { partner, scopes, grant, mounted, senderUri, replyTerms }: AskedSubscriptions,
  item: SubscribeItem,
  pointer: string,
): Promise<MadeSubscription> {
  const { subscribe_criteria: criteria } = item;
  const now = new Date(parts.now());
  const profile = findOpenRegistry(parts, partner, mounted, criteria.reg_type);
  if (profile === undefined)
    throw refusal('rjct.notify_details.invalid', 'reg_type does not name a registry that is open to you on this path');
  const event = findEventType(profile, criteria.reg_event_type);
  if (event === undefined) throw refusal('rjct.notify_types.invalid', 'reg_event_type names no event of this registry');
  const everything = isEverything(criteria);
  if (everything && !holdsScope({ partner, scopes }, 'registry/subscribe-all'))
    throw refusal('rjct.notify_details.invalid', 'to be told of every record is a right of its own, which you do not have');
  const asked = toSearchCriteria(criteria);
  const plan = planSubscription(asked, everything, planningContext(parts, { partner, grant, profile, criteria: asked, pointer }));
  const { schedule, startsAt, endsAt } = readFrequency(criteria.frequency, now);
  const notifyUri = toNotifyUri(senderUri);
  if (notifyUri === undefined && partner.notifyUri === undefined)
    throw refusal('rjct.notify_details.invalid', 'there is no address to notify: send a sender_uri, or have one registered');
  const made = {
    code: randomBytes(18).toString('base64url'),
    state: partner.subscriptions === 'approval' ? ('pending' as const) : ('active' as const),
  };
  const filterId = await putFilter(db, toStoredFilter(profile, plan.recordType, plan.filter));
  const isNew = await insertSubscription(db, {
    ...made,
    id: uuidV7(),
    partnerId: partner.id,
    registry: profile.registry,
    entity: plan.entity.name,
    eventType: event.name,
    filterId,
    criteria: JSON.stringify(criteria),
    locale: item.locale ?? null,
    schedule,
    startsAt,
    endsAt,
    notifyUri: notifyUri ?? null,
    replyTerms,
  });
  if (!isNew) throw refusal('rjct.event.already_subscribed', 'you have a subscription to this event with this filter');
  return { ...made, createdAt: now.toISOString(), ...(endsAt === null ? {} : { endsAt: endsAt.toISOString() }), criteria };
}

/** `{type: '*', value: '*'}`. */
export function isEverything({ filter }: SubscribeCriteria): boolean {
  return !Array.isArray(filter) && filter.type === '*' && filter.value === '*';
}

/** The filter as the query of a search that is answered in the record type to be told. */
export function toSearchCriteria(criteria: SubscribeCriteria): SearchCriteria {
  const { filter, filter_type: filterType, reg_type: regType, notify_record_type: entity, authorize } = criteria;
  return {
    query_type: filterType ?? (Array.isArray(filter) ? 'predicate' : typeof filter.value === 'object' ? 'expression' : 'idtype-value'),
    query: filter,
    response_entity: entity,
    ...(regType === undefined ? {} : { reg_type: regType }),
    ...(authorize === undefined ? {} : { authorize }),
  };
}

function readFrequency(
  frequency: SubscribeCriteria['frequency'],
  now: Date,
): { schedule: string | null; startsAt: Date; endsAt: Date | null } {
  if (frequency === undefined) return { schedule: null, startsAt: now, endsAt: null };
  const schedule = readSchedule(frequency.frequency, now);
  if (schedule === undefined)
    throw refusal('rjct.notify_details.invalid', 'frequency must be a cron expression that comes due, or immediate, hourly, daily, weekly');
  const start = new Date(frequency.start_time);
  const endsAt = frequency.end_time === undefined ? null : new Date(frequency.end_time);
  if (endsAt !== null && endsAt <= (start > now ? start : now))
    throw refusal('rjct.notify_details.invalid', 'end_time has passed, or is not after start_time');
  // What happened before nobody is told of.
  return { schedule, startsAt: start > now ? start : now, endsAt };
}

/** A subscriber that answers at `…/on-subscribe` is notified at its sibling. */
function toNotifyUri(senderUri: string | undefined): string | undefined {
  return senderUri?.replace(/\/on-subscribe$/, '/notify');
}

function refusal(code: SubscribeReasonCode, message: string): DciError {
  return new DciError(code, message);
}

const OWN_CODES: readonly string[] = [
  'rjct.reference_id.duplicate',
  'rjct.notify_types.invalid',
  'rjct.notify_details.invalid',
  'rjct.event.already_subscribed',
] satisfies SubscribeReasonCode[];

/** A search has other codes for what is wrong with a filter. */
function toReason(error: unknown): NonNullable<SubscribeOutcome['refusal']> {
  if (!(error instanceof DciError) || !error.code.startsWith('rjct.')) throw error;
  const message = error.pointer === undefined ? error.message : `${error.message} (at ${error.pointer})`;
  return { code: OWN_CODES.includes(error.code) ? (error.code as SubscribeReasonCode) : 'rjct.notify_details.invalid', message };
}
