import { randomUUID } from 'node:crypto';
import type { EncryptionKey, SearchCriteria, SearchRequest } from '@dci/protocol';
import { type Content, type MessageParts, type RequestMessage, writeEncryptedMessage, writeMessage } from './message.ts';

/** A search as it is sent: what it says, and its text. */
export type SearchMessage = RequestMessage<SearchRequest>;

export interface SearchMessageParts extends MessageParts {
  readonly criteria: readonly SearchCriteria[];
  readonly transactionId?: string | undefined;
  readonly locale?: string | undefined;
}

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
  return writeMessage(parts, composeSearch(parts));
}

/**
 * As {@link writeSearchMessage}, with the message encrypted to a key of its receiver; the signature covers the encrypted form.
 *
 * @example
 * const { text } = await writeEncryptedSearchMessage({ senderId: 'spmis.example.org', criteria, now: Date.now() }, serversKey);
 */
export async function writeEncryptedSearchMessage(parts: SearchMessageParts, key: EncryptionKey): Promise<SearchMessage> {
  return await writeEncryptedMessage(parts, composeSearch(parts), key);
}

/** What a search says, before it is written. */
export function composeSearch({
  criteria: asked,
  transactionId,
  locale,
  now,
}: Pick<SearchMessageParts, 'criteria' | 'transactionId' | 'locale' | 'now'>): Content<SearchRequest> {
  const timestamp = new Date(now).toISOString();
  const message = {
    transaction_id: transactionId ?? randomUUID(),
    search_request: asked.map((criteria, index) => ({
      reference_id: String(index + 1),
      timestamp,
      search_criteria: criteria,
      ...(locale === undefined ? {} : { locale }),
    })),
  };
  return { action: 'search', totalCount: asked.length, message };
}
