import { randomUUID } from 'node:crypto';
import {
  canonicalJson,
  PROTOCOL_VERSION,
  type RequestHeader,
  type SearchCriteria,
  type SearchRequest,
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
  /** Epoch milliseconds. */
  readonly now: number;
}

const SIGNATURE_LIFETIME_SECONDS = 300;

/**
 * Writes one search with an item for each of the criteria, `reference_id` `1`, `2`, …, in RFC 8785 form, and signs it in
 * the dialect `dci`. Every call makes a new message, with a `message_id` of its own.
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
  const timestamp = new Date(parts.now).toISOString();
  const header: RequestHeader = {
    version: PROTOCOL_VERSION,
    message_id: randomUUID(),
    message_ts: timestamp,
    action: 'search',
    sender_id: parts.senderId,
    ...(parts.receiverId === undefined ? {} : { receiver_id: parts.receiverId }),
    total_count: parts.criteria.length,
    is_msg_encrypted: false,
  };
  const message: SearchRequest = {
    transaction_id: parts.transactionId ?? randomUUID(),
    search_request: parts.criteria.map((criteria, index) => ({
      reference_id: String(index + 1),
      timestamp,
      search_criteria: criteria,
      ...(parts.locale === undefined ? {} : { locale: parts.locale }),
    })),
  };
  return { header, message, text: writeText(header, message, parts) };
}

function writeText(header: RequestHeader, message: SearchRequest, { signingKey, senderId, now }: SearchMessageParts): string {
  const headerText = canonicalJson(header);
  const messageText = canonicalJson(message);
  const content = signedContent(headerText, messageText);
  if (signingKey === undefined) return content;
  const created = Math.floor(now / 1000);
  const signature = signContent(content, signingKey, { senderId, created, expires: created + SIGNATURE_LIFETIME_SECONDS });
  return writeSignedEnvelope({ headerText, messageText, signature });
}
