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
  /** How its subscriber is written to; plain JSON. */
  readonly replyTerms: unknown;
  readonly state: SubscriptionState;
  /** Why it is suspended or has ended; names nobody. */
  readonly reason: string | null;
  readonly failingSince: Date | null;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

export const SUBSCRIPTION_STATES = ['pending', 'active', 'suspended', 'ended'] as const;
export type SubscriptionState = (typeof SUBSCRIPTION_STATES)[number];

const COLUMNS = [
  'id',
  'code',
  'partner_id as partnerId',
  'registry',
  'entity',
  'event_type as eventType',
  'criteria',
  'locale',
  'schedule',
  'starts_at as startsAt',
  'ends_at as endsAt',
  'notify_uri as notifyUri',
  'reply_terms as replyTerms',
  'state',
  'reason',
  'failing_since as failingSince',
  'created_at as createdAt',
  'updated_at as updatedAt',
] as const;

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
  readonly replyTerms: object;
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
      reply_terms: JSON.stringify(subscription.replyTerms),
      state: subscription.state,
      reason: null,
      gathering_until: null,
      failing_since: null,
    })
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirst();
  return numInsertedOrUpdatedRows === 1n;
}

export async function countSubscriptions(db: Db, partnerId: string): Promise<number> {
  const { count } = await db
    .selectFrom('subscription')
    .select(sql<string>`count(*)`.as('count'))
    .where('partner_id', '=', partnerId)
    .where('state', '<>', 'ended')
    .executeTakeFirstOrThrow();
  return Number(count);
}

/** Ends those of a partner whose time is over; the others of its life are ended by a periodic task. */
export async function endExpiredSubscriptions(db: Db, partnerId?: string): Promise<number> {
  let query = db
    .updateTable('subscription')
    .set({ state: 'ended', reason: 'its time is over', updated_at: sql<Date>`now()` })
    .where('state', '<>', 'ended')
    .where('ends_at', '<=', sql<Date>`now()`);
  if (partnerId !== undefined) query = query.where('partner_id', '=', partnerId);
  return Number((await query.executeTakeFirst()).numUpdatedRows);
}

/** Ends those that were suspended `days` ago and not resumed, and forgets what was gathered for those that have ended. */
export async function endSuspendedSubscriptions(db: Db, days: number): Promise<void> {
  await sql`
    update subscription set state = 'ended', reason = ${`suspended for ${days} days`}, updated_at = now()
    where state = 'suspended' and updated_at < now() - ${days} * interval '1 day'`.execute(db);
  await sql`
    delete from pending_event using subscription
    where subscription.id = pending_event.subscription_id and subscription.state = 'ended'`.execute(db);
}

/** Filters of subscriptions that were deleted with their partner, and ones that no subscription was made with. */
export async function deleteUnusedFilters(db: Db): Promise<void> {
  await sql`
    delete from subscription_filter
    where not exists (select from subscription where subscription.filter_id = subscription_filter.id)`.execute(db);
}

export async function findSubscriptions(db: Db, codes: readonly string[]): Promise<Subscription[]> {
  const rows = await db
    .selectFrom('subscription')
    .select(COLUMNS)
    .where('code', 'in', [...codes, ''])
    .execute();
  return rows.map(readRow);
}

export async function getSubscription(db: Db, id: string): Promise<Subscription | undefined> {
  const row = await db.selectFrom('subscription').select(COLUMNS).where('id', '=', id).executeTakeFirst();
  return row && readRow(row);
}

/** Those of them that are active, and stay so until the transaction ends. */
export async function lockActive(db: Db, ids: readonly string[]): Promise<ReadonlySet<string>> {
  const { rows } = await sql<{ id: string }>`
    select id from subscription where id = any (${ids}::uuid[]) and state = 'active' order by id for share`.execute(db);
  return new Set(rows.map(({ id }) => id));
}

/** The newest first. */
export async function listSubscriptions(
  db: Db,
  { partnerId, state, most }: { partnerId?: string | undefined; state?: SubscriptionState | undefined; most: number },
): Promise<Subscription[]> {
  let query = db.selectFrom('subscription').select(COLUMNS).orderBy('created_at', 'desc').orderBy('id').limit(most);
  if (partnerId !== undefined) query = query.where('partner_id', '=', partnerId);
  if (state !== undefined) query = query.where('state', '=', state);
  return (await query.execute()).map(readRow);
}

/** Moves a subscription on where it is in one of the states `from`; false where it is not. */
export async function changeSubscription(
  db: Db,
  id: string,
  from: readonly SubscriptionState[],
  change: { readonly state: SubscriptionState; readonly reason?: string | undefined },
): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('subscription')
    .set({
      state: change.state,
      reason: change.reason ?? null,
      updated_at: sql<Date>`now()`,
      ...(change.state === 'active' ? { failing_since: null } : {}),
    })
    .where('id', '=', id)
    .where('state', 'in', [...from])
    .executeTakeFirst();
  if (numUpdatedRows === 1n && change.state === 'ended') await forgetEvents(db, id);
  return numUpdatedRows === 1n;
}

/** Notifications of theirs have arrived. */
export async function noteReceived(db: Db, ids: readonly string[]): Promise<void> {
  await sql`update subscription set failing_since = null where id = any (${ids}::uuid[]) and failing_since is not null`.execute(db);
}

/** Notifications of theirs have not arrived; those of whom none has for `days` are suspended. */
export async function noteFailing(db: Db, ids: readonly string[], days: number): Promise<void> {
  await sql`
    update subscription set failing_since = coalesce(failing_since, now()),
      state = case when failing_since < now() - ${days} * interval '1 day' then 'suspended' else state end,
      updated_at = case when failing_since < now() - ${days} * interval '1 day' then now() else updated_at end,
      reason = case when failing_since < now() - ${days} * interval '1 day' then ${`nothing has arrived for ${days} days`} else reason end
    where id = any (${ids}::uuid[]) and state = 'active'`.execute(db);
}

/** Neither what waits nor what is on its way is told any more. */
async function forgetEvents(db: Db, id: string): Promise<void> {
  await db.deleteFrom('pending_event').where('subscription_id', '=', id).execute();
  await db.deleteFrom('delivery').where('lane', '=', id).where('state', '<>', 'delivered').execute();
}

type Row = Omit<Subscription, 'state'> & { readonly state: string };

function readRow(row: Row): Subscription {
  const state = SUBSCRIPTION_STATES.find((known) => known === row.state);
  if (state === undefined) throw new Error('a subscription is in an unknown state');
  return { ...row, state };
}
