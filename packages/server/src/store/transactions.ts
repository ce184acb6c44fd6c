import { type Selectable, sql } from 'kysely';
import type { Db } from './database.ts';
import type { Tables } from './tables.ts';

/** Asynchronous requests that were taken. Every look-up names the partner: a transaction is nobody else's. */

export interface NewTransaction {
  readonly id: string;
  readonly partnerId: string;
  readonly action: string;
  /** Of the path; absent where the path names none. */
  readonly registry: string | undefined;
  readonly transactionId: string;
  readonly correlationId: string;
  /** Of what was asked and where, whatever envelope it came in: the same request again is found by it. */
  readonly requestHash: Buffer;
  readonly referenceIds: readonly string[];
  /** The message as JSON text. */
  readonly request: string;
  /** Absent: the result waits to be asked for. */
  readonly callbackUrl: string | undefined;
  /** JSON text. */
  readonly replyTerms: string;
  /** Of the key that signed it. */
  readonly kid: string | undefined;
  readonly remoteAddress: string;
  readonly receivedAt: Date;
}

export type TransactionState = 'pending' | 'answered' | 'refused' | 'failed';

export interface Transaction {
  readonly id: string;
  readonly partnerId: string;
  readonly action: string;
  readonly registry: string | undefined;
  readonly transactionId: string;
  readonly correlationId: string;
  /** Absent once it was purged. */
  readonly request: string | undefined;
  readonly callbackUrl: string | undefined;
  readonly replyTerms: unknown;
  readonly kid: string | undefined;
  readonly remoteAddress: string;
  /** What was done before it was acknowledged. */
  readonly begun: object | undefined;
  readonly state: TransactionState;
  readonly receivedAt: Date;
}

/** False where the partner has sent this request before. */
export async function insertTransaction(db: Db, transaction: NewTransaction): Promise<boolean> {
  const result = await db
    .insertInto('dci_transaction')
    .values({
      id: transaction.id,
      partner_id: transaction.partnerId,
      action: transaction.action,
      registry: transaction.registry ?? null,
      transaction_id: transaction.transactionId,
      correlation_id: transaction.correlationId,
      request_hash: transaction.requestHash,
      reference_ids: [...transaction.referenceIds],
      request: transaction.request,
      callback_url: transaction.callbackUrl ?? null,
      reply_terms: transaction.replyTerms,
      kid: transaction.kid ?? null,
      remote_address: transaction.remoteAddress,
      received_at: transaction.receivedAt,
    })
    .onConflict((conflict) => conflict.columns(['partner_id', 'request_hash']).doNothing())
    .executeTakeFirst();
  return result.numInsertedOrUpdatedRows === 1n;
}

export async function keepBegun(db: Db, id: string, begun: object, subscriptionCodes: readonly string[]): Promise<void> {
  await db
    .updateTable('dci_transaction')
    .set({ begun: JSON.stringify(begun), subscription_codes: [...subscriptionCodes] })
    .where('id', '=', id)
    .execute();
}

/** The request that the partner has sent before. */
export async function findTransactionByHash(db: Db, partnerId: string, requestHash: Buffer): Promise<Transaction | undefined> {
  const row = await db
    .selectFrom('dci_transaction')
    .selectAll()
    .where('partner_id', '=', partnerId)
    .where('request_hash', '=', requestHash)
    .executeTakeFirst();
  return row === undefined ? undefined : readTransaction(row);
}

export async function findTransaction(db: Db, id: string): Promise<Transaction | undefined> {
  const row = await db.selectFrom('dci_transaction').selectAll().where('id', '=', id).executeTakeFirst();
  return row === undefined ? undefined : readTransaction(row);
}

/** By what a partner may ask for its transactions. */
export type TransactionKey =
  | { readonly transactionId: string }
  | { readonly correlationId: string }
  | { readonly referenceIds: readonly string[] }
  | { readonly subscriptionCodes: readonly string[] };

/** Of a partner's requests of one action the newest that `key` names. */
export async function findTransactionOf(db: Db, partnerId: string, action: string, key: TransactionKey): Promise<Transaction | undefined> {
  const asked = db.selectFrom('dci_transaction').selectAll().where('partner_id', '=', partnerId).where('action', '=', action);
  const named =
    'transactionId' in key
      ? asked.where('transaction_id', '=', key.transactionId)
      : 'correlationId' in key
        ? asked.where('correlation_id', '=', key.correlationId)
        : 'referenceIds' in key
          ? asked.where(sql<boolean>`reference_ids @> ${[...key.referenceIds]}::text[]`)
          : asked.where(sql<boolean>`subscription_codes @> ${[...key.subscriptionCodes]}::text[]`);
  const row = await named.orderBy('received_at', 'desc').limit(1).executeTakeFirst();
  return row === undefined ? undefined : readTransaction(row);
}

/** Those that have ended already stay as they are. */
export async function endTransactions(db: Db, ended: readonly { readonly id: string; readonly state: TransactionState }[]): Promise<void> {
  await sql`
    update dci_transaction set state = ended.state, ended_at = now()
    from json_to_recordset(${JSON.stringify(ended)}::json) as ended (id uuid, state text)
    where dci_transaction.id = ended.id and dci_transaction.state = 'pending'`.execute(db);
}

function readTransaction(row: Selectable<Tables['dci_transaction']>): Transaction {
  return {
    id: row.id,
    partnerId: row.partner_id,
    action: row.action,
    registry: row.registry ?? undefined,
    transactionId: row.transaction_id,
    correlationId: row.correlation_id,
    request: row.request ?? undefined,
    callbackUrl: row.callback_url ?? undefined,
    replyTerms: row.reply_terms,
    kid: row.kid ?? undefined,
    remoteAddress: row.remote_address,
    begun: row.begun ?? undefined,
    state: row.state as TransactionState,
    receivedAt: row.received_at,
  };
}
