/**
 * The closed lists of codes of the standard: what a refusal may be called, at each level of a message.
 * Source: SPDCI OpenAPI 1.0.0, schemas `Error`, `MsgHeaderStatusReasonCode`, `SearchStatusReasonCode`,
 * `SubscribeStatusReasonCode`, `UnSubscribeStatusReasonCode`.
 */

/** Codes of a message that could not be taken at all (`Error.code`), carried by an HTTP error or an `ERR` acknowledgement. */
export const ERROR_CODES = [
  'err.request.bad',
  'err.request.unauthorized',
  'err.request.forbidden',
  'err.request.not_found',
  'err.request.timeout',
  'err.version.not_supported',
  'err.request.too_many_requests',
  'err.sender_id.invalid',
  'err.sender_uri.invalid',
  'err.receiver_id.invalid',
  'err.signature.missing',
  'err.signature.invalid',
  'err.encryption.invalid',
  'err.service.unavailable',
] as const;

/** Faults of a header (`status_reason_code` of a callback header), judged once the signature is known to be good. */
export const HEADER_REASON_CODES = [
  'rjct.version.invalid',
  'rjct.message_id.duplicate',
  'rjct.message_ts.invalid',
  'rjct.action.invalid',
  'rjct.action.not_supported',
  'rjct.total_count.invalid',
  'rjct.total_count.limit_exceeded',
  'rjct.errors.too_many',
] as const;

/** Reasons for which one item of a search is refused while the others are served. */
export const SEARCH_REASON_CODES = [
  'rjct.reference_id.invalid',
  'rjct.reference_id.duplicate',
  'rjct.timestamp.invalid',
  'rjct.search_criteria.invalid',
  'rjct.filter.invalid',
  'rjct.sort.invalid',
  'rjct.pagination.invalid',
  'rjct.search.too_many_records_found',
] as const;

/** Reasons for which one item of a subscribe request is refused. */
export const SUBSCRIBE_REASON_CODES = [
  'rjct.reference_id.invalid',
  'rjct.reference_id.duplicate',
  'rjct.timestamp.invalid',
  'rjct.notify_types.invalid',
  'rjct.notify_details.invalid',
  'rjct.person_id.invalid',
  'rjct.event.already_subscribed',
] as const;

/** Reasons for which an unsubscribe request is refused. */
export const UNSUBSCRIBE_REASON_CODES = [
  'rjct.reference_id.invalid',
  'rjct.reference_id.duplicate',
  'rjct.timestamp.invalid',
  'rjct.subscription_code.invalid',
  'rjct.requester.invalid',
  'rjct.event.already_unsubscribed',
] as const;

/** Status of a request or of one of its items. */
export const REQUEST_STATUSES = ['rcvd', 'pdng', 'succ', 'rjct'] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];
export type HeaderReasonCode = (typeof HEADER_REASON_CODES)[number];
export type SearchReasonCode = (typeof SEARCH_REASON_CODES)[number];
export type SubscribeReasonCode = (typeof SUBSCRIBE_REASON_CODES)[number];
export type UnsubscribeReasonCode = (typeof UNSUBSCRIBE_REASON_CODES)[number];
export type ReasonCode = HeaderReasonCode | SearchReasonCode | SubscribeReasonCode | UnsubscribeReasonCode;
export type RequestStatus = (typeof REQUEST_STATUSES)[number];
