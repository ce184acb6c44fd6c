import { randomUUID } from 'node:crypto';
import {
  canonicalJson,
  type EncryptionKey,
  encryptText,
  PROTOCOL_VERSION,
  type RequestHeader,
  type SignatureDialect,
  type SigningKey,
  signContent,
  signedContent,
  type TxnStatusRequest,
  type TxnType,
  writeSignedEnvelope,
} from '@dci/protocol';

/** A request as it is sent: what it says, and its text. */
export interface RequestMessage<M> {
  readonly header: RequestHeader;
  readonly message: M;
  readonly text: string;
}

/** Who sends a request, and how. */
export interface MessageParts {
  readonly senderId: string;
  readonly receiverId?: string | undefined;
  /** Where the answer is to be sent, of requests that are answered later. */
  readonly senderUri?: string | undefined;
  /** Absent: the message goes unsigned. */
  readonly signingKey?: SigningKey | undefined;
  /** In which the signature is written; default `dci`. */
  readonly dialect?: SignatureDialect | undefined;
  /** Epoch milliseconds. */
  readonly now: number;
}

/** What a request is about. */
export interface Content<M> {
  readonly action: string;
  readonly totalCount: number;
  readonly message: M;
}

/** What the items of a request have in common. */
export interface AskedItems<Criteria> {
  readonly criteria: readonly Criteria[];
  readonly transactionId?: string | undefined;
  readonly locale?: string | undefined;
  /** Epoch milliseconds. */
  readonly now: number;
}

/**
 * A request of an item for each of the criteria, `reference_id` `1`, `2`, …; list and criteria are named after the action,
 * as in `{transaction_id, search_request: [{search_criteria}]}`.
 */
export function composeItems(
  action: string,
  { criteria, transactionId, locale, now }: AskedItems<object>,
): Content<{ readonly transaction_id: string }> {
  const timestamp = new Date(now).toISOString();
  const items = criteria.map((asked, index) => ({
    reference_id: referenceOf(index),
    timestamp,
    [`${action}_criteria`]: asked,
    ...(locale === undefined ? {} : { locale }),
  }));
  return { action, totalCount: items.length, message: { transaction_id: transactionId ?? randomUUID(), [`${action}_request`]: items } };
}

/** The ids of the items of such a request, in the order of the criteria. */
export function listReferences({ header }: RequestMessage<object>): readonly string[] {
  return Array.from({ length: header.total_count }, (_, index) => referenceOf(index));
}

function referenceOf(index: number): string {
  return String(index + 1);
}

export const FIRST_REFERENCE = referenceOf(0);

/** A question after an earlier request of this partner. */
export function composeTxnStatus(type: TxnType, transactionId: string): Content<TxnStatusRequest> {
  const asked = { txn_type: type, attribute_type: 'transaction_id', attribute_value: transactionId } as const;
  const message = { transaction_id: randomUUID(), txnstatus_request: { reference_id: FIRST_REFERENCE, ...asked } };
  return { action: 'txn-status', totalCount: 1, message };
}

const SIGNATURE_LIFETIME_SECONDS = 300;

/** Writes a request in RFC 8785 form and signs it. Each call makes a new message, with a `message_id` of its own. */
export function writeMessage<M extends object>(parts: MessageParts, content: Content<M>): RequestMessage<M> {
  const header = composeHeader(parts, content, false);
  return { header, message: content.message, text: writeText(canonicalJson(header), canonicalJson(content.message), parts) };
}

/** The same, with the message encrypted to a key of its receiver; the signature covers the encrypted form. */
export async function writeEncryptedMessage<M extends object>(
  parts: MessageParts,
  content: Content<M>,
  key: EncryptionKey,
): Promise<RequestMessage<M>> {
  const header = composeHeader(parts, content, true);
  const encrypted = await encryptText(canonicalJson(content.message), key);
  return { header, message: content.message, text: writeText(canonicalJson(header), canonicalJson(encrypted), parts) };
}

function composeHeader(parts: MessageParts, { action, totalCount }: Content<object>, encrypted: boolean): RequestHeader {
  const { senderId, senderUri, receiverId, now } = parts;
  return {
    version: PROTOCOL_VERSION,
    message_id: randomUUID(),
    message_ts: new Date(now).toISOString(),
    action,
    sender_id: senderId,
    ...(senderUri === undefined ? {} : { sender_uri: senderUri }),
    ...(receiverId === undefined ? {} : { receiver_id: receiverId }),
    total_count: totalCount,
    is_msg_encrypted: encrypted,
  };
}

function writeText(headerText: string, messageText: string, { signingKey, senderId, dialect, now }: MessageParts): string {
  const content = signedContent(headerText, messageText);
  if (signingKey === undefined) return content;
  const created = Math.floor(now / 1000);
  const terms = { senderId, created, expires: created + SIGNATURE_LIFETIME_SECONDS, ...(dialect === undefined ? {} : { dialect }) };
  return writeSignedEnvelope(content, signContent(content, signingKey, terms));
}
