import { randomUUID } from 'node:crypto';
import {
  canonicalJson,
  type EncryptionKey,
  encryptText,
  PROTOCOL_VERSION,
  type RequestHeader,
  type SearchCriteria,
  type SearchRequest,
  type SignatureDialect,
  type SigningKey,
  signContent,
  signedContent,
  writeSignedEnvelope,
} from '@dci/protocol';

/** A search as it is sent: what it says, and its text. */
export interface SearchMessage {
  readonly header: RequestHeader;
  readonly message: SearchRequest;
  readonly text: string;
}

export interface SearchMessageParts {
  readonly senderId: string;
  readonly receiverId?: string | undefined;
  readonly criteria: readonly SearchCriteria[];
  readonly transactionId?: string | undefined;
  readonly locale?: string | undefined;
  /** Absent: the message goes unsigned. */
  readonly signingKey?: SigningKey | undefined;
  /** In which the signature is written; default `dci`. */
  readonly dialect?: SignatureDialect | undefined;
  /** Epoch milliseconds. */
  readonly now: number;
}

const SIGNATURE_LIFETIME_SECONDS = 300;

/**
 * Writes one search with an item for each of the criteria, `reference_id` `1`, `2`, …, in RFC 8785 form, and signs it.
 * Every call makes a new message, with a `message_id` of its own.
 *
 * @throws TypeError when the criteria are not JSON.
 *
 * @example
 * const { text } = writeSearchMessage({
 *   senderId: 'spmis.example.org',
 *   criteria: [{ query_type: 'idtype-value', query: { type: 'UIN', value: '847951632' } }],
 *   signingKey: generateSigningKey('ES256'),
 *   now: Date.now(),
 * });
 */
export function writeSearchMessage(parts: SearchMessageParts): SearchMessage {
  const header = composeHeader(parts, false);
  const message = composeMessage(parts);
  return { header, message, text: writeText(canonicalJson(header), canonicalJson(message), parts) };
}

/**
 * As {@link writeSearchMessage}, with the message encrypted to a key of its receiver; the signature covers the encrypted form.
 *
 * @example
 * const { text } = await writeEncryptedSearchMessage({ senderId: 'spmis.example.org', criteria, now: Date.now() }, serversKey);
 */
export async function writeEncryptedSearchMessage(parts: SearchMessageParts, key: EncryptionKey): Promise<SearchMessage> {
  const header = composeHeader(parts, true);
  const message = composeMessage(parts);
  const encrypted = await encryptText(canonicalJson(message), key);
  return { header, message, text: writeText(canonicalJson(header), canonicalJson(encrypted), parts) };
}

function composeHeader({ senderId, receiverId, criteria, now }: SearchMessageParts, encrypted: boolean): RequestHeader {
  return {
    version: PROTOCOL_VERSION,
    message_id: randomUUID(),
    message_ts: new Date(now).toISOString(),
    action: 'search',
    sender_id: senderId,
    ...(receiverId === undefined ? {} : { receiver_id: receiverId }),
    total_count: criteria.length,
    is_msg_encrypted: encrypted,
  };
}

function composeMessage({ criteria: asked, transactionId, locale, now }: SearchMessageParts): SearchRequest {
  const timestamp = new Date(now).toISOString();
  return {
    transaction_id: transactionId ?? randomUUID(),
    search_request: asked.map((criteria, index) => ({
      reference_id: String(index + 1),
      timestamp,
      search_criteria: criteria,
      ...(locale === undefined ? {} : { locale }),
    })),
  };
}

function writeText(headerText: string, messageText: string, { signingKey, senderId, dialect, now }: SearchMessageParts): string {
  const content = signedContent(headerText, messageText);
  if (signingKey === undefined) return content;
  const created = Math.floor(now / 1000);
  const terms = { senderId, created, expires: created + SIGNATURE_LIFETIME_SECONDS, ...(dialect === undefined ? {} : { dialect }) };
  return writeSignedEnvelope({ headerText, messageText, signature: signContent(content, signingKey, terms) });
}
