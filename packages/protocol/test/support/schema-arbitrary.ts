import fc from 'fast-check';
import type { SchemaNode } from './published-schema.ts';

/**
 * Values that a JSON Schema accepts, as a fast-check arbitrary: for the part of JSON Schema that the published documents
 * and the schemas of this package are written in. Unknown keywords that would narrow a value are an error, not ignored.
 */

export interface ArbitraryOptions {
  /** Follows `$ref`s. */
  readonly resolve?: (pointer: string) => SchemaNode;
  /** Whether open objects get members that the schema does not name. */
  readonly additional?: boolean;
  /** Takes the place of the schema of every property so named. */
  readonly overrides?: Readonly<Record<string, object>>;
}

const ANNOTATIONS = new Set(['description', 'example', 'default', 'title', 'components']);
const UNDERSTOOD = new Set(
  (
    '$ref allOf anyOf oneOf enum const type format pattern not properties required items ' +
    'minLength maxLength minimum maximum additionalProperties'
  ).split(' '),
);

/** Values that `schema` accepts. Where `oneOf` branches overlap a value may fit two of them: filter by a validator. */
export function arbitraryOf(schema: object, options: ArbitraryOptions = {}): fc.Arbitrary<unknown> {
  return ofNode(schema as SchemaNode, options);
}

function ofNode(schema: SchemaNode, options: ArbitraryOptions): fc.Arbitrary<unknown> {
  for (const keyword of Object.keys(schema))
    if (!UNDERSTOOD.has(keyword) && !ANNOTATIONS.has(keyword)) throw new Error(`no values for the keyword ${keyword}`);
  if (typeof schema['$ref'] === 'string') return ofNode(resolveRef(schema['$ref'], options), options);
  if (Array.isArray(schema['allOf'])) return ofNode(mergeAll(schema, options), options);
  const branches = schema['anyOf'] ?? schema['oneOf'];
  if (Array.isArray(branches)) return fc.oneof(...branches.map((branch: SchemaNode) => ofNode(branch, options)));
  if (Array.isArray(schema['enum'])) return fc.constantFrom(...(schema['enum'] as unknown[]));
  if ('const' in schema) return fc.constant(schema['const']);
  return ofType(schema, options);
}

function resolveRef(pointer: string, options: ArbitraryOptions): SchemaNode {
  if (options.resolve === undefined) throw new Error(`nothing resolves ${pointer}`);
  return options.resolve(pointer);
}

/** One schema from all of `allOf`: of a keyword or property that stands in several, the last holds. */
function mergeAll(schema: SchemaNode, options: ArbitraryOptions): SchemaNode {
  const { allOf, ...own } = schema;
  const parts = (allOf as SchemaNode[]).map((part) => (typeof part['$ref'] === 'string' ? resolveRef(part['$ref'], options) : part));
  const all = [own, ...parts];
  const properties = Object.assign({}, ...all.map((part) => part['properties'] ?? {}));
  const merged = Object.assign({}, ...all);
  return Object.keys(properties).length > 0 ? { ...merged, properties } : merged;
}

function ofType(schema: SchemaNode, options: ArbitraryOptions): fc.Arbitrary<unknown> {
  if (Array.isArray(schema['type'])) return fc.oneof(...schema['type'].map((type: string) => ofType({ ...schema, type }, options)));
  switch (schema['type'] ?? impliedType(schema)) {
    case 'object':
      return ofObject(schema, options);
    case 'array':
      return fc.array(ofNode(schema['items'] as SchemaNode, options), { maxLength: 3 });
    case 'string':
      return ofString(schema);
    case 'integer':
      return ofInteger(schema);
    case 'number':
      return schema['format'] === 'int32' ? ofInteger(schema) : ofNumber(schema);
    case 'boolean':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
    default:
      return fc.jsonValue();
  }
}

function impliedType(schema: SchemaNode): string | undefined {
  if ('properties' in schema) return 'object';
  return 'items' in schema ? 'array' : undefined;
}

