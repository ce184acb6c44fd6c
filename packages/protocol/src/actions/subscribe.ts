import { type Static, Type } from 'typebox';
import { REQUEST_STATUSES, SUBSCRIBE_REASON_CODES } from '../codes.ts';
import { Locale, OpenObject, ReasonMessage, ShortId, Timestamp } from '../formats.ts';
import { compileParser } from '../message-parser.ts';
import { QUERY_TYPES, Query } from '../query.ts';
import { SubscriptionInfo } from '../subscription.ts';
import { PageInfo } from './search.ts';
import { AskedItem } from './item.ts';

/** `subscribe` and `on-subscribe`: which events a partner wants to be told of, and what came of asking. */

/**
 * When events are to be told. `end_time` is required as published and may be absent here: then the subscription has no end.
 * `frequency` is a cron expression, or `immediate`, `hourly`, `daily`, `weekly`.
 *
 * Source: `SubscriptionInfo.frequency` of the SPDCI OpenAPI 1.0.0.
 *
 * @example
 * const frequency: RequestedFrequency = { start_time: '2024-01-01T00:00:00Z', frequency: 'daily' };
 */
export type RequestedFrequency = Static<typeof RequestedFrequency>;
export const RequestedFrequency = Type.Object({
  start_time: Timestamp,
  end_time: Type.Optional(Timestamp),
  frequency: Type.String({ description: 'a cron expression' }),
});

/**
 * What one item of a subscribe request asks to be told of. `{type: '*', value: '*'}` as filter means every record of the type.
 *
 * Source: `SubscribeRequest…subscribe_criteria` of the SPDCI OpenAPI 1.0.0.
 *
 * @example
 * const criteria: SubscribeCriteria = {
 *   reg_event_type: 'REGISTER', filter_type: 'idtype-value', filter: { type: '*', value: '*' }, notify_record_type: 'SRPerson',
 * };
 */
export type SubscribeCriteria = Static<typeof SubscribeCriteria>;
export const SubscribeCriteria = Type.Object({
  version: Type.Optional(Type.String()),
  reg_type: Type.Optional(Type.String()),
  reg_event_type: Type.String(),
  frequency: Type.Optional(RequestedFrequency),
  filter_type: Type.Optional(Type.Enum(QUERY_TYPES)),
  filter: Query,
  notify_record_type: Type.String(),
  authorize: Type.Optional(OpenObject),
});

/** One item of a subscribe request. */
export type SubscribeItem = Static<typeof SubscribeItem>;
export const SubscribeItem = Type.Object({
  ...AskedItem,
  subscribe_criteria: SubscribeCriteria,
});

/**
 * The message of a subscribe request.
 *
 * Source: `SubscribeRequest` of the SPDCI OpenAPI 1.0.0.
 *
 * @example
 * const request: SubscribeRequest = { transaction_id: 't-1', subscribe_request: [] };
 */
export type SubscribeRequest = Static<typeof SubscribeRequest>;
export const SubscribeRequest = Type.Object({
  transaction_id: ShortId,
  subscribe_request: Type.Array(SubscribeItem),
});

/** A request for one subscription, written without the list: its criteria stand in the message itself. */
const SubscribeShorthand = Type.Object({
  transaction_id: ShortId,
  reference_id: Type.Optional(Type.String()),
  timestamp: Type.Optional(Timestamp),
  subscribe_criteria: SubscribeCriteria,
  locale: Type.Optional(Locale),
});

const parseList = compileParser(SubscribeRequest, '/message');
const parseShorthand = compileParser(SubscribeShorthand, '/message');

/**
 * Reads the message of a subscribe request. The shorthand with `subscribe_criteria` in the message itself becomes a list
 * of one: its `reference_id` is the transaction's id and its `timestamp` the header's where it has none of its own.
 *
 * @param message the decrypted `message` of an envelope; it is not changed
 * @param messageTs `message_ts` of the header
 * @throws DciError `err.request.bad` with the RFC 6901 pointer of the first fault, from `/message`
 *
 * @example
 * parseSubscribeRequest(envelope.message, envelope.header.message_ts).subscribe_request.length;
 */
export function parseSubscribeRequest(message: unknown, messageTs: string): SubscribeRequest {
  if (!isShorthand(message)) return parseList(message);
  const { transaction_id, reference_id, timestamp, subscribe_criteria, locale } = parseShorthand(message);
  const item: SubscribeItem = {
    reference_id: reference_id ?? transaction_id,
    timestamp: timestamp ?? messageTs,
    subscribe_criteria,
    ...(locale === undefined ? {} : { locale }),
  };
  return { transaction_id, subscribe_request: [item] };
}

function isShorthand(message: unknown): boolean {
  return typeof message === 'object' && message !== null && 'subscribe_criteria' in message && !('subscribe_request' in message);
}

/** What came of one item of a subscribe request: the subscription with `succ`, a reason with `rjct`. */
export type SubscribeResponseItem = Static<typeof SubscribeResponseItem>;
export const SubscribeResponseItem = Type.Object({
  reference_id: Type.String(),
  timestamp: Timestamp,
  status: Type.Enum(REQUEST_STATUSES),
  status_reason_code: Type.Optional(Type.Enum(SUBSCRIBE_REASON_CODES)),
  status_reason_message: Type.Optional(ReasonMessage),
  subscriptions: Type.Optional(Type.Array(SubscriptionInfo)),
  pagination: Type.Optional(PageInfo),
  locale: Type.Optional(Locale),
});

/**
 * The message of `on-subscribe`.
 *
 * Source: `SubscribeResponse` of the SPDCI OpenAPI 1.0.0.
 *
 * @example
 * const response: SubscribeResponse = { transaction_id: 't-1', correlation_id: 'c-1', subscribe_response: [] };
 */
export type SubscribeResponse = Static<typeof SubscribeResponse>;
export const SubscribeResponse = Type.Object({
  transaction_id: ShortId,
  correlation_id: ShortId,
  subscribe_response: Type.Array(SubscribeResponseItem),
});

/**
 * Reads the message of `on-subscribe`.
 *
 * @throws DciError `err.request.bad` with the RFC 6901 pointer of the first fault, from `/message`
 *
 * @example
 * const { subscribe_response } = parseSubscribeResponse(envelope.message);
 */
export const parseSubscribeResponse: (message: unknown) => SubscribeResponse = compileParser(SubscribeResponse, '/message');
