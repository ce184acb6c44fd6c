import { type Static, Type } from 'typebox';
import { ERROR_CODES } from './codes.ts';
import { WrittenCallbackHeader } from './envelope.ts';
import { ReasonMessage, ShortId, Timestamp } from './formats.ts';
import { compileParser } from './message-parser.ts';

/** The unsigned bodies that a message is answered with before it is understood, or instead of being understood. */

/** `ACK`: taken, a callback follows. `NACK`: taken, none follows. `ERR`: not taken. */
export const ACK_STATUSES = ['ACK', 'NACK', 'ERR'] as const;
export type AckStatus = (typeof ACK_STATUSES)[number];

/**
 * Why a message was not taken.
 *
 * Source: `Error` of the SPDCI OpenAPI 1.0.0.
 *
 * @example
 * const fault: MessageFault = { code: 'err.request.bad', message: 'header is missing' };
 */
export type MessageFault = Static<typeof MessageFault>;
export const MessageFault = Type.Object({
  code: Type.Optional(Type.Enum(ERROR_CODES)),
  message: Type.Optional(ReasonMessage),
});

/**
 * The answer to an asynchronous message: taken or not, and the id under which it goes on.
 *
 * Source: `responses.Response` of the SPDCI OpenAPI 1.0.0.
 *
 * @example
 * const ack: Acknowledgement = {
 *   message: { ack_status: 'ACK', timestamp: '2024-01-15T10:30:00Z', correlation_id: 'c-1' },
 * };
 */
export type Acknowledgement = Static<typeof Acknowledgement>;
export const Acknowledgement = Type.Object({
  message: Type.Optional(
    Type.Object({
      ack_status: Type.Enum(ACK_STATUSES),
      timestamp: Timestamp,
      correlation_id: ShortId,
      error: Type.Optional(MessageFault),
    }),
  ),
});

/** What went wrong in transport, in words of the server's own. */
export const TransportFaults = Type.Array(Type.Object({ code: Type.String(), message: Type.String() }));

/**
 * The body of every HTTP error outside `sync`: at once the standard's transport error and its acknowledgement.
 *
 * Source: `responses.HttpErrorResponse` and `responses.Response` of the SPDCI OpenAPI 1.0.0.
 *
 * @example
 * const refusal: TransportRefusal = {
 *   errors: [{ code: 'err.request.unauthorized', message: 'the token has expired' }],
 *   message: {
 *     ack_status: 'ERR',
 *     timestamp: '2024-01-15T10:30:00Z',
 *     correlation_id: 'c-1',
 *     error: { code: 'err.request.unauthorized', message: 'the token has expired' },
 *   },
 * };
 */
export type TransportRefusal = Static<typeof TransportRefusal>;
export const TransportRefusal = Type.Object({
  errors: TransportFaults,
  message: Type.Object({
    ack_status: Type.Enum(['ERR']),
    timestamp: Timestamp,
    correlation_id: ShortId,
    error: Type.Required(MessageFault),
  }),
});

/**
 * The body of a refused synchronous message: an envelope without `message`, because the published answer has no other form.
 *
 * Source: answers of `sync/*` in the SPDCI OpenAPI 1.0.0.
 *
 * @example
 * const refusal: SyncRefusal = {
 *   signature: 'namespace="dci", …',
 *   header: {
 *     message_id: '789', message_ts: '2024-01-15T10:30:00Z', action: 'on-search', status: 'rjct',
 *     total_count: 0, completed_count: 0, sender_id: 'social.example.org', receiver_id: 'spmis.example.org',
 *   },
 *   errors: [{ code: 'err.request.bad', message: 'header is missing' }],
 *   error: { code: 'err.request.bad', message: 'header is missing' },
 * };
 */
export type SyncRefusal = Static<typeof SyncRefusal>;
export const SyncRefusal = Type.Object({
  signature: Type.Optional(Type.String()),
  header: WrittenCallbackHeader,
  errors: TransportFaults,
  error: Type.Required(MessageFault),
});

/**
 * The answer to a subscribe request: the standard's acknowledgement and a signed envelope with the code in one body.
 * Without a code every item was refused; the callback says why.
 *
 * Source: `responses.Response` of the SPDCI OpenAPI 1.0.0; the envelope is the form OpenSPP's server answers in.
 *
 * @example
 * ack.message.subscription_code; // 'sub-1'
 */
export type SubscribeAcknowledgement = Static<typeof SubscribeAcknowledgement>;
export const SubscribeAcknowledgement = Type.Object({
  signature: Type.String(),
  header: WrittenCallbackHeader,
  message: Type.Object({
    ack_status: Type.Enum(['ACK']),
    timestamp: Timestamp,
    correlation_id: ShortId,
    subscription_code: Type.Optional(ShortId),
    subscription_codes: Type.Optional(Type.Array(ShortId)),
    expires: Type.Optional(Timestamp),
  }),
});

/**
 * Reads the answer to an asynchronous message. Members beyond the standard's, such as a signature, are left alone.
 *
 * @throws DciError `err.request.bad` with the RFC 6901 pointer of the first fault
 *
 * @example
 * parseAcknowledgement(await response.json()).message?.ack_status === 'ACK';
 */
export const parseAcknowledgement: (body: unknown) => Acknowledgement = compileParser(Acknowledgement, '');