function ofObject(schema: SchemaNode, options: ArbitraryOptions): fc.Arbitrary<unknown> {
  const properties = (schema['properties'] ?? {}) as Readonly<Record<string, SchemaNode>>;
  const required = (schema['required'] ?? []) as string[];
  const open = !('properties' in schema);
  const members = Object.entries(properties).map(([name, property]) => [name, ofProperty(name, property, options)] as const);
  const named = fc.record(Object.fromEntries(members), { requiredKeys: required.filter((name) => name in properties) });
  const more = options.additional || open ? fc.dictionary(furtherName, fc.jsonValue({ maxDepth: 2 }), { maxKeys: 2 }) : fc.constant({});
  const unnamed = fc.record(Object.fromEntries(required.filter((name) => !(name in properties)).map((name) => [name, fc.jsonValue()])));
  return fc.tuple(more, unnamed, named).map((parts) => Object.assign({}, ...parts));
}

function ofProperty(name: string, property: SchemaNode, options: ArbitraryOptions): fc.Arbitrary<unknown> {
  const override = options.overrides?.[name];
  return override === undefined ? ofNode(property, options) : arbitraryOf(override, { ...options, overrides: {} });
}

/** Never a name that a schema could know. */
const furtherName = fc.string({ maxLength: 8 }).map((name) => `x-${name}`);

function ofString(schema: SchemaNode): fc.Arbitrary<string> {
  if (typeof schema['pattern'] === 'string') return fc.stringMatching(new RegExp(schema['pattern']));
  if (schema['format'] === 'date-time') return timestamp;
  if (schema['format'] === 'uri') return fc.webUrl({ withQueryParameters: true });
  const minLength = (schema['minLength'] ?? 0) as number;
  const maxLength = (schema['maxLength'] ?? 300) as number;
  return fc.oneof(
    { arbitrary: fc.string({ unit: 'binary', minLength, maxLength }), weight: 4 },
    { arbitrary: fc.string({ unit: 'grapheme-ascii', minLength: maxLength, maxLength }), weight: 1 },
  );
}

function ofInteger(schema: SchemaNode): fc.Arbitrary<number> {
  const int32 = schema['format'] === 'int32';
  const min = (schema['minimum'] ?? (int32 ? -(2 ** 31) : Number.MIN_SAFE_INTEGER)) as number;
  const max = (schema['maximum'] ?? (int32 ? 2 ** 31 - 1 : Number.MAX_SAFE_INTEGER)) as number;
  return fc.oneof({ arbitrary: fc.integer({ min: Math.max(min, 1), max }), weight: 9 }, { arbitrary: fc.integer({ min, max }), weight: 1 });
}

function ofNumber(schema: SchemaNode): fc.Arbitrary<number> {
  const fraction = fc.double({ noNaN: true, noDefaultInfinity: true, noInteger: true });
  const not = schema['not'] as SchemaNode | undefined;
  return not?.['type'] === 'integer' ? fraction : fc.oneof(fraction, fc.maxSafeInteger());
}

const two = (value: number) => String(value).padStart(2, '0');
const time = fc
  .tuple(
    fc.date({ min: new Date('0001-01-01T00:00:00Z'), max: new Date('9999-12-31T00:00:00Z'), noInvalidDate: true }),
    fc.constantFrom('', '.5', '.123456789'),
  )
  .map(([date, fraction]) => date.toISOString().slice(0, 19) + fraction);
const offset = fc
  .tuple(fc.constantFrom('+', '-'), fc.nat(23), fc.nat(59), fc.constantFrom(':', ''))
  .map(([sign, hours, minutes, colon]) => sign + two(hours) + colon + two(minutes));
const timestamp = fc.oneof(
  fc.tuple(time, fc.oneof(fc.constantFrom('Z', 'z', '+05'), offset)).map((parts) => parts.join('')),
  time.map((text) => `${text.toLowerCase()}Z`),
  time.map((text) => `${text.replace('T', ' ')}Z`),
  fc.constantFrom('2016-12-31T23:59:60Z', '2017-01-01T05:29:60+05:30', '2024-02-29T00:00:00-12:00'),
);
