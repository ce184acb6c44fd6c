import { sql } from 'kysely';
import type { Db } from './database.ts';

/** Events that are still to be told to subscribers; each is there until it was told, or nobody is to hear of it. */
export interface PendingEvent {
  readonly seq: string;
  readonly recordType: string;
  readonly recordId: string;
  readonly version: number;
  readonly kind: string;
  readonly changed: readonly string[];
  readonly at: Date;
}

export interface MatchedEvent {
  readonly seq: string;
  readonly filterId: string;
  readonly eventTypes: readonly string[];
}

/** A subscription for which events were added just now. */
export interface Gathering {
  readonly subscriptionId: string;
  readonly partnerId: string;
  readonly lastSeq: string;
  readonly schedule: string | null;
  readonly gatheringUntil: Date | null;
}

/**
 * Writes matched events down for every subscription of the filter to one of the event's names, in force when it happened.
 * The laterals keep it one probe of an index each, whatever the statistics say.
 */
export async function addPendingEvents(db: Db, matches: readonly MatchedEvent[]): Promise<Gathering[]> {
  if (matches.length === 0) return [];
  const { rows } = await sql<Gathering>`
    with matched as (
      select seq, filter_id, event_types
      from unnest(${matches.map(({ seq }) => seq)}::bigint[], ${matches.map(({ filterId }) => filterId)}::bigint[],
        ${matches.map(({ eventTypes }) => eventTypes.join(','))}::text[]) as match (seq, filter_id, event_types)
    ), added as (
      insert into pending_event (subscription_id, seq, record_type, record_id, version, kind, changed, at)
      select subscription.id, event.seq, event.record_type, event.record_id, event.version, event.kind, event.changed, event.at
      from matched
      cross join lateral (select * from change_event where seq = matched.seq offset 0) as event
      cross join lateral (
        select id from subscription
        where filter_id = matched.filter_id and event_type = any (string_to_array(matched.event_types, ','))
          and state in ('active', 'suspended') and starts_at <= event.at and (ends_at is null or ends_at > event.at) offset 0
      ) as subscription
      on conflict do nothing
      returning subscription_id, seq
    )
    select subscription.id as "subscriptionId", subscription.partner_id as "partnerId", added.seq::text as "lastSeq",
      subscription.schedule, subscription.gathering_until as "gatheringUntil"
    from (select subscription_id, max(seq) as seq from added group by subscription_id) as added
    join subscription on subscription.id = added.subscription_id
    order by subscription.id`.execute(db);
  return rows;
}

/** Until when a subscription gathers; only the one who reads events says so. */
export async function setGatheringUntil(
  db: Db,
  untils: readonly { readonly subscriptionId: string; readonly until: Date }[],
): Promise<void> {
  if (untils.length === 0) return;
  await sql`
    update subscription set gathering_until = v.until
    from unnest(${untils.map(({ subscriptionId }) => subscriptionId)}::uuid[], ${untils.map(({ until }) => until)}::timestamptz[]) as v (id, until)
    where subscription.id = v.id`.execute(db);
}

/** Those still to be told, or those that a notification tells; the oldest first, at most `most`. */
export async function loadPendingEvents(db: Db, subscriptionId: string, toldIn: string | null, most: number): Promise<PendingEvent[]> {
  const { rows } = await sql<PendingEvent>`
    select seq::text, record_type as "recordType", record_id as "recordId", version, kind, changed, at
    from pending_event where subscription_id = ${subscriptionId} and told_in is not distinct from ${toldIn}
    order by pending_event.seq limit ${most}`.execute(db);
  return rows;
}

/** They are on their way, and stay until they have arrived: should the subscriber's rights change meanwhile, they are told anew. */
export async function markTold(db: Db, subscriptionId: string, seqs: readonly string[], toldIn: string): Promise<void> {
  await sql`
    update pending_event set told_in = ${toldIn} where subscription_id = ${subscriptionId} and seq = any (${seqs}::bigint[])`.execute(db);
}

