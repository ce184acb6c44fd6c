import { type Static, Type } from 'typebox';
import { DciError } from '../dci-error.ts';
import { EncryptedMessage } from '../envelope.ts';
import { Count, ShortId, Timestamp } from '../formats.ts';
import { compileParser } from '../message-parser.ts';
import { QUERY_TYPES, Query } from '../query.ts';
import { countSegments, SEGMENT_BYTES, sealedBytes } from './segments.ts';

/**
 * What goes with the sealed file of an extract: what is in it, by what rules, and how it is checked and opened. Members that
 * are not named here are refused, and so is what contradicts itself; another version is another shape.
 */

/** The version of manifests that is written and read. */
export const EXTRACT_MANIFEST_VERSION = '1.0.0';

/** Forms of the rows: one JSON object a line, or RFC 4180 with a header. */
export const EXTRACT_FORMATS = ['ndjson', 'csv'] as const;
export type ExtractFormat = (typeof EXTRACT_FORMATS)[number];

const closed = { additionalProperties: false };

const Name = Type.String({ minLength: 1, maxLength: 200, description: 'a name of 1 to 200 characters' });
const Names = Type.Array(Name, { uniqueItems: true, description: 'a list of names, no two the same' });
const ByteCount = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description: 'a whole number from 0' });
const Sha256 = Type.String({ pattern: '^[0-9a-f]{64}$', description: 'a SHA-256 digest of 64 hexadecimal digits in lower case' });

const Banding = Type.Union(
  [
    Type.Enum(['as-it-is', 'month', 'year']),
    Type.Object({ from: Type.Optional(Type.Number()), bounds: Type.Array(Type.Number(), { minItems: 1 }) }, closed),
  ],
  { description: 'as-it-is, month, year, or an object with the bounds of bands' },
);

const Column = Type.Object(
  {
    name: Name,
    attribute: { ...Name, description: 'the name of the attribute whose value it tells' },
    banding: Banding,
    within: Type.Optional({ ...Name, description: 'the name of the column in whose values its own lie' }),
  },
  closed,
);

const Pseudonym = Type.Object(
  {
    name: Name,
    keyed_by: { ...Names, description: 'a list of what a pseudonym is the same for: "partner", "columns"' },
    columns: { ...Names, description: 'a list of the columns for which a record has the same pseudonym' },
  },
  closed,
);

const KAnonymity = Type.Object(
  {
    k: Type.Integer({ minimum: 2, maximum: 2_147_483_647, description: 'a whole number from 2' }),
    quasi_identifiers: { ...Names, description: 'a list of the names by which rows are told apart, no two the same' },
    records: { ...Count, description: 'the number of rows in the file, from 0' },
    suppressed: Type.Optional({ ...Count, description: 'about how many records there are without a row: 0, or at least k' }),
    classes: { ...Count, description: 'the number of different rows, pseudonyms aside, from 0' },
    most_left_out: Type.Optional({
      ...Count,
      description: 'of records that share their quasi-identifiers, how many have no row though others have, at most; absent: 0',
    }),
    smallest_class: { ...Count, description: 'the number of rows of the smallest class, at least k; 0 where there are no rows' },
  },
  closed,
);

const Content = Type.Object(
  {
    bytes: ByteCount,
    sha256: Sha256,
    segments: Type.Integer({ minimum: 1, maximum: 2 ** 32, description: 'a whole number from 1' }),
    segment_bytes: Type.Enum([SEGMENT_BYTES]),
    plain: Type.Object({ bytes: ByteCount, sha256: Sha256 }, closed),
  },
  closed,
);

const Encryption = Type.Object(
  {
    alg: Type.Enum(['A256GCM']),
    // 7 bytes: the last character has two bits of them.
    nonce_prefix: Type.String({ pattern: '^[\\w-]{9}[AQgw]$', description: 'the base64url text of 7 bytes' }),
    key: EncryptedMessage,
  },
  closed,
);

