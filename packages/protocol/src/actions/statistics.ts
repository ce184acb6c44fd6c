import { type Static, Type } from 'typebox';
import { Count, OpenObject, ShortId, Timestamp } from '../formats.ts';
import { compileParser } from '../message-parser.ts';
import { QUERY_TYPES, Query } from '../query.ts';
import { AnsweredItem, AskedItem } from './item.ts';

/**
 * `statistics` and `on-statistics`: how many records there are, and how they are distributed. This project's extension:
 * the standard has no such action. Messages are built like those of a search.
 */

/** Most dimensions that one item may name. */
export const MOST_STATISTICS_DIMENSIONS = 3;

/**
 * What one item of a request for statistics asks: the records of a query, counted by dimensions. `{type: '*', value: '*'}`
 * is the query for every record that the asker may see; there is no default.
 *
 * Shapes: `dimensions` are names of the registry's profile; `response_entity` and `reg_record_type` as in a search.
 *
 * @example
 * const criteria: StatisticsCriteria = {
 *   reg_record_type: 'SRPerson', dimensions: ['district', 'sex'], query_type: 'idtype-value', query: { type: '*', value: '*' },
 * };
 */
export type StatisticsCriteria = Static<typeof StatisticsCriteria>;
export const StatisticsCriteria = Type.Object(
  {
    version: Type.Optional(Type.String()),
    reg_type: Type.Optional(Type.String()),
    reg_record_type: Type.Optional(Type.String()),
    response_entity: Type.Optional(Type.String()),
    dimensions: Type.Array(Type.String(), { maxItems: MOST_STATISTICS_DIMENSIONS }),
    query_type: Type.Enum(QUERY_TYPES),
    query: Query,
    consent: Type.Optional(OpenObject),
    authorize: Type.Optional(OpenObject),
  },
  { additionalProperties: false },
);

/**
 * One item of a request for statistics.
 *
 * @example
 * const item: StatisticsItem = {
 *   reference_id: '1',
 *   timestamp: '2024-01-15T10:30:00Z',
 *   statistics_criteria: { dimensions: ['sex'], query_type: 'idtype-value', query: { type: '*', value: '*' } },
 * };
 */
export type StatisticsItem = Static<typeof StatisticsItem>;
export const StatisticsItem = Type.Object({
  ...AskedItem,
  statistics_criteria: StatisticsCriteria,
});

/**
 * The message of `statistics`.
 *
 * @example
 * const request: StatisticsRequest = { transaction_id: 't-1', statistics_request: [] };
 */
export type StatisticsRequest = Static<typeof StatisticsRequest>;
export const StatisticsRequest = Type.Object({
  transaction_id: ShortId,
  statistics_request: Type.Array(StatisticsItem),
});

/**
 * Reads the message of `statistics`.
 *
 * @param message the decrypted `message` of an envelope; it is not changed
 * @throws DciError `err.request.bad` with the RFC 6901 pointer of the first fault, from `/message`
 *
 * @example
 * const { statistics_request } = parseStatisticsRequest(envelope.message);
 */
export const parseStatisticsRequest: (message: unknown) => StatisticsRequest = compileParser(StatisticsRequest, '/message');

const Told = {
  count: Count,
  accuracy: { ...Count, description: 'how far the records counted may be from the count, in either direction' },
};

/**
 * One row: the records that share these values. A value is null where records do not state it.
 *
 * @example
 * const row: StatisticsRow = { values: { region: 'XZ-03', district: 'XZ-0302', sex: 'female' }, count: 4210, accuracy: 3 };
 */
export type StatisticsRow = Static<typeof StatisticsRow>;
export const StatisticsRow = Type.Object({
  values: Type.Record(Type.String(), Type.Union([Type.String(), Type.Null()], { description: 'a string, or null where it is not stated' })),
  ...Told,
});

/**
 * What is told. Rows that are not there hold fewer records than the threshold or a few more, or none, or were left out so
 * that such rows cannot be worked out.
 *
 * @example
 * const statistics: Statistics = {
 *   reg_type: 'ns:org:RegistryType:Social', reg_record_type: 'SRPerson', dimensions: ['sex'],
 *   rows: [{ values: { sex: 'female' }, count: 51230, accuracy: 3 }, { values: { sex: 'male' }, count: 48771, accuracy: 3 }],
 *   total: { count: 100003, accuracy: 3 }, threshold: 10, as_of: '2024-01-15T10:30:00Z',
 * };
 */
export type Statistics = Static<typeof Statistics>;
export const Statistics = Type.Object({
  reg_type: Type.String(),
  reg_record_type: Type.String(),
  dimensions: Type.Array(Type.String(), { description: 'those asked for, and those in which they lie' }),
  rows: Type.Array(StatisticsRow),
  total: Type.Union([Type.Object(Told), Type.Object({ suppressed: Type.Literal(true) })], {
    description: 'of all records that the query finds, or that it is not told',
  }),
  threshold: { ...Count, description: 'fewer records are not told together' },
  as_of: Timestamp,
});

/**
 * The answer to one item: statistics with `succ`, a reason with `rjct`.
 *
 * @example
 * const item: StatisticsResponseItem = {
 *   reference_id: '1', timestamp: '2024-01-15T10:30:01Z', status: 'rjct', status_reason_code: 'rjct.filter.invalid',
 * };
 */
export type StatisticsResponseItem = Static<typeof StatisticsResponseItem>;
export const StatisticsResponseItem = Type.Object({
  ...AnsweredItem,
  statistics: Type.Optional(Statistics),
});

/**
 * The message of `on-statistics`, the answer of `sync/statistics`.
 *
 * @example
 * const response: StatisticsResponse = { transaction_id: 't-1', correlation_id: 'c-1', statistics_response: [] };
 */
export type StatisticsResponse = Static<typeof StatisticsResponse>;
export const StatisticsResponse = Type.Object({
  transaction_id: ShortId,
  correlation_id: ShortId,
  statistics_response: Type.Array(StatisticsResponseItem),
});

/**
 * Reads the answer to `statistics`.
 *
 * @throws DciError `err.request.bad` with the RFC 6901 pointer of the first fault, from `/message`
 *
 * @example
 * const { statistics_response } = parseStatisticsResponse(envelope.message);
 */
export const parseStatisticsResponse: (message: unknown) => StatisticsResponse = compileParser(StatisticsResponse, '/message');
