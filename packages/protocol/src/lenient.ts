import { languageCode } from './language-codes.ts';
import { dropEmpty, isObject, type JsonObject, type Rewriting, readNumbers, renameMember, replaceMember } from './lenient-rewriting.ts';
import { normaliseQuery } from './lenient-query.ts';

/**
 * Lenient mode: the published samples break their own schema, and so do the systems built from them. This makes of such a
 * message what it was meant to be, before it is validated, and says what it changed. It relaxes form, never identity:
 * ids, sender, receiver, signature, `message_ts` and the values searched for are not touched. Names of entities and
 * attributes are not touched either: a registry's profile reads them by synonym from everybody.
 */

/** What normalisation must be told, because it looks at nothing but the message. */
export interface LenientContext {
  /** Timestamp that an item without one is given. */
  readonly now: string;
}

/** A message made fit for validation. */
export interface LenientReading {
  readonly value: unknown;
  /**
   * Place and kind of the first ten changes, such as `/header/total_count: text read as a number`, then how many more there
   * were. Never a value; and a place ends before the first name that the sender chose, so that all of it may be logged.
   */
  readonly changes: readonly string[];
}

/**
 * Normalises a received envelope (or `{message}` after decryption) as far as its meaning is beyond doubt. What is not
 * understood stays as it is, for the validation that follows.
 *
 * @param received parsed JSON, not changed; a repeated `condition` of a predicate row may stand in it as a list of its values
 * @returns the normalised copy and what was changed
 *
 * @example
 * normaliseLeniently({ header: { total_count: '1', meta: '' } }, { now: '2024-01-15T10:30:00Z' });
 * // { value: { header: { total_count: 1 } },
 * //   changes: ['/header/meta: empty text read as absent', '/header/total_count: text read as a number'] }
 */
export function normaliseLeniently(received: unknown, context: LenientContext): LenientReading {
  const value = structuredClone(received);
  const rewriting: Rewriting = { changes: [] };
  if (isObject(value)) {
    if (isObject(value['header'])) normaliseHeader(rewriting, value['header']);
    if (isObject(value['message'])) normaliseMessage(rewriting, value['message'], context.now);
  }
  return { value, changes: shorten(rewriting.changes) };
}

/** Enough to see what a sender does; a batch of thousands does it thousands of times. */
const MOST_CHANGES = 10;

function shorten(changes: readonly string[]): readonly string[] {
  if (changes.length <= MOST_CHANGES) return changes;
  return [...changes.slice(0, MOST_CHANGES), `and ${changes.length - MOST_CHANGES} more`];
}

const HEADER_OPTIONALS = [
  'version',
  'sender_uri',
  'receiver_id',
  'is_msg_encrypted',
  'meta',
  'status',
  'status_reason_code',
  'completed_count',
];
const ACTION_SYNONYMS: ReadonlyMap<string, string> = new Map([
  ['verify', 'search'],
  ['get_disability_info', 'search'],
]);

function normaliseHeader(rewriting: Rewriting, header: JsonObject): void {
  dropEmpty(rewriting, header, '/header', HEADER_OPTIONALS);
  readNumbers(rewriting, header, '/header', ['total_count', 'completed_count']);
  renameMember(rewriting, header, 'action', '/header', (action) => ACTION_SYNONYMS.get(action));
}

function normaliseMessage(rewriting: Rewriting, message: JsonObject, now: string): void {
  const at = '/message';
  for (const [item, pointer] of items(rewriting, message, 'search_request', at)) normaliseSearchItem(rewriting, item, pointer, now);
  for (const [item, pointer] of items(rewriting, message, 'subscribe_request', at)) normaliseSubscribeItem(rewriting, item, pointer, now);
  if (isObject(message['subscribe_criteria'])) normaliseSubscribeItem(rewriting, message, at, now);
  if ('subscription_codes' in message) normaliseUnsubscribe(rewriting, message, at, now);
  if (isObject(message['txnstatus_request'])) normaliseLocale(rewriting, message['txnstatus_request'], `${at}/txnstatus_request`);
}

