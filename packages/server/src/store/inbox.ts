import type { Selectable } from 'kysely';
import type { Db } from './database.ts';
import type { SealedColumn } from './sealed.ts';
import type { Tables } from './tables.ts';

/** What other registries have sent us: answers to our requests, and notifications. Each is kept once. */

export interface InboxMessage {
  readonly id: string;
  readonly partnerId: string;
  readonly action: string;
  /** Of the path; absent where the path names none. */
  readonly registry: string | undefined;
  readonly messageId: string;
  readonly transactionId: string;
  readonly correlationId: string | undefined;
  /** The request of ours that it belongs to, where there is one. */
  readonly requestId: string | undefined;
  /** Of its header. */
  readonly status: string | undefined;
  readonly itemCount: number;
  /** Of the key that signed it. */
  readonly kid: string;
  readonly dialect: string;
  /** Whether it came encrypted. */
  readonly isEncrypted: boolean;
  readonly sealedContent: Buffer;
  readonly receivedAt: Date;
  readonly readAt?: Date | undefined;
}

/** Where what was sent lies. */
export const INBOX_COLUMN: SealedColumn = { table: 'inbox_message', column: 'sealed_content', id: 'id', detail: 'action' };

/** Keeps a message, or finds the one that it repeats: of the same partner with the same `repeatHash`. */
export async function keepInboxMessage(
  db: Db,
  message: InboxMessage,
  repeatHash: Buffer,
): Promise<{ readonly isNew: boolean; readonly kept: InboxMessage }> {
  const result = await db
    .insertInto('inbox_message')
    .values({
      id: message.id,
      partner_id: message.partnerId,
      action: message.action,
      registry: message.registry ?? null,
      message_id: message.messageId,
      transaction_id: message.transactionId,
      correlation_id: message.correlationId ?? null,
      repeat_hash: repeatHash,
      request_id: message.requestId ?? null,
      status: message.status ?? null,
      item_count: message.itemCount,
      kid: message.kid,
      dialect: message.dialect,
      is_encrypted: message.isEncrypted,
      sealed_content: message.sealedContent,
      received_at: message.receivedAt,
    })
    .onConflict((conflict) => conflict.columns(['partner_id', 'repeat_hash']).doNothing())
    .executeTakeFirst();
  if (result.numInsertedOrUpdatedRows === 1n) return { isNew: true, kept: message };
  const first = await db
    .selectFrom('inbox_message')
    .selectAll()
    .where('partner_id', '=', message.partnerId)
    .where('repeat_hash', '=', repeatHash)
    .executeTakeFirstOrThrow();
  return { isNew: false, kept: readInboxMessage(first) };
}

/** What an operator asks for. */
export interface InboxFilter {
  readonly partnerId?: string | undefined;
  readonly action?: string | undefined;
  readonly transactionId?: string | undefined;
  readonly requestId?: string | undefined;
  readonly unread?: boolean | undefined;
  readonly most: number;
}

/** The newest first. */
export async function loadInbox(db: Db, filter: InboxFilter): Promise<InboxMessage[]> {
  let query = db.selectFrom('inbox_message').selectAll();
  if (filter.partnerId !== undefined) query = query.where('partner_id', '=', filter.partnerId);
  if (filter.action !== undefined) query = query.where('action', '=', filter.action);
  if (filter.transactionId !== undefined) query = query.where('transaction_id', '=', filter.transactionId);
  if (filter.requestId !== undefined) query = query.where('request_id', '=', filter.requestId);
  if (filter.unread === true) query = query.where('read_at', 'is', null);
  const rows = await query.orderBy('received_at', 'desc').orderBy('id', 'desc').limit(filter.most).execute();
  return rows.map(readInboxMessage);
}

export async function findInboxMessage(db: Db, id: string): Promise<InboxMessage | undefined> {
  const row = await db.selectFrom('inbox_message').selectAll().where('id', '=', id).executeTakeFirst();
  return row === undefined ? undefined : readInboxMessage(row);
}

/** Returns how many there were to mark. */
export async function markInbox(db: Db, ids: readonly string[], readAt: Date | null): Promise<number> {
  const result = await db
    .updateTable('inbox_message')
    .set({ read_at: readAt })
    .where('id', 'in', [...ids])
    .executeTakeFirst();
  return Number(result.numUpdatedRows);
}

function readInboxMessage(row: Selectable<Tables['inbox_message']>): InboxMessage {
  return {
    id: row.id,
    partnerId: row.partner_id,
    action: row.action,
    registry: row.registry ?? undefined,
    messageId: row.message_id,
    transactionId: row.transaction_id,
    correlationId: row.correlation_id ?? undefined,
    requestId: row.request_id ?? undefined,
    status: row.status ?? undefined,
    itemCount: row.item_count,
    kid: row.kid,
    dialect: row.dialect,
    isEncrypted: row.is_encrypted,
    sealedContent: row.sealed_content,
    receivedAt: row.received_at,
    readAt: row.read_at ?? undefined,
  };
}
