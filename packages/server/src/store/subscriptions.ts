import { sql } from 'kysely';
import type { Db } from './database.ts';

/**
 * Subscriptions, and the filters that they share. State of a subscription:
 *
 *     pending ──→ active ←──→ suspended
 *        └──────────┴──────────────┴──→ ended
 *
 * `pending` waits for an operator's approval and is told nothing of what happens until then. While it is `suspended`,
 * events are gathered for it and not sent. What has `ended` stays on record.
 */
export interface Subscription {
  readonly id: string;
  /** By which its subscriber knows it. */
  readonly code: string;
  readonly partnerId: string;
  readonly registry: string;
  /** Entity in which records are told. */
  readonly entity: string;
  readonly eventType: string;
  /** `subscribe_criteria` as they were sent. */
  readonly criteria: unknown;
  readonly locale: string | null;
  /** A cron expression; null: told at once. */
  readonly schedule: string | null;
  readonly startsAt: Date;
  readonly endsAt: Date | null;
  /** Where its subscriber said that it answers. */
  readonly notifyUri: string | null;
  readonly state: SubscriptionState;
  /** Why it is suspended or has ended; names nobody. */
  readonly reason: string | null;
  readonly failingSince: Date | null;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

export const SUBSCRIPTION_STATES = ['pending', 'active', 'suspended', 'ended'] as const;
export type SubscriptionState = (typeof SUBSCRIPTION_STATES)[number];

/** A filter as it is kept: in its one form, and the keys under which it is found. */
export interface StoredFilter {
  readonly registry: string;
  readonly recordType: string;
  readonly hash: Buffer;
  /** JSON text. */
  readonly filter: string;
  readonly keys: readonly { readonly field: string; readonly value: string }[];
  readonly isExact: boolean;
}

/** The filter's id; one that is there already is shared. */
export async function putFilter(db: Db, { registry, recordType, hash, filter, keys, isExact }: StoredFilter): Promise<string> {
  const { rows } = await sql<{ id: string; isNew: boolean }>`
    insert into subscription_filter (registry, record_type, hash, filter, is_exact)
    values (${registry}, ${recordType}, ${hash}, ${filter}::json, ${isExact})
    on conflict (registry, record_type, hash) do update set hash = excluded.hash
    returning id::text, xmax = 0 as "isNew"`.execute(db);
  const [row] = rows;
  if (row === undefined) throw new Error('a filter was neither there nor written');
  if (row.isNew)
    await sql`
      insert into subscription_filter_key (registry, record_type, field, value, filter_id)
      select distinct ${registry}, ${recordType}, field, value, ${row.id}::bigint
      from unnest(${keys.map(({ field }) => field)}::text[], ${keys.map(({ value }) => value)}::text[]) as key (field, value)`.execute(db);
  return row.id;
}

export interface NewSubscription
  extends Pick<
    Subscription,
    'id' | 'code' | 'partnerId' | 'registry' | 'entity' | 'eventType' | 'locale' | 'schedule' | 'startsAt' | 'endsAt' | 'notifyUri'
  > {
  readonly state: 'pending' | 'active';
  readonly filterId: string;
  /** JSON text. */
  readonly criteria: string;
}

/** False where the subscriber has one for the same event, filter and entity. */
export async function insertSubscription(db: Db, subscription: NewSubscription): Promise<boolean> {
  const { numInsertedOrUpdatedRows } = await db
    .insertInto('subscription')
    .values({
      id: subscription.id,
      code: subscription.code,
      partner_id: subscription.partnerId,
      registry: subscription.registry,
      entity: subscription.entity,
      event_type: subscription.eventType,
      filter_id: subscription.filterId,
      criteria: subscription.criteria,
      locale: subscription.locale,
      schedule: subscription.schedule,
      starts_at: subscription.startsAt,
      ends_at: subscription.endsAt,
      notify_uri: subscription.notifyUri,
      state: subscription.state,
      reason: null,
      gathering_until: null,
      failing_since: null,
    })
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirst();
  return numInsertedOrUpdatedRows === 1n;
}