/**
 * What an extract holds and how it is opened.
 *
 * Shapes: `content.sha256` and `content.bytes` are of the sealed file, `content.plain` is of the compressed file in it;
 * `encryption.key` is the content's key as {@link wrapContentKey} writes it; `k_anonymity.suppressed` is absent where it is
 * not told; `recipient` and `sender_id` are names of message headers.
 *
 * @example
 * const manifest: ExtractManifest = {
 *   version: '1.0.0', extract_id: '019a8f4e-1111-7000-8000-000000000001', transaction_id: 't-1', reference_id: '1',
 *   sender_id: 'registry', recipient: 'university', made_at: '2026-01-15T10:30:00Z', expires_at: '2026-01-22T10:30:00Z',
 *   registry: 'social', record_type: 'Person', format: 'ndjson', compression: 'gzip',
 *   columns: [{ name: 'sex', attribute: 'sex', banding: 'as-it-is' }],
 *   pseudonym: { name: 'pseudonym', keyed_by: ['partner', 'columns'], columns: ['sex'] },
 *   filter: { query_type: 'idtype-value', query: { type: '*', value: '*' } },
 *   legal_basis: 'Statistics Act, section 4', field_rule: 'research',
 *   k_anonymity: { k: 10, quasi_identifiers: ['sex'], records: 1000, most_left_out: 6, classes: 2, smallest_class: 489 },
 *   content: {
 *     bytes: 20_016, sha256: 'b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c', segments: 1, segment_bytes: 1_048_576,
 *     plain: { bytes: 20_000, sha256: '7d865e959b2466918c9863afca942d0fb89d7c9ac0c99bafc3749504ded97730' },
 *   },
 *   encryption: {
 *     alg: 'A256GCM', nonce_prefix: '48V1_ALb6Q',
 *     key: {
 *       header: { alg: 'RSA-OAEP-256', enc: 'A256GCM', kid: 'enc-1' },
 *       encrypted_key: 'OKOawDo13gRp', iv: '48V1_ALb6US04U3b', ciphertext: '5eym8TW_c8SuK0lt', tag: 'XFBoMYUZodetZdvT',
 *     },
 *   },
 * };
 */
export type ExtractManifest = Static<typeof ExtractManifest>;
export const ExtractManifest = Type.Object(
  {
    version: Type.Enum([EXTRACT_MANIFEST_VERSION]),
    extract_id: Type.String({ pattern: '^[\\w-]{1,99}$', description: 'an id of at most 99 letters, digits, "_" and "-"' }),
    transaction_id: ShortId,
    reference_id: Type.Optional(Type.String()),
    sender_id: Name,
    recipient: Name,
    made_at: Timestamp,
    expires_at: Timestamp,
    registry: Name,
    record_type: Name,
    format: Type.Enum(EXTRACT_FORMATS),
    compression: Type.Enum(['gzip']),
    columns: Type.Array(Column, { minItems: 1, description: 'a list of at least one column' }),
    pseudonym: Type.Optional(Pseudonym),
    filter: Type.Object({ query_type: Type.Enum(QUERY_TYPES), query: Query }, closed),
    purpose: Type.Optional(Type.String()),
    legal_basis: Type.String(),
    field_rule: Type.String(),
    k_anonymity: KAnonymity,
    content: Content,
    encryption: Encryption,
  },
  closed,
);

const parseShape = compileParser(ExtractManifest, '');

/**
 * Reads a manifest.
 *
 * @throws DciError `err.request.bad` with the RFC 6901 pointer of the first fault, from ''
 *
 * @example
 * const { content, k_anonymity } = parseExtractManifest(JSON.parse(text));
 */
export function parseExtractManifest(value: unknown): ExtractManifest {
  const manifest = parseShape(value);
  for (const { holds, pointer, words } of listConditions(manifest))
    if (!holds) throw new DciError('err.request.bad', `${pointer.split('/').at(-1)} ${words}`, { pointer });
  return manifest;
}

interface Condition {
  readonly holds: boolean;
  readonly pointer: string;
  readonly words: string;
}

/** What the members have to do with each other. */
function listConditions({ columns, pseudonym, k_anonymity, content }: ExtractManifest): readonly Condition[] {
  const names = columns.map(({ name }) => name);
  const written = pseudonym === undefined ? names : [pseudonym.name, ...names];
  const { k, quasi_identifiers, records, suppressed = 0, classes, smallest_class } = k_anonymity;
  const { plain, segments, bytes } = content;
  return [
    { holds: new Set(written).size === written.length, pointer: '/columns', words: 'must have different names' },
    {
      holds: names.every((name) => quasi_identifiers.includes(name)),
      pointer: '/k_anonymity/quasi_identifiers',
      words: 'must name every column',
    },
    { holds: suppressed === 0 || suppressed >= k, pointer: '/k_anonymity/suppressed', words: 'must be 0 or at least k' },
    {
      holds: records === 0 ? classes === 0 : classes > 0 && classes * smallest_class <= records,
      pointer: '/k_anonymity/classes',
      words: 'must be as many as the records can make',
    },
    {
      holds: records === 0 ? smallest_class === 0 : smallest_class >= k,
      pointer: '/k_anonymity/smallest_class',
      words: 'must be at least k, or 0 where there are no records',
    },
    { holds: segments === countSegments(plain.bytes), pointer: '/content/segments', words: 'must be as many as the plain bytes make' },
    { holds: bytes === sealedBytes(plain.bytes), pointer: '/content/bytes', words: 'must be the plain bytes and a tag for each segment' },
  ];
}
