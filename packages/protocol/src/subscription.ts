import { type Static, Type } from 'typebox';
import { Locale, OpenObject, ShortId, Timestamp } from './formats.ts';
import { PREDICATE_CONDITIONS, QUERY_TYPES } from './query.ts';

/** A subscription as the registry tells of it: its code, whether it is in force, and what it was made with. */

/** Whether a subscription is in force. */
export const SUBSCRIPTION_STATUSES = ['subscribe', 'unsubscribe'] as const;
export type SubscriptionStatus = (typeof SUBSCRIPTION_STATUSES)[number];

/**
 * When subscribed events are told: bounds of the subscription's life, and a cron expression.
 *
 * Source: `SubscriptionInfo.frequency` of the SPDCI OpenAPI 1.0.0.
 *
 * @example
 * const frequency: EventFrequency = {
 *   start_time: '2024-01-01T00:00:00Z', end_time: '2025-01-01T00:00:00Z', frequency: '0 0 0 5,15 * ? *',
 * };
 */
export type EventFrequency = Static<typeof EventFrequency>;
export const EventFrequency = Type.Object({
  start_time: Timestamp,
  end_time: Timestamp,
  frequency: Type.String({ description: 'a cron expression' }),
});

/** What the published schema lets a value be. It says `oneOf` integer and number, so that an integer is both and refused. */
const PublishedValue = Type.Union(
  [Type.String(), Type.Unsafe<number>({ type: 'number', not: { type: 'integer' } }), Type.Boolean(), OpenObject],
  { description: 'a string, fraction, boolean or object' },
);

const PublishedExpression = Type.Object({
  attribute_name: Type.String(),
  operator: Type.Enum(['gt', 'lt', 'eq', 'ge', 'le', 'in']),
  attribute_value: PublishedValue,
});

/** A filter exactly as published: narrower than what is read in a request. */
const PublishedFilter = Type.Union(
  [
    Type.Object({ type: Type.Optional(Type.String()), value: Type.Optional(PublishedValue) }),
    Type.Array(
      Type.Object({
        seq_num: Type.Optional(Type.Number()),
        expression1: PublishedExpression,
        condition: Type.Optional(Type.Enum(PREDICATE_CONDITIONS)),
        expression2: Type.Optional(PublishedExpression),
      }),
    ),
  ],
  { description: 'an object, or a list of predicate rows' },
);

/**
 * A subscription as told to its subscriber. What cannot be said in the published form (a filter with integers or lists,
 * a frequency without end) is left out: only `code`, `status` and `timestamp` must be there.
 *
 * Source: `SubscriptionInfo` of the SPDCI OpenAPI 1.0.0.
 *
 * @example
 * const info: SubscriptionInfo = { code: 'sub-1', status: 'subscribe', timestamp: '2024-01-15T10:30:00Z' };
 */
export type SubscriptionInfo = Static<typeof SubscriptionInfo>;
export const SubscriptionInfo = Type.Object({
  version: Type.Optional(Type.String()),
  code: ShortId,
  status: Type.Enum(SUBSCRIPTION_STATUSES),
  timestamp: Timestamp,
  reg_type: Type.Optional(Type.String()),
  reg_event_type: Type.Optional(Type.String()),
  frequency: Type.Optional(EventFrequency),
  filter_type: Type.Optional(Type.Enum(QUERY_TYPES)),
  filter: Type.Optional(PublishedFilter),
  notify_record_type: Type.Optional(Type.String()),
  locale: Type.Optional(Locale),
});
