import { type Static, Type } from 'typebox';
import { Count, OpenObject, PageCount, ShortId } from '../formats.ts';
import { compileParser } from '../message-parser.ts';
import { QUERY_TYPES, Query } from '../query.ts';
import { AnsweredItem, AskedItem } from './item.ts';

/** `search` and `on-search`: which records are asked for, and the records that answer. */

/**
 * One key of an order. Both members may be absent in the published schema; a key that names nothing is refused when the search is planned.
 *
 * @example
 * const key: SortItem = { attribute_name: 'poverty_score', sort_order: 'desc' };
 */
export type SortItem = Static<typeof SortItem>;
export const SortItem = Type.Object({
  attribute_name: Type.Optional(Type.String()),
  sort_order: Type.Optional(Type.Enum(['asc', 'desc'])),
});

/**
 * Which page is wanted, from 1. `cursor` is this project's extension: the `next_cursor` of the page before, opaque.
 *
 * @example
 * const pagination: PageRequest = { page_size: 20, page_number: 1 };
 */
export type PageRequest = Static<typeof PageRequest>;
export const PageRequest = Type.Object({
  page_size: PageCount,
  page_number: Type.Optional(PageCount),
  cursor: Type.Optional(Type.String()),
});

/**
 * What one item of a search asks.
 *
 * Shapes: `response_entity` and `reg_record_type` are names of the registry's profile.
 * Source: `SearchRequest…search_criteria` of the SPDCI OpenAPI 1.0.0.
 *
 * @example
 * const criteria: SearchCriteria = { query_type: 'idtype-value', query: { type: 'UIN', value: '847951632' } };
 */
export type SearchCriteria = Static<typeof SearchCriteria>;
export const SearchCriteria = Type.Object({
  version: Type.Optional(Type.String()),
  reg_type: Type.Optional(Type.String()),
  reg_record_type: Type.Optional(Type.String()),
  query_type: Type.Enum(QUERY_TYPES),
  response_entity: Type.Optional(Type.String()),
  query: Query,
  sort: Type.Optional(Type.Array(SortItem)),
  pagination: Type.Optional(PageRequest),
  consent: Type.Optional(OpenObject),
  authorize: Type.Optional(OpenObject),
});

/**
 * One item of a search. `sort` and `pagination` beside the criteria are read as a synonym and moved into them by `parseSearchRequest`.
 *
 * @example
 * const item: SearchItem = {
 *   reference_id: '1',
 *   timestamp: '2024-01-15T10:30:00Z',
 *   search_criteria: { query_type: 'idtype-value', query: { type: 'UIN', value: '847951632' } },
 * };
 */
export type SearchItem = Static<typeof SearchItem>;
export const SearchItem = Type.Object({
  ...AskedItem,
  search_criteria: SearchCriteria,
});

/**
 * The message of a search.
 *
 * Source: `SearchRequest` of the SPDCI OpenAPI 1.0.0.
 *
 * @example
 * const request: SearchRequest = { transaction_id: 't-1', search_request: [] };
 */
export type SearchRequest = Static<typeof SearchRequest>;
export const SearchRequest = Type.Object({
  transaction_id: ShortId,
  search_request: Type.Array(SearchItem),
});

/** As it may be received: `sort` and `pagination` may also stand on the item. */
const ReceivedSearchItem = Type.Object({
  ...SearchItem.properties,
  sort: Type.Optional(Type.Array(SortItem)),
  pagination: Type.Optional(PageRequest),
});
const ReceivedSearchRequest = Type.Object({
  transaction_id: ShortId,
  search_request: Type.Array(ReceivedSearchItem),
});

const parseReceived = compileParser(ReceivedSearchRequest, '/message');

/**
 * Reads the message of a search, with `sort` and `pagination` in the criteria wherever they stood; the criteria's own win.
 *
 * @param message the decrypted `message` of an envelope; it is not changed
 * @throws DciError `err.request.bad` with the RFC 6901 pointer of the first fault, from `/message`
 *
 * @example
 * const request = parseSearchRequest({
 *   transaction_id: 't-1',
 *   search_request: [{
 *     reference_id: '1',
 *     timestamp: '2024-01-15T10:30:00Z',
 *     search_criteria: { query_type: 'idtype-value', query: { type: 'UIN', value: '847951632' } },
 *     pagination: { page_size: 10 },
 *   }],
 * });
 * request.search_request[0].search_criteria.pagination; // { page_size: 10 }
 */
export function parseSearchRequest(message: unknown): SearchRequest {
  const received = parseReceived(message);
  return { ...received, search_request: received.search_request.map(gatherCriteria) };
}

function gatherCriteria(received: Static<typeof ReceivedSearchItem>): SearchItem {
  const { sort, pagination, ...item } = received;
  if (sort === undefined && pagination === undefined) return item;
  const besideCriteria = { ...(sort && { sort }), ...(pagination && { pagination }) };
  return { ...item, search_criteria: { ...besideCriteria, ...item.search_criteria } };
}

/**
 * Which page an answer holds and how many records there are in all. `next_cursor` is this project's extension.
 *
 * Source: `SearchResponse…pagination` of the SPDCI OpenAPI 1.0.0.
 *
 * @example
 * const pagination: PageInfo = { page_size: 20, page_number: 1, total_count: 57 };
 */
export type PageInfo = Static<typeof PageInfo>;
export const PageInfo = Type.Object({
  page_size: Count,
  page_number: Count,
  total_count: Count,
  next_cursor: Type.Optional(Type.String()),
});

/**
 * The answer to one item of a search: records with `succ`, a reason with `rjct`.
 *
 * Source: `SearchResponse…search_response` of the SPDCI OpenAPI 1.0.0.
 *
 * @example
 * const item: SearchResponseItem = {
 *   reference_id: '1', timestamp: '2024-01-15T10:30:01Z', status: 'rjct', status_reason_code: 'rjct.filter.invalid',
 * };
 */
export type SearchResponseItem = Static<typeof SearchResponseItem>;
export const SearchResponseItem = Type.Object({
  ...AnsweredItem,
  data: Type.Optional(
    Type.Object({
      version: Type.Optional(Type.String()),
      reg_type: Type.Optional(Type.String()),
      reg_record_type: Type.Optional(Type.String()),
      reg_records: Type.Array(OpenObject),
    }),
  ),
  pagination: Type.Optional(PageInfo),
});

/**
 * The message of `on-search` and of the answer of `sync/search`.
 *
 * Source: `SearchResponse` of the SPDCI OpenAPI 1.0.0.
 *
 * @example
 * const response: SearchResponse = { transaction_id: 't-1', correlation_id: 'c-1', search_response: [] };
 */
export type SearchResponse = Static<typeof SearchResponse>;
export const SearchResponse = Type.Object({
  transaction_id: ShortId,
  correlation_id: ShortId,
  search_response: Type.Array(SearchResponseItem),
});

/**
 * Reads the answer to a search.
 *
 * @throws DciError `err.request.bad` with the RFC 6901 pointer of the first fault, from `/message`
 *
 * @example
 * const { search_response } = parseSearchResponse(envelope.message);
 */
export const parseSearchResponse: (message: unknown) => SearchResponse = compileParser(SearchResponse, '/message');
