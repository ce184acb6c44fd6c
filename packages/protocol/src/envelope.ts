import { type Static, Type } from 'typebox';
import { HEADER_REASON_CODES, REQUEST_STATUSES } from './codes.ts';
import { Count, OpenObject, ReasonMessage, Timestamp } from './formats.ts';
import { compileParser } from './message-parser.ts';

/**
 * The envelope that every message travels in: `{signature?, header, message?}`. Only its form is judged here; whether
 * the header is true (sender, receiver, time, action, count) and what the message means is for those who come after.
 */

/** The version of the protocol that is spoken, and that an absent `version` means. */
export const PROTOCOL_VERSION = '1.0.0';

const MessageId = Type.String({ minLength: 1, maxLength: 255, description: 'an id of 1 to 255 characters' });
const TotalCount = Type.Integer({ description: 'a whole number' });

/**
 * Header of a request, and of the callbacks `on-subscribe` and `on-unsubscribe`.
 *
 * Shapes: `message_ts` ISO 8601 with a zone; `total_count` the number of items in the message; `sender_uri` where callbacks go.
 * Source: `MsgHeader_V1.0.0` of the SPDCI OpenAPI 1.0.0.
 *
 * @example
 * const header: RequestHeader = {
 *   message_id: '123', message_ts: '2024-01-15T10:30:00Z', action: 'search', sender_id: 'spmis.example.org', total_count: 1,
 * };
 */
export type RequestHeader = Static<typeof RequestHeader>;
export const RequestHeader = Type.Object({
  version: Type.Optional(Type.String()),
  message_id: MessageId,
  message_ts: Timestamp,
  action: Type.String(),
  sender_id: Type.String(),
  sender_uri: Type.Optional(Type.String({ format: 'uri', description: 'a URI' })),
  receiver_id: Type.Optional(Type.String()),
  total_count: TotalCount,
  is_msg_encrypted: Type.Optional(Type.Boolean()),
  meta: Type.Optional(OpenObject),
});

/**
 * Header of an answer or a callback; `sender_id` and `receiver_id` are those of the request, swapped.
 *
 * Source: `MsgCallbackHeader_V1.0.0` of the SPDCI OpenAPI 1.0.0. Read as published, except that `status` may be absent
 * (`on-subscribe` and `on-unsubscribe` are published without it). Written complete, by `writeCallbackHeader`.
 *
 * @example
 * const header: CallbackHeader = {
 *   message_id: '789', message_ts: '2024-01-15T10:30:00Z', action: 'on-search', status: 'succ',
 * };
 */
export type CallbackHeader = Static<typeof CallbackHeader>;
export const CallbackHeader = Type.Object({
  version: Type.Optional(Type.String()),
  message_id: MessageId,
  message_ts: Timestamp,
  action: Type.String(),
  status: Type.Optional(Type.Enum(REQUEST_STATUSES)),
  status_reason_code: Type.Optional(Type.Enum(HEADER_REASON_CODES)),
  status_reason_message: Type.Optional(ReasonMessage),
  total_count: Type.Optional(TotalCount),
  completed_count: Type.Optional(TotalCount),
  sender_id: Type.Optional(Type.String()),
  receiver_id: Type.Optional(Type.String()),
  is_msg_encrypted: Type.Optional(Type.Boolean()),
  meta: Type.Optional(OpenObject),
});

/**
 * A callback header as it is written: complete, where the published schema would let members be left out.
 *
 * Shapes: `version` is 1.0.0 and `is_msg_encrypted` false where absent; the counts are of items, in all and answered.
 *
 * @example
 * const header: WrittenCallbackHeader = {
 *   message_id: '789', message_ts: '2024-01-15T10:30:00Z', action: 'on-search', status: 'succ',
 *   total_count: 1, completed_count: 1, sender_id: 'social.example.org', receiver_id: 'spmis.example.org',
 * };
 */
