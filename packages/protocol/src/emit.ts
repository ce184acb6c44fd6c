import type { PageInfo } from './actions/search.ts';
import { canonicalJson, quote } from './canonical.ts';
import type { RequestStatus, SearchReasonCode } from './codes.ts';
import type { TxnType } from './registries/registry-wire.ts';
import { PROTOCOL_VERSION, type WrittenCallbackHeader } from './envelope.ts';

/**
 * Writes what a server sends directly as RFC 8785 text: members in canonical order, records taken as the canonical text
 * they are stored in. What is signed is what is sent; nothing is parsed, sorted or serialised twice.
 * It trusts its callers for types and for the canonical form of the texts they hand in, and judges nothing.
 */

/** Longest text that may stand next to a reason code, in characters. */
export const REASON_MESSAGE_LENGTH = 999;

/** One item of an answer to a search. `records` are canonical JSON texts and go out untouched; absent, there is no `data`. */
export interface WrittenSearchItem {
  readonly reference_id: string;
  readonly timestamp: string;
  readonly status: RequestStatus;
  readonly status_reason_code?: SearchReasonCode | undefined;
  /** Cut to 999 characters. */
  readonly status_reason_message?: string | undefined;
  readonly records?: readonly string[] | undefined;
  readonly reg_type?: string | undefined;
  readonly reg_record_type?: string | undefined;
  readonly pagination?: PageInfo | undefined;
  readonly locale?: string | undefined;
}

/** The answer to a search, before it is text. */
export interface WrittenSearchResponse {
  readonly transaction_id: string;
  readonly correlation_id: string;
  readonly items: readonly WrittenSearchItem[];
}

/**
 * The header of an answer or callback as canonical text.
 *
 * Source: `MsgCallbackHeader_V1.0.0` of the SPDCI OpenAPI 1.0.0; RFC 8785.
 *
 * @example
 * writeCallbackHeader({
 *   message_id: '789', message_ts: '2024-01-15T10:30:00Z', action: 'on-search', status: 'succ',
 *   total_count: 1, completed_count: 1, sender_id: 'social.example.org', receiver_id: 'spmis.example.org',
 * }); // {"action":"on-search","completed_count":1,"is_msg_encrypted":false,…}
 */
export function writeCallbackHeader(header: WrittenCallbackHeader): string {
  return `{"action":${quote(header.action)}\
,"completed_count":${header.completed_count}\
,"is_msg_encrypted":${header.is_msg_encrypted ?? false}\
,"message_id":${quote(header.message_id)}\
,"message_ts":${quote(header.message_ts)}\
${header.meta === undefined ? '' : `,"meta":${canonicalJson(header.meta)}`}\
,"receiver_id":${quote(header.receiver_id)}\
,"sender_id":${quote(header.sender_id)}\
,"status":${quote(header.status)}\
${optional('status_reason_code', header.status_reason_code)}\
${optional('status_reason_message', cutReason(header.status_reason_message))}\
,"total_count":${header.total_count}\
,"version":${quote(header.version ?? PROTOCOL_VERSION)}}`;
}

/**
 * The message of `on-search` as canonical text.
 *
 * Source: `SearchResponse` of the SPDCI OpenAPI 1.0.0; RFC 8785.
 *
 * @example
 * writeSearchResponse({
 *   transaction_id: 't-1',
 *   correlation_id: 'c-1',
 *   items: [{ reference_id: '1', timestamp: '2024-01-15T10:30:01Z', status: 'succ', records: ['{"@type":"SRPerson"}'] }],
 * });
 */
export function writeSearchResponse(response: WrittenSearchResponse): string {
  return `{"correlation_id":${quote(response.correlation_id)}\
,"search_response":[${response.items.map(writeSearchItem).join(',')}]\
,"transaction_id":${quote(response.transaction_id)}}`;
}

/** The answer to who asks what became of a request, before it is text. */
export interface WrittenTxnStatus {
  readonly transaction_id: string;
  readonly correlation_id: string;
  readonly txn_type: TxnType;
  /** The state as canonical text: the message with which the request is answered. */
  readonly stateText: string;
}

/**
 * The message of `txn-on-status` as canonical text.
 *
 * Source: `TxnStatusResponse` of the SPDCI OpenAPI 1.0.0; RFC 8785.
 *
 * @example
 * const stateText = writeSearchResponse({ transaction_id: 't-1', correlation_id: 'c-1', items: [] });
 * writeTxnStatusResponse({ transaction_id: 't-2', correlation_id: 'c-2', txn_type: 'search', stateText });
 */
export function writeTxnStatusResponse({ transaction_id, correlation_id, txn_type, stateText }: WrittenTxnStatus): string {
  return `{"correlation_id":${quote(correlation_id)}\
,"transaction_id":${quote(transaction_id)}\
,"txnstatus_response":{"txn_status":${stateText},"txn_type":${quote(txn_type)}}}`;
}

function writeSearchItem(item: WrittenSearchItem): string {
  return `{${item.records === undefined ? '' : `"data":${writeData(item, item.records)},`}\
${item.locale === undefined ? '' : `"locale":${quote(item.locale)},`}\
${item.pagination === undefined ? '' : `"pagination":${writePageInfo(item.pagination)},`}\
"reference_id":${quote(item.reference_id)}\
,"status":${quote(item.status)}\
${optional('status_reason_code', item.status_reason_code)}\
${optional('status_reason_message', cutReason(item.status_reason_message))}\
,"timestamp":${quote(item.timestamp)}}`;
}

function writeData(item: WrittenSearchItem, records: readonly string[]): string {
  const recordType = item.reg_record_type === undefined ? '' : `"reg_record_type":${quote(item.reg_record_type)},`;
  return `{${recordType}"reg_records":[${records.join(',')}]${optional('reg_type', item.reg_type)},"version":"${PROTOCOL_VERSION}"}`;
}

function writePageInfo(page: PageInfo): string {
  const cursor = page.next_cursor === undefined ? '' : `"next_cursor":${quote(page.next_cursor)},`;
  return `{${cursor}"page_number":${page.page_number},"page_size":${page.page_size},"total_count":${page.total_count}}`;
}

/**
 * What a signature covers, from the canonical texts of header and message.
 *
 * @example
 * signedContent('{"action":"on-search"}', '{"search_response":[]}'); // {"header":{…},"message":{…}}
 */
export function signedContent(headerText: string, messageText?: string): string {
  return messageText === undefined ? `{"header":${headerText}}` : `{"header":${headerText},"message":${messageText}}`;
}

/**
 * A whole envelope: the text that was signed, as `signedContent` writes it, and the signature.
 *
 * @example
 * writeSignedEnvelope(signedContent('{"action":"on-search"}'), 'namespace="dci", …'); // {"header":{…},"signature":"…"}
 */
export function writeSignedEnvelope(content: string, signature: string): string {
  return `${content.slice(0, -1)},"signature":${quote(signature)}}`;
}

/**
 * A reason for people, made to fit: at most 999 characters, whole ones.
 *
 * @example
 * cutReason('attribute "agee" is not searchable'); // the same text
 */
export function cutReason(message: string): string;
export function cutReason(message: string | undefined): string | undefined;
export function cutReason(message: string | undefined): string | undefined {
  if (message === undefined) return undefined;
  const wellFormed = message.toWellFormed();
  if (wellFormed.length <= REASON_MESSAGE_LENGTH) return wellFormed;
  return Array.from(wellFormed).slice(0, REASON_MESSAGE_LENGTH).join('');
}

function optional(name: string, value: string | undefined): string {
  return value === undefined ? '' : `,"${name}":${quote(value)}`;
}
