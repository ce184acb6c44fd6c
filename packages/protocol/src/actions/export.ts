import { type Static, Type } from 'typebox';
import { Count, OpenObject, ShortId, Timestamp } from '../formats.ts';
import { compileParser } from '../message-parser.ts';
import { QUERY_TYPES, Query } from '../query.ts';
import { EXTRACT_FORMATS } from '../extract/manifest.ts';
import { AnsweredItem, AskedItem } from './item.ts';

/**
 * `export` and `on-export`: a research extract, one row a record, to be fetched when it is made. This project's extension: the
 * standard has no such action. Messages are built like those of a search that is answered later.
 */

/** Most dimensions that one item may name. */
export const MOST_EXPORT_DIMENSIONS = 8;

/**
 * What an extract is to hold: the records of a query, and of each the named dimensions. `{type: '*', value: '*'}` is the
 * query for every record that the asker may see; there is no default.
 *
 * Shapes: `dimensions` are names of the registry's profile; `response_entity` and `reg_record_type` as in a search.
 *
 * @example
 * const criteria: ExportCriteria = {
 *   reg_record_type: 'SRPerson', dimensions: ['district', 'sex', 'birth_year'],
 *   query_type: 'idtype-value', query: { type: '*', value: '*' }, format: 'csv',
 * };
 */
export type ExportCriteria = Static<typeof ExportCriteria>;
export const ExportCriteria = Type.Object(
  {
    version: Type.Optional(Type.String()),
    reg_type: Type.Optional(Type.String()),
    reg_record_type: Type.Optional(Type.String()),
    response_entity: Type.Optional(Type.String()),
    dimensions: Type.Array(Type.String(), { minItems: 1, maxItems: MOST_EXPORT_DIMENSIONS }),
    query_type: Type.Enum(QUERY_TYPES),
    query: Query,
    format: Type.Optional({ ...Type.Enum(EXTRACT_FORMATS), description: 'ndjson, if it is not stated, or csv' }),
    consent: Type.Optional(OpenObject),
    authorize: Type.Optional(OpenObject),
  },
  { additionalProperties: false },
);

/**
 * The item of a request for an extract.
 *
 * @example
 * const item: ExportItem = {
 *   reference_id: '1',
 *   timestamp: '2024-01-15T10:30:00Z',
 *   export_criteria: { dimensions: ['sex'], query_type: 'idtype-value', query: { type: '*', value: '*' } },
 * };
 */
export type ExportItem = Static<typeof ExportItem>;
export const ExportItem = Type.Object({
  ...AskedItem,
  export_criteria: ExportCriteria,
});

/**
 * The message of `export`; it asks for one extract.
 *
 * @example
 * const request: ExportRequest = { transaction_id: 't-1', export_request: [item] };
 */
export type ExportRequest = Static<typeof ExportRequest>;
export const ExportRequest = Type.Object({
  transaction_id: ShortId,
  export_request: Type.Array(ExportItem, { minItems: 1, maxItems: 1 }),
});

/**
 * Reads the message of `export`.
 *
 * @param message the decrypted `message` of an envelope; it is not changed
 * @throws DciError `err.request.bad` with the RFC 6901 pointer of the first fault, from `/message`
 *
 * @example
 * const { export_request } = parseExportRequest(envelope.message);
 */
export const parseExportRequest: (message: unknown) => ExportRequest = compileParser(ExportRequest, '/message');

/**
 * An extract that is made, and where it is fetched.
 *
 * Shapes: `records` are rows, `bytes` and `sha256` (hexadecimal) are of the sealed file at `url`; `manifest` is a compact JWS
 * whose payload is an `ExtractManifest`; it is at `url` with `/manifest` behind it too.
 *
 * @example
 * const extract: Extract = {
 *   extract_id: '6e8f…', url: 'https://registry.example.org/api/v2/dci/registry/extracts/6e8f…', expires_at: '2024-01-22T10:30:00Z',
 *   records: 104210, bytes: 2097168, sha256: '9f86…', manifest: 'eyJhbGciOi…',
 * };
 */
export type Extract = Static<typeof Extract>;
export const Extract = Type.Object({
  extract_id: ShortId,
  url: Type.String({ description: 'where its content is fetched, with an access token of whoever asked' }),
  expires_at: Timestamp,
  records: { ...Count, description: 'rows' },
  bytes: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description: 'of the sealed file' }),
  sha256: Type.String({ pattern: '^[0-9a-f]{64}$', description: 'of the sealed file, hexadecimal' }),
  manifest: Type.String({ description: 'compact JWS, signed by the registry' }),
});

/**
 * The answer to an item: an extract with `succ`, a reason with `rjct`; neither while it is made (`pdng`).
 *
 * @example
 * const item: ExportResponseItem = {
 *   reference_id: '1', timestamp: '2024-01-15T10:30:01Z', status: 'rjct', status_reason_code: 'rjct.filter.invalid',
 * };
 */
export type ExportResponseItem = Static<typeof ExportResponseItem>;
export const ExportResponseItem = Type.Object({
  ...AnsweredItem,
  extract: Type.Optional(Extract),
});

/**
 * The message of `on-export`.
 *
 * @example
 * const response: ExportResponse = { transaction_id: 't-1', correlation_id: 'c-1', export_response: [] };
 */
export type ExportResponse = Static<typeof ExportResponse>;
export const ExportResponse = Type.Object({
  transaction_id: ShortId,
  correlation_id: ShortId,
  export_response: Type.Array(ExportResponseItem),
});

/**
 * Reads the message of `on-export`.
 *
 * @throws DciError `err.request.bad` with the RFC 6901 pointer of the first fault, from `/message`
 *
 * @example
 * const { export_response } = parseExportResponse(envelope.message);
 */
export const parseExportResponse: (message: unknown) => ExportResponse = compileParser(ExportResponse, '/message');
