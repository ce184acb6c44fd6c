import { type Selectable, sql } from 'kysely';
import { v7 as uuidV7 } from 'uuid';
import { consentsChangedSince } from './consents.ts';
import type { Db } from './database.ts';
import { enqueueJobs, type NewJob } from './lanes.ts';
import type { Tables } from './tables.ts';

/**
 * What is to be brought to partners: a message of which each attempt makes an envelope of its own. Where the content can be
 * made anew it is kept for the first attempt only, and not for longer than half a minute: whatever waits longer is decided
 * and made again when its time has come, so nothing goes out that may not be told any more, and of nobody there is
 * more left in the queue than anywhere else.
 */

export interface NewDelivery {
  readonly partnerId: string;
  readonly action: string;
  readonly transactionId: string;
  readonly url: string;
  /** Deliveries of one lane arrive in order, one after the other; absent: in any order. */
  readonly lane?: string | undefined;
  /** What the header says beside ids, times and names. */
  readonly header: object;
  /** The message as canonical JSON. */
  readonly content: string;
  readonly replyTerms: object;
  /** Revision of the partner for which the content was made. */
  readonly rights: string;
  /** Makes the content anew; absent: it is nobody's data, and is sent as it stands. */
  readonly remake?: NewJob | undefined;
}

export type DeliveryState = 'pending' | 'delivered' | 'dead';

export interface Delivery {
  readonly id: string;
  readonly partnerId: string;
  readonly action: string;
  readonly transactionId: string;
  readonly url: string;
  readonly lane: string | undefined;
  readonly header: unknown;
  /** Absent once it has arrived, or is to be made anew. */
  readonly content: string | undefined;
  /** Whether the content may be sent as it stands, as far as it does not depend on the partner. */
  readonly isFresh: boolean;
  readonly replyTerms: unknown;
  readonly rights: string;
  readonly remake: NewJob | undefined;
  readonly state: DeliveryState;
  readonly attempts: number;
  /** HTTP status of the last attempt. */
  readonly status: number | undefined;
  readonly error: string | undefined;
  readonly createdAt: Date;
  readonly triedAt: Date | undefined;
  readonly nextAt: Date | undefined;
}

/** The kind of job that makes an attempt. */
export const DELIVER = 'deliver';

/** The queue of a delivery: one for each partner and host, so that one that does not answer holds up no other. */
export function deliveryOwner({ partnerId, url }: Pick<Delivery, 'partnerId' | 'url'>): string {
  return `${partnerId} ${URL.parse(url)?.origin ?? ''}`;
}

/** Writes deliveries and their jobs, in this order. */
export async function enqueueDeliveries(db: Db, deliveries: readonly NewDelivery[]): Promise<void> {
  if (deliveries.length === 0) return;
  const rows = deliveries.map((delivery) => ({ id: uuidV7(), ...delivery }));
  await db
    .insertInto('delivery')
    .values(
      rows.map((row) => ({
        id: row.id,
        partner_id: row.partnerId,
        action: row.action,
        transaction_id: row.transactionId,
        lane: row.lane ?? null,
        url: row.url,
        header: JSON.stringify(row.header),
        content: row.content,
        reply_terms: JSON.stringify(row.replyTerms),
        rights: row.rights,
        remake: row.remake === undefined ? null : JSON.stringify(row.remake),
      })),
    )
    .execute();
  await enqueueJobs(db, rows.map(toJob));
}

function toJob({ id, lane, ...delivery }: Pick<NewDelivery, 'lane' | 'partnerId' | 'url'> & { readonly id: string }): NewJob {
  return { kind: DELIVER, owner: deliveryOwner(delivery), lane, payload: { id } };
}

/** What has waited longer is made anew. */
const FRESH_SECONDS = 30;
/** So long what is read may take to become a delivery, where it costs much to be wrong on the safe side. */
const USUAL_MAKING_SECONDS = 5;

// Consents that were withdrawn, or changed, since the content was made; of the partner, or of a class it may belong to. And
// what was made anew before it in its lane: it told a later state, and an earlier one may not follow.
const IS_FRESH = sql<boolean>`attempts = 0 and delivery.created_at > now() - ${FRESH_SECONDS} * interval '1 second'
  and not ${consentsChangedSince(sql`delivery.partner_id`, sql`delivery.created_at`)}
  and not exists (select from delivery as other where other.lane = delivery.lane
    and other.remade_at > delivery.created_at - ${USUAL_MAKING_SECONDS} * interval '1 second')`;