export type WrittenCallbackHeader = Static<typeof WrittenCallbackHeader>;
export const WrittenCallbackHeader = Type.Object({
  ...CallbackHeader.properties,
  status: Type.Enum(REQUEST_STATUSES),
  total_count: Count,
  completed_count: Count,
  sender_id: Type.String(),
  receiver_id: Type.String(),
});

/**
 * A message whose payload is encrypted: flattened JWE with an unprotected header.
 *
 * Shapes: all but `header` base64url. Source: `EncryptedMessage` of the SPDCI OpenAPI 1.0.0; RFC 7516 section 7.2.2, of
 * which `protected` and `aad` are read as well: a key agreed by ECDH-ES has its ephemeral half in `protected`.
 *
 * @example
 * const message: EncryptedMessage = {
 *   header: { alg: 'RSA-OAEP-256', enc: 'A256GCM', kid: 'enc-1' },
 *   encrypted_key: 'OKOawDo13gRp', iv: '48V1_ALb6US04U3b', ciphertext: '5eym8TW_c8SuK0lt', tag: 'XFBoMYUZodetZdvT',
 * };
 */
export type EncryptedMessage = Static<typeof EncryptedMessage>;
export const EncryptedMessage = Type.Object({
  header: Type.Object({ alg: Type.String(), enc: Type.String(), kid: Type.String() }),
  ciphertext: Type.String(),
  encrypted_key: Type.String(),
  tag: Type.String(),
  iv: Type.String(),
  protected: Type.Optional(Type.String()),
  aad: Type.Optional(Type.String()),
});

/**
 * A request as received: the form of envelope and header is right, nothing else is known about it.
 *
 * Source: request bodies of the SPDCI OpenAPI 1.0.0.
 *
 * @example
 * const envelope: Envelope = parseEnvelope(JSON.parse(body));
 */
export type Envelope = Static<typeof Envelope>;
export const Envelope = Type.Object({
  signature: Type.Optional(Type.String()),
  header: RequestHeader,
  message: OpenObject,
});

/**
 * An answer or a callback as received; a refused one has no `message`.
 *
 * Source: callback bodies and `sync` answers of the SPDCI OpenAPI 1.0.0.
 *
 * @example
 * const envelope: CallbackEnvelope = parseCallbackEnvelope(JSON.parse(body));
 */
export type CallbackEnvelope = Static<typeof CallbackEnvelope>;
export const CallbackEnvelope = Type.Object({
  signature: Type.Optional(Type.String()),
  header: CallbackHeader,
  message: Type.Optional(OpenObject),
});

/**
 * Reads a request's envelope.
 *
 * @param value the parsed JSON of the body
 * @returns the same value, typed; its members are neither completed nor removed, so that a signature still fits it
 * @throws DciError `err.request.bad` with the RFC 6901 pointer of the first fault
 *
 * @example
 * const { header } = parseEnvelope({
 *   header: { message_id: '1', message_ts: '2024-01-15T10:30:00Z', action: 'search', sender_id: 'a', total_count: 0 },
 *   message: { transaction_id: 't', search_request: [] },
 * });
 */
export const parseEnvelope: (value: unknown) => Envelope = compileParser(Envelope, '');

/**
 * Reads the envelope of an answer or a callback.
 *
 * @throws DciError `err.request.bad` with the RFC 6901 pointer of the first fault
 *
 * @example
 * const { header } = parseCallbackEnvelope({
 *   header: { message_id: '2', message_ts: '2024-01-15T10:30:01Z', action: 'on-search', status: 'succ' },
 * });
 */
export const parseCallbackEnvelope: (value: unknown) => CallbackEnvelope = compileParser(CallbackEnvelope, '');

/**
 * Reads an encrypted message.
 *
 * @throws DciError `err.request.bad` with the RFC 6901 pointer of the first fault, from `/message`
 *
 * @example
 * if (header.is_msg_encrypted) decrypt(parseEncryptedMessage(envelope.message));
 */
export const parseEncryptedMessage: (message: unknown) => EncryptedMessage = compileParser(EncryptedMessage, '/message');
