import { NumberLiteral } from './json-text.ts';

/**
 * The canonical ways of writing JSON that senders sign: RFC 8785, and the two compact, sorted forms that Python writes.
 * Values are plain JSON values, of bounded depth; members that are `undefined` are left out.
 */

type WriteString = (value: string) => string;
type SortNames = (names: string[]) => string[];

/**
 * The JSON Canonicalization Scheme, RFC 8785: members sorted by UTF-16 code unit, compact, numbers as ECMAScript writes them.
 *
 * @throws TypeError for what is not JSON: a lone surrogate, NaN, an infinity, a function, a bigint.
 *
 * @example
 * canonicalJson({ b: 1.0, a: ['é', null] }); // '{"a":["é",null],"b":1}'
 */
export function canonicalJson(value: unknown): string {
  return write(value, quote, sortByCodeUnit);
}

/**
 * Members sorted by code point, compact, characters as they are: Python's
 * `json.dumps(value, sort_keys=True, separators=(',', ':'), ensure_ascii=False)`. A {@link NumberLiteral} is written as it was
 * read, other numbers as ECMAScript does (Python writes a float 1 as `1.0`).
 *
 * @throws TypeError as {@link canonicalJson} does.
 *
 * @example
 * sortedJson({ b: 1, a: 'é' }); // '{"a":"é","b":1}'
 */
export function sortedJson(value: unknown): string {
  return write(value, quote, sortByCodePoint);
}

/**
 * As {@link sortedJson} with everything outside printable ASCII escaped: Python's
 * `json.dumps(value, sort_keys=True, separators=(',', ':'))`.
 *
 * @throws TypeError as {@link canonicalJson} does.
 *
 * @example
 * sortedAsciiJson({ b: 1, a: 'é' }); // '{"a":"\\u00e9","b":1}'
 */
export function sortedAsciiJson(value: unknown): string {
  return write(value, quoteAscii, sortByCodePoint);
}

function write(value: unknown, writeString: WriteString, sort: SortNames): string {
  switch (typeof value) {
    case 'string':
      return writeString(value);
    case 'number':
      return writeNumber(value);
    case 'boolean':
      return value ? 'true' : 'false';
    case 'object':
      if (value === null) return 'null';
      if (Array.isArray(value)) return writeArray(value, writeString, sort);
      if (value instanceof NumberLiteral) return value.text;
      return writeObject(value as Record<string, unknown>, writeString, sort);
    default:
      throw new TypeError(`JSON has no ${typeof value}`);
  }
}

function writeArray(array: readonly unknown[], writeString: WriteString, sort: SortNames): string {
  let text = '[';
  for (let index = 0; index < array.length; index += 1) text += `${index === 0 ? '' : ','}${write(array[index], writeString, sort)}`;
  return `${text}]`;
}

function writeObject(object: Readonly<Record<string, unknown>>, writeString: WriteString, sort: SortNames): string {
  let text = '';
  for (const name of sort(Object.keys(object))) {
    const value = object[name];
    if (value === undefined) continue;
    text += `${text === '' ? '{' : ','}${writeString(name)}:${write(value, writeString, sort)}`;
  }
  return text === '' ? '{}' : `${text}}`;
}

function writeNumber(value: number): string {
  if (!Number.isFinite(value)) throw new TypeError(`JSON has no ${value}`);
  // Not String(value): -0 is written 0 by both, and this is as fast.
  return `${value}`;
}

// Quotes, backslashes, controls and surrogates; a string free of them, as most are, is its own JSON.
const NEEDS_CARE = /[^ !#-[\]-\ud7ff\ue000-\uffff]/;

/** A string as RFC 8785 writes it. Throws a TypeError for half of a surrogate pair. */
export function quote(value: string): string {
  if (!NEEDS_CARE.test(value)) return `"${value}"`;
  if (!value.isWellFormed()) throw new TypeError('a string contains half of a surrogate pair');
  return JSON.stringify(value);
}

const NOT_PRINTABLE_ASCII = /[^ -~]/g;

function quoteAscii(value: string): string {
  return quote(value).replace(NOT_PRINTABLE_ASCII, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

function sortByCodeUnit(names: string[]): string[] {
  return isSorted(names) ? names : names.sort();
}

// As what was read from sorted text is.
function isSorted(names: readonly string[]): boolean {
  for (let index = 1; index < names.length; index += 1) if ((names[index - 1] ?? '') > (names[index] ?? '')) return false;
  return true;
}

const SURROGATE = /[\ud800-\udfff]/;

// The two orders differ only where a surrogate pair meets a character from U+E000 to U+FFFF.
function sortByCodePoint(names: string[]): string[] {
  return names.some((name) => SURROGATE.test(name)) ? names.sort(compareCodePoints) : sortByCodeUnit(names);
}

function compareCodePoints(left: string, right: string): number {
  const rights = right[Symbol.iterator]();
  for (const character of left) {
    const other = rights.next();
    if (other.done === true) return 1;
    const difference = (character.codePointAt(0) ?? 0) - (other.value.codePointAt(0) ?? 0);
    if (difference !== 0) return difference;
  }
  return rights.next().done === true ? 0 : -1;
}