export async function findDelivery(db: Db, id: string): Promise<Delivery | undefined> {
  const row = await db.selectFrom('delivery').selectAll().select(IS_FRESH.as('is_fresh')).where('id', '=', id).executeTakeFirst();
  return row === undefined ? undefined : readDelivery(row);
}

/** Takes away contents that can be made anew and are older than `olderThanSeconds`; absent: those that would be made anew anyhow. */
export async function forgetContents(db: Db, olderThanSeconds = FRESH_SECONDS): Promise<void> {
  await sql`
    update delivery set content = null
    where state <> 'delivered' and content is not null and remake is not null
      and created_at <= now() - ${olderThanSeconds} * interval '1 second'`.execute(db);
}

/** What came of an attempt. */
export interface AttemptRecord {
  readonly id: string;
  readonly state: DeliveryState;
  readonly status?: number | undefined;
  readonly error?: string | undefined;
  readonly nextAt?: Date | undefined;
  /** What was sent was made anew. */
  readonly isRemade?: boolean | undefined;
}

export async function recordAttempts(db: Db, attempts: readonly AttemptRecord[]): Promise<void> {
  const rows = attempts.map(({ id, state, status, error, nextAt, isRemade }) => ({
    id,
    state,
    status,
    error,
    next_at: nextAt,
    is_remade: isRemade === true,
  }));
  await sql`
    update delivery set
      state = tried.state, status = tried.status, error = tried.error, next_at = tried.next_at, attempts = delivery.attempts + 1,
      tried_at = now(), ended_at = case when tried.state <> 'pending' then now() end,
      remade_at = case when is_remade then now() else remade_at end,
      content = case when tried.state <> 'delivered' and delivery.remake is null then delivery.content end
    from json_to_recordset(${JSON.stringify(rows)}::json) as tried (id uuid, state text, status integer, error text, next_at timestamptz, is_remade boolean)
    where delivery.id = tried.id`.execute(db);
}

/** What an operator asks for. */
export interface DeliveryFilter {
  readonly state?: DeliveryState | undefined;
  readonly partnerId?: string | undefined;
  readonly since?: Date | undefined;
  readonly most: number;
}

/** The newest first. */
export async function loadDeliveries(db: Db, { state, partnerId, since, most }: DeliveryFilter): Promise<Delivery[]> {
  let query = db.selectFrom('delivery').selectAll();
  if (state !== undefined) query = query.where('state', '=', state);
  if (partnerId !== undefined) query = query.where('partner_id', '=', partnerId);
  if (since !== undefined) query = query.where('created_at', '>=', since);
  const rows = await query.orderBy('created_at', 'desc').orderBy('id', 'desc').limit(most).execute();
  return rows.map(readDelivery);
}

/** Puts dead deliveries back to work, in their order, with all their attempts before them. Returns how many. */
export async function retryDeliveries(db: Db, which: { readonly ids: readonly string[] } | { readonly since: Date }): Promise<number> {
  const chosen = 'ids' in which ? sql<boolean>`id = any (${[...which.ids]}::uuid[])` : sql<boolean>`created_at >= ${which.since}`;
  const rows = await db
    .updateTable('delivery')
    .set({ state: 'pending', attempts: 0, next_at: null, ended_at: null })
    .where('state', '=', 'dead')
    .where(sql<boolean>`(content is not null or remake is not null)`)
    .where(chosen)
    .returningAll()
    .execute();
  const revived = rows.map(readDelivery).toSorted((one, other) => (one.id < other.id ? -1 : 1));
  await enqueueJobs(db, revived.map(toJob));
  return revived.length;
}

function readDelivery(row: Selectable<Tables['delivery']> & { readonly is_fresh?: boolean }): Delivery {
  return {
    id: row.id,
    partnerId: row.partner_id,
    action: row.action,
    transactionId: row.transaction_id,
    url: row.url,
    lane: row.lane ?? undefined,
    header: row.header,
    content: row.content ?? undefined,
    isFresh: row.is_fresh ?? false,
    replyTerms: row.reply_terms,
    rights: row.rights,
    remake: (row.remake ?? undefined) as NewJob | undefined,
    state: row.state as DeliveryState,
    attempts: row.attempts,
    status: row.status ?? undefined,
    error: row.error ?? undefined,
    createdAt: row.created_at,
    triedAt: row.tried_at ?? undefined,
    nextAt: row.next_at ?? undefined,
  };
}