const CRITERIA_OPTIONALS = ['version', 'reg_type', 'reg_event_type', 'reg_record_type', 'response_entity', 'consent', 'authorize'];

function normaliseSearchItem(rewriting: Rewriting, item: JsonObject, at: string, now: string): void {
  normaliseItem(rewriting, item, at, now);
  normalisePaging(rewriting, item, at);
  const criteria = item['search_criteria'];
  if (!isObject(criteria)) return;
  const pointer = `${at}/search_criteria`;
  dropEmpty(rewriting, criteria, pointer, CRITERIA_OPTIONALS);
  normalisePaging(rewriting, criteria, pointer);
  normaliseQuery(rewriting, criteria, { query: 'query', type: 'query_type' }, pointer);
}

const SUBSCRIBE_OPTIONALS = ['version', 'reg_type', 'frequency', 'filter_type', 'authorize'];

function normaliseSubscribeItem(rewriting: Rewriting, item: JsonObject, at: string, now: string): void {
  normaliseItem(rewriting, item, at, now);
  const criteria = item['subscribe_criteria'];
  if (!isObject(criteria)) return;
  const pointer = `${at}/subscribe_criteria`;
  dropEmpty(rewriting, criteria, pointer, SUBSCRIBE_OPTIONALS);
  if (isObject(criteria['frequency'])) dropEmpty(rewriting, criteria['frequency'], `${pointer}/frequency`, ['end_time']);
  normaliseQuery(rewriting, criteria, { query: 'filter', type: 'filter_type' }, pointer);
}

function normaliseUnsubscribe(rewriting: Rewriting, message: JsonObject, at: string, now: string): void {
  fillTimestamp(rewriting, message, at, now);
  readList(rewriting, message, 'subscription_codes', at);
}

function normaliseItem(rewriting: Rewriting, item: JsonObject, at: string, now: string): void {
  fillTimestamp(rewriting, item, at, now);
  normaliseLocale(rewriting, item, at);
}

function normalisePaging(rewriting: Rewriting, owner: JsonObject, at: string): void {
  dropEmpty(rewriting, owner, at, ['sort', 'pagination']);
  for (const [key, pointer] of items(rewriting, owner, 'sort', at)) dropEmpty(rewriting, key, pointer, ['sort_order']);
  const pagination = owner['pagination'];
  if (!isObject(pagination)) return;
  dropEmpty(rewriting, pagination, `${at}/pagination`, ['page_number', 'cursor']);
  readNumbers(rewriting, pagination, `${at}/pagination`, ['page_size', 'page_number']);
}

function normaliseLocale(rewriting: Rewriting, owner: JsonObject, at: string): void {
  dropEmpty(rewriting, owner, at, ['locale']);
  renameMember(rewriting, owner, 'locale', at, languageCode);
}

function fillTimestamp(rewriting: Rewriting, owner: JsonObject, at: string, now: string): void {
  if (owner['timestamp'] === undefined || owner['timestamp'] === '')
    replaceMember(rewriting, owner, 'timestamp', at, now, 'given the time of receipt');
}

/** The objects of a list, after one object in its place has become a list of one. */
function items(rewriting: Rewriting, owner: JsonObject, name: string, at: string): [JsonObject, string][] {
  readList(rewriting, owner, name, at);
  const list = owner[name];
  if (!Array.isArray(list)) return [];
  return list.flatMap((item: unknown, index) => (isObject(item) ? [[item, `${at}/${name}/${index}`] as [JsonObject, string]] : []));
}

function readList(rewriting: Rewriting, owner: JsonObject, name: string, at: string): void {
  const value = owner[name];
  if (isObject(value) || (typeof value === 'string' && value !== ''))
    replaceMember(rewriting, owner, name, at, [value], 'read as a list of one');
}
