import { type Selectable, sql } from 'kysely';
import type { Db } from './database.ts';
import type { Tables } from './tables.ts';

/** Requests of ours to other registries, so that what they send is known as the answer. Nothing of the question is kept. */

export interface OwnRequest {
  readonly id: string;
  /** Of whom it asks. */
  readonly partnerId: string;
  readonly action: string;
  readonly transactionId: string;
  readonly referenceIds: readonly string[];
  /** Then its answer must be as well. */
  readonly isEncrypted: boolean;
  /** As the acknowledgement said. */
  readonly correlationId?: string | undefined;
  readonly sentAt: Date;
}

export async function insertOwnRequest(db: Db, request: OwnRequest): Promise<void> {
  await db
    .insertInto('own_request')
    .values({
      id: request.id,
      partner_id: request.partnerId,
      action: request.action,
      transaction_id: request.transactionId,
      reference_ids: [...request.referenceIds],
      is_encrypted: request.isEncrypted,
      sent_at: request.sentAt,
    })
    .execute();
}

/** One that was refused. */
export async function deleteOwnRequest(db: Db, id: string): Promise<void> {
  await db.deleteFrom('own_request').where('id', '=', id).execute();
}

/** Notes under which id the answer comes; what came before that under another is none. */
export async function noteCorrelation(db: Db, id: string, correlationId: string): Promise<void> {
  await db.transaction().execute(async (transaction) => {
    await transaction.updateTable('own_request').set({ correlation_id: correlationId }).where('id', '=', id).execute();
    await transaction
      .updateTable('inbox_message')
      .set({ request_id: null })
      .where('request_id', '=', id)
      .where('correlation_id', 'is not', null)
      .where('correlation_id', '!=', correlationId)
      .execute();
  });
}

/** By what an incoming message may be known to belong to a request. */
export interface RequestKey {
  readonly partnerId: string;
  readonly action: string;
  readonly transactionId: string;
  readonly correlationId?: string | undefined;
  readonly subscriptionCode?: string | undefined;
}

/** The request that a message of this partner belongs to; it stays as it is until the transaction `db` ends. */
export async function findOwnRequest(db: Db, key: RequestKey): Promise<OwnRequest | undefined> {
  const asked = db.selectFrom('own_request').selectAll().where('partner_id', '=', key.partnerId).where('action', '=', key.action);
  const named =
    key.subscriptionCode === undefined
      ? asked
          .where('transaction_id', '=', key.transactionId)
          .where((has) =>
            has.or([
              has('correlation_id', 'is', null),
              ...(key.correlationId === undefined ? [] : [has('correlation_id', '=', key.correlationId)]),
            ]),
          )
      : asked.where(sql<boolean>`subscription_codes @> ${[key.subscriptionCode]}::text[]`);
  const row = await named.orderBy('sent_at', 'desc').limit(1).forShare().executeTakeFirst();
  return row === undefined ? undefined : readOwnRequest(row);
}

export async function loadOwnRequests(db: Db, ids: readonly string[]): Promise<OwnRequest[]> {
  if (ids.length === 0) return [];
  return (
    await db
      .selectFrom('own_request')
      .selectAll()
      .where('id', 'in', [...ids])
      .execute()
  ).map(readOwnRequest);
}

export async function addSubscriptionCodes(db: Db, id: string, codes: readonly string[]): Promise<void> {
  await sql`
    update own_request set subscription_codes = array(select distinct unnest(subscription_codes || ${[...codes]}::text[])) where id = ${id}
  `.execute(db);
}

/** Of subscriptions that have ended. */
export async function removeSubscriptionCodes(db: Db, partnerId: string, codes: readonly string[]): Promise<void> {
  await sql`
    update own_request set subscription_codes = array(select code from unnest(subscription_codes) as code where code <> all (${[...codes]}::text[]))
    where partner_id = ${partnerId} and subscription_codes && ${[...codes]}::text[]`.execute(db);
}

function readOwnRequest(row: Selectable<Tables['own_request']>): OwnRequest {
  return {
    id: row.id,
    partnerId: row.partner_id,
    action: row.action,
    transactionId: row.transaction_id,
    referenceIds: row.reference_ids,
    isEncrypted: row.is_encrypted,
    correlationId: row.correlation_id ?? undefined,
    sentAt: row.sent_at,
  };
}
