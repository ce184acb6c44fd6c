import { type Static, Type } from 'typebox';
import { Locale, OpenObject, ShortId, Timestamp } from '../formats.ts';
import { compileParser } from '../message-parser.ts';

/** `notify`: a registry tells a subscriber what happened. */

/**
 * One event. `reg_records` is one record or a list, as the registry's schema says; `reg_event_type` is left out when that
 * schema does not know the event, which then stands in `header.meta.event_type`.
 *
 * Source: `NotifyEventRequest…notify_event` of the SPDCI OpenAPI 1.0.0.
 *
 * @example
 * const event: NotifyEvent = {
 *   reference_id: '1',
 *   timestamp: '2024-01-15T10:30:00Z',
 *   data: { reg_event_type: 'REGISTER', reg_record_type: 'SRPerson', reg_records: { '@type': 'SRPerson' } },
 * };
 */
export type NotifyEvent = Static<typeof NotifyEvent>;
export const NotifyEvent = Type.Object({
  reference_id: Type.String(),
  timestamp: Timestamp,
  data: Type.Object({
    version: Type.Optional(Type.String()),
    reg_type: Type.Optional(Type.String()),
    reg_event_type: Type.Optional(Type.String()),
    reg_record_type: Type.String(),
    reg_records: Type.Union([OpenObject, Type.Array(OpenObject)], { description: 'a record, or a list of records' }),
  }),
  locale: Type.Optional(Locale),
});

/**
 * The message of a notification.
 *
 * Source: `NotifyEventRequest` of the SPDCI OpenAPI 1.0.0.
 *
 * @example
 * const request: NotifyRequest = { transaction_id: 't-1', notify_event: [] };
 */
export type NotifyRequest = Static<typeof NotifyRequest>;
export const NotifyRequest = Type.Object({
  transaction_id: ShortId,
  notify_event: Type.Array(NotifyEvent),
});

/**
 * Reads the message of a notification, of any registry.
 *
 * @throws DciError `err.request.bad` with the RFC 6901 pointer of the first fault, from `/message`
 *
 * @example
 * for (const event of parseNotifyRequest(envelope.message).notify_event) keep(event);
 */
export const parseNotifyRequest: (message: unknown) => NotifyRequest = compileParser(NotifyRequest, '/message');
