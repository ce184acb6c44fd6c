import type { Attribute } from '../profiles/profile.ts';
import type { Scalar } from './plan.ts';
import { readMoment, type Span } from './moments.ts';
import { normaliseText } from './normalise.ts';
import { filterRefusal } from './refusal.ts';

/** A value in the attribute's type; a span where a day or a year was given for something finer. */
export type Coerced = { readonly kind: 'point'; readonly value: Scalar } | ({ readonly kind: 'span' } & Span);

const LONGEST_TEXT = 200;

/** Reads `value` as the attribute's type, or refuses it with the pointer of the value. */
export function coerceValue(attribute: Attribute, value: unknown, pointer: string): Coerced {
  const coerced = readValue(attribute, value, pointer);
  if (coerced === undefined) throw filterRefusal(`${attribute.name} ${EXPECTATIONS[attribute.type]}`, pointer);
  return coerced;
}

/** Text that can be searched for: not empty, not too long, nothing that PostgreSQL cannot hold. */
export function coerceText(value: unknown, name: string, pointer: string): string {
  const text = readText(value);
  if (text === undefined) throw filterRefusal(`${name} ${EXPECTATIONS.text}`, pointer);
  return text;
}

export function coerceBoolean(value: unknown, name: string, pointer: string): boolean {
  const boolean = BOOLEANS.get(value);
  if (boolean === undefined) throw filterRefusal(`${name} ${EXPECTATIONS.boolean}`, pointer);
  return boolean;
}

const EXPECTATIONS: Readonly<Record<Attribute['type'], string>> = {
  text: `takes text of 1 to ${LONGEST_TEXT} characters`,
  code: 'takes one of its codes',
  integer: 'takes a whole number',
  decimal: 'takes a number',
  date: 'takes a date: YYYY-MM-DD, a year or a timestamp',
  timestamp: 'takes a timestamp with its zone, a date or a year',
  boolean: 'takes true or false',
};

const BOOLEANS: ReadonlyMap<unknown, boolean> = new Map<unknown, boolean>([
  [true, true],
  ['true', true],
  [1, true],
  ['1', true],
  [false, false],
  ['false', false],
  [0, false],
  ['0', false],
]);

function readValue(attribute: Attribute, value: unknown, pointer: string): Coerced | undefined {
  switch (attribute.type) {
    case 'text':
      return point(readText(value));
    case 'code':
      return point(readCode(attribute, value, pointer));
    case 'integer':
      return point(readInteger(value));
    case 'decimal':
      return point(readDecimal(value));
    case 'boolean':
      return point(BOOLEANS.get(value));
    case 'date':
    case 'timestamp':
      return readMoment(attribute.type, value);
  }
}

function point(value: Scalar | undefined): Coerced | undefined {
  return value === undefined ? undefined : { kind: 'point', value };
}

function readText(value: unknown): string | undefined {
  const text = typeof value === 'number' && Number.isSafeInteger(value) ? String(value) : value;
  if (typeof text !== 'string' || text.length > LONGEST_TEXT || text.includes('\0') || !text.isWellFormed()) return undefined;
  // As values are stored.
  const normalised = normaliseText(text);
  return normalised === '' ? undefined : normalised;
}

function readCode(attribute: Attribute, value: unknown, pointer: string): string | undefined {
  const text = readText(value);
  if (text === undefined || attribute.codes === undefined) return text;
  const { values, synonyms } = attribute.codes;
  const key = text.toLowerCase();
  if (values.includes(text)) return text;
  const code = values.find((one) => one.toLowerCase() === key) ?? (synonyms && Object.hasOwn(synonyms, key) ? synonyms[key] : undefined);
  if (code === undefined) throw filterRefusal(`${attribute.name} takes ${values.slice(0, 20).join(', ')}`, pointer);
  return code;
}

function readInteger(value: unknown): number | undefined {
  const number = typeof value === 'string' && /^[+-]?\d{1,16}$/.test(value) ? Number(value) : value;
  // `+ 0` makes zero of negative zero.
  return typeof number === 'number' && Number.isSafeInteger(number) ? number + 0 : undefined;
}

function readDecimal(value: unknown): number | undefined {
  const number = typeof value === 'string' && /^[+-]?\d{1,30}(\.\d{1,30})?(e[+-]?\d{1,2})?$/i.test(value) ? Number(value) : value;
  return typeof number === 'number' && Number.isFinite(number) ? number + 0 : undefined;
}
