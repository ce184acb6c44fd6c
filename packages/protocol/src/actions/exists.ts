import { type Static, Type } from 'typebox';
import { Count, OpenObject, ShortId } from '../formats.ts';
import { compileParser } from '../message-parser.ts';
import { QUERY_TYPES, Query } from '../query.ts';
import { AnsweredItem, AskedItem } from './item.ts';

/**
 * `exists` and `on-exists`: which of many identifiers are those of records. This project's extension: the standard has no
 * such action. Messages are built like those of a search.
 */

/** Most identifiers that one item may ask for. */
export const MOST_CHECKED_IDENTIFIERS = 10_000;

/**
 * What one item asks: which of these identifiers current records have. With `query_type` and `query`, a condition as in a
 * search, only records count that meet it.
 *
 * Shapes: `identifier_type` is a code or name of the registry's profile; values are different from each other;
 * `reg_record_type`, by default the type of record that has such identifiers.
 *
 * @example
 * const criteria: ExistsCriteria = { identifier_type: 'UIN', identifier_values: ['847951632', '847951640'] };
 */
export type ExistsCriteria = Static<typeof ExistsCriteria>;
export const ExistsCriteria = Type.Object(
  {
    version: Type.Optional(Type.String()),
    reg_type: Type.Optional(Type.String()),
    reg_record_type: Type.Optional(Type.String()),
    identifier_type: Type.String(),
    identifier_values: Type.Array(Type.String(), {
      minItems: 1,
      maxItems: MOST_CHECKED_IDENTIFIERS,
      uniqueItems: true,
      description: `a list of 1 to ${MOST_CHECKED_IDENTIFIERS} strings, no two the same`,
    }),
    query_type: Type.Optional(Type.Enum(QUERY_TYPES)),
    query: Type.Optional(Query),
    consent: Type.Optional(OpenObject),
    authorize: Type.Optional(OpenObject),
  },
  { additionalProperties: false },
);

/**
 * One item of an existence check.
 *
 * @example
 * const item: ExistsItem = {
 *   reference_id: '1',
 *   timestamp: '2024-01-15T10:30:00Z',
 *   exists_criteria: { identifier_type: 'UIN', identifier_values: ['847951632'] },
 * };
 */
export type ExistsItem = Static<typeof ExistsItem>;
export const ExistsItem = Type.Object({
  ...AskedItem,
  exists_criteria: ExistsCriteria,
});

/**
 * The message of `exists`.
 *
 * @example
 * const request: ExistsRequest = { transaction_id: 't-1', exists_request: [] };
 */
export type ExistsRequest = Static<typeof ExistsRequest>;
export const ExistsRequest = Type.Object({
  transaction_id: ShortId,
  exists_request: Type.Array(ExistsItem),
});

/**
 * Reads the message of `exists`.
 *
 * @param message the decrypted `message` of an envelope; it is not changed
 * @throws DciError `err.request.bad` with the RFC 6901 pointer of the first fault, from `/message`
 *
 * @example
 * const { exists_request } = parseExistsRequest(envelope.message);
 */
export const parseExistsRequest: (message: unknown) => ExistsRequest = compileParser(ExistsRequest, '/message');

/**
 * The answer to one item: with `succ` the identifiers that are there, in the order in which they were asked for; a reason
 * with `rjct`. An identifier that is not there and one of a record that the asker may not see are both left out.
 *
 * @example
 * const item: ExistsResponseItem = {
 *   reference_id: '1',
 *   timestamp: '2024-01-15T10:30:01Z',
 *   status: 'succ',
 *   data: {
 *     reg_type: 'ns:org:RegistryType:Social', reg_record_type: 'SRPerson',
 *     identifier_type: 'UIN', identifier_values: ['847951632'], asked_count: 2, found_count: 1,
 *   },
 * };
 */
export type ExistsResponseItem = Static<typeof ExistsResponseItem>;
export const ExistsResponseItem = Type.Object({
  ...AnsweredItem,
  data: Type.Optional(
    Type.Object({
      reg_type: Type.String(),
      reg_record_type: Type.String(),
      identifier_type: Type.String(),
      identifier_values: Type.Array(Type.String()),
      asked_count: Count,
      found_count: Count,
    }),
  ),
});

/**
 * The message of `on-exists`, the answer of `sync/exists`.
 *
 * @example
 * const response: ExistsResponse = { transaction_id: 't-1', correlation_id: 'c-1', exists_response: [] };
 */
export type ExistsResponse = Static<typeof ExistsResponse>;
export const ExistsResponse = Type.Object({
  transaction_id: ShortId,
  correlation_id: ShortId,
  exists_response: Type.Array(ExistsResponseItem),
});

/**
 * Reads the answer to `exists`.
 *
 * @throws DciError `err.request.bad` with the RFC 6901 pointer of the first fault, from `/message`
 *
 * @example
 * const { exists_response } = parseExistsResponse(envelope.message);
 */
export const parseExistsResponse: (message: unknown) => ExistsResponse = compileParser(ExistsResponse, '/message');
