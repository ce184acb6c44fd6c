import { sql } from 'kysely';
import type { Db } from './database.ts';

/** Events that are still to be told to subscribers; each is there until it was told, or nobody is to hear of it. */
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

/** Writes matched events down for every subscription of the filter to one of the event's names, in force when it happened. */
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
      join change_event as event on event.seq = matched.seq
      join subscription on subscription.filter_id = matched.filter_id
        and subscription.event_type = any (string_to_array(matched.event_types, ','))
        and subscription.state in ('active', 'suspended')
        and subscription.starts_at <= event.at and (subscription.ends_at is null or subscription.ends_at > event.at)
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
