import { type Static, Type } from 'typebox';
import { REQUEST_STATUSES, UNSUBSCRIBE_REASON_CODES } from '../codes.ts';
import { ReasonMessage, ShortId, Timestamp } from '../formats.ts';
import { compileParser } from '../message-parser.ts';
import { SUBSCRIPTION_STATUSES } from '../subscription.ts';

/** `unsubscribe` and `on-unsubscribe`: which subscriptions end, and which ended. */

/**
 * The message of an unsubscribe request.
 *
 * Source: `UnSubscribeRequest` of the SPDCI OpenAPI 1.0.0.
 *
 * @example
 * const request: UnsubscribeRequest = {
 *   transaction_id: 't-1', timestamp: '2024-01-15T10:30:00Z', subscription_codes: ['sub-1'],
 * };
 */
export type UnsubscribeRequest = Static<typeof UnsubscribeRequest>;
export const UnsubscribeRequest = Type.Object({
  transaction_id: ShortId,
  timestamp: Timestamp,
  subscription_codes: Type.Array(ShortId),
});

/**
 * Reads the message of an unsubscribe request.
 *
 * @throws DciError `err.request.bad` with the RFC 6901 pointer of the first fault, from `/message`
 *
 * @example
 * const { subscription_codes } = parseUnsubscribeRequest(envelope.message);
 */
export const parseUnsubscribeRequest: (message: unknown) => UnsubscribeRequest = compileParser(UnsubscribeRequest, '/message');

/**
 * The message of `on-unsubscribe`: one status for the request, one for each code.
 *
 * Source: `UnSubscribeResponse` of the SPDCI OpenAPI 1.0.0.
 *
 * @example
 * const response: UnsubscribeResponse = {
 *   transaction_id: 't-1', correlation_id: 'c-1', timestamp: '2024-01-15T10:30:01Z', status: 'succ',
 *   subscription_status: [{ code: 'sub-1', status: 'unsubscribe' }],
 * };
 */
export type UnsubscribeResponse = Static<typeof UnsubscribeResponse>;
export const UnsubscribeResponse = Type.Object({
  transaction_id: ShortId,
  correlation_id: ShortId,
  timestamp: Timestamp,
  status: Type.Enum(REQUEST_STATUSES),
  status_reason_code: Type.Optional(Type.Enum(UNSUBSCRIBE_REASON_CODES)),
  status_reason_message: Type.Optional(ReasonMessage),
  subscription_status: Type.Optional(Type.Array(Type.Object({ code: ShortId, status: Type.Enum(SUBSCRIPTION_STATUSES) }))),
});

/**
 * Reads the message of `on-unsubscribe`.
 *
 * @throws DciError `err.request.bad` with the RFC 6901 pointer of the first fault, from `/message`
 *
 * @example
 * const { subscription_status } = parseUnsubscribeResponse(envelope.message);
 */
export const parseUnsubscribeResponse: (message: unknown) => UnsubscribeResponse = compileParser(UnsubscribeResponse, '/message');