/** Notifications have arrived. */
export async function dropTold(
  db: Db,
  arrived: readonly { readonly subscriptionId: string; readonly deliveryId: string }[],
): Promise<void> {
  await sql`
    delete from pending_event
    using unnest(${arrived.map(({ subscriptionId }) => subscriptionId)}::uuid[],
      ${arrived.map(({ deliveryId }) => deliveryId)}::uuid[]) as arrived (subscription_id, delivery_id)
    join delivery on delivery.id = arrived.delivery_id
    where pending_event.subscription_id = arrived.subscription_id and pending_event.told_in = delivery.transaction_id`.execute(db);
}

/** What is on its way to a subscriber is not sent, and is still to be told. */
export async function takeBackTold(db: Db, subscriptionId: string): Promise<void> {
  await db.deleteFrom('delivery').where('lane', '=', subscriptionId).where('state', '<>', 'delivered').execute();
  await sql`
    update pending_event set told_in = null where subscription_id = ${subscriptionId} and told_in is not null`.execute(db);
}

/** Nobody is to be told of them. */
export async function dropPendingEvents(db: Db, subscriptionId: string, seqs: readonly string[]): Promise<void> {
  await sql`delete from pending_event where subscription_id = ${subscriptionId} and seq = any (${seqs}::bigint[])`.execute(db);
}

/** What was in records that are gone, by number of the event; of those whose text is still there. */
export async function loadGoneBodies(db: Db, seqs: readonly string[]): Promise<Map<string, string>> {
  if (seqs.length === 0) return new Map();
  const { rows } = await sql<{ seq: string; body: string }>`
    select seq::text, body from change_event where seq = any (${seqs}::bigint[]) and body is not null`.execute(db);
  return new Map(rows.map(({ seq, body }) => [seq, body]));
}

/** The other record of events that bound or parted two, by number of the event. */
export async function loadRelatedIds(db: Db, seqs: readonly string[]): Promise<Map<string, string>> {
  const { rows } = await sql<{ seq: string; id: string }>`
    select seq::text, related_id as id from change_event where seq = any (${seqs}::bigint[]) and related_id is not null`.execute(db);
  return new Map(rows.map(({ seq, id }) => [seq, id]));
}

/** Forgets what was in records that are gone and of which nobody is to be told any more. Returns of how many. */
export async function forgetGoneBodies(db: Db): Promise<number> {
  const { numAffectedRows = 0n } = await sql`
    update change_event set body = null
    where body is not null and xid < (select min(done_xid) from event_cursor) and seq < (select min(done_seq) from event_cursor)
      and not exists (select from pending_event where pending_event.seq = change_event.seq)`.execute(db);
  return Number(numAffectedRows);
}

/** How many wait for each subscription, those on their way among them. */
export async function countPendingEvents(db: Db, subscriptionIds: readonly string[]): Promise<Map<string, number>> {
  const { rows } = await sql<{ id: string; count: number }>`
    select subscription_id as id, count(*)::integer as count from pending_event
    where subscription_id = any (${subscriptionIds}::uuid[]) group by subscription_id`.execute(db);
  return new Map(rows.map(({ id, count }) => [id, count]));
}

/** Subscriptions in force for which something waits to be told that should have been, and their partners. */
export async function findForgotten(db: Db, olderThanSeconds: number): Promise<{ subscriptionId: string; partnerId: string }[]> {
  const { rows } = await sql<{ subscriptionId: string; partnerId: string }>`
    select id as "subscriptionId", partner_id as "partnerId" from subscription
    where state = 'active' and (gathering_until is null or gathering_until < now() - ${olderThanSeconds} * interval '1 second')
      and id in (select subscription_id from pending_event where told_in is null and at < now() - ${olderThanSeconds} * interval '1 second')
      and not exists (select from job where kind = 'notify' and lane = subscription.id::text and state <> 'dead')`.execute(db);
  return rows;
}
