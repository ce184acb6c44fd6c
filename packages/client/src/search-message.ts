import type { EncryptionKey, SearchCriteria, SearchRequest } from '@dci/protocol';
import {
  type AskedItems,
  composeItems,
  type Content,
  type MessageParts,
  type RequestMessage,
  writeEncryptedMessage,
  writeMessage,
} from './message.ts';

/** A search as it is sent: what it says, and its text. */
export type SearchMessage = RequestMessage<SearchRequest>;

export type SearchMessageParts = MessageParts & AskedItems<SearchCriteria>;

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
export function composeSearch(asked: AskedItems<SearchCriteria>): Content<SearchRequest> {
  return composeItems('search', asked) as Content<SearchRequest>;
}
