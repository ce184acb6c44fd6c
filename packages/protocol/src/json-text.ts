import { isUtf8 } from 'node:buffer';
import { DciError } from './dci-error.ts';

/**
 * Reads the JSON of a message: RFC 8259 and nothing beyond it, once, in linear time. Besides the value it keeps the text,
 * because a signature may cover the bytes as they came. Whatever two readers could understand differently is refused:
 * repeated members, lone surrogates, NUL, numbers that a double does not hold, ill-formed UTF-8, a byte order mark.
 */

/** A JSON text together with its value. */
export interface JsonText {
  readonly value: unknown;
  readonly text: string;
  /** Raw texts of the members of the top-level object, in the order of the text; empty when the value is no object. */
  readonly members: ReadonlyMap<string, string>;
  /** True when members named in `keepRepeated` were in fact repeated: such a text has no canonical form. */
  readonly hasRepeated: boolean;
  /** True when the text is its own RFC 8785 form: whoever wants that need not write it. */
  readonly isCanonical: boolean;
}

export interface ReadJsonOptions {
  /** Deepest nesting of objects and arrays that is read; 32 by default. */
  readonly maxDepth?: number;
  /** Names that may stand twice in an object below the top level; their values become one list, in the order of the text. */
  readonly keepRepeated?: ReadonlySet<string>;
  /** Numbers become {@link NumberLiteral}s, so that `1.0` stays `1.0`. */
  readonly keepNumberLiterals?: boolean;
}

/** A number as it was written. */
export class NumberLiteral {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/**
 * Reads a JSON text strictly (RFC 8259, I-JSON of RFC 7493) into its value, its text and the raw texts of its top-level members.
 *
 * @param json bytes in UTF-8 without a byte order mark, or the text.
 * @throws DciError `err.request.bad` with a pointer to the place, for everything that is not such a text.
 *
 * @example
 * const { value, members } = readJson('{"header":{"version":"1.0.0"},"message":{ "n": 1.0 }}');
 * value; // { header: { version: '1.0.0' }, message: { n: 1 } }
 * members.get('message'); // '{ "n": 1.0 }'
 */
export function readJson(json: Uint8Array | string, options: ReadJsonOptions = {}): JsonText {
  const text = typeof json === 'string' ? assertWellFormed(json) : decodeUtf8(json);
  const reader: Reader = {
    text,
    at: 0,
    depth: 0,
    maxDepth: options.maxDepth ?? 32,
    keepRepeated: options.keepRepeated ?? NO_NAMES,
    keepNumberLiterals: options.keepNumberLiterals ?? false,
    hasRepeated: false,
    isCanonical: true,
    path: [],
    members: new Map(),
  };
  skipSpace(reader);
  const value = readValue(reader);
  skipSpace(reader);
  if (reader.at < text.length) throw refusal(reader, 'something follows the end of the JSON value');
  return { value, text, members: reader.members, hasRepeated: reader.hasRepeated, isCanonical: reader.isCanonical };
}

const NO_NAMES: ReadonlySet<string> = new Set();

interface Reader {
  readonly text: string;
  at: number;
  depth: number;
  readonly maxDepth: number;
  readonly keepRepeated: ReadonlySet<string>;
  readonly keepNumberLiterals: boolean;
  hasRepeated: boolean;
  isCanonical: boolean;
  /** Member names and indexes that lead to the value being read; valid up to `depth`. */
  readonly path: (string | number)[];
  readonly members: Map<string, string>;
}

type JsonObject = Record<string, unknown>;

function decodeUtf8(bytes: Uint8Array): string {
  if (!isUtf8(bytes)) throw new DciError('err.request.bad', 'the body is not UTF-8', { pointer: '' });
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}

function assertWellFormed(text: string): string {
  if (!text.isWellFormed()) throw new DciError('err.request.bad', 'the text contains half of a surrogate pair', { pointer: '' });
  return text;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const MINUS = 0x2d;
const PLUS = 0x2b;
const DOT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;

function skipSpace(reader: Reader): void {
  const { text } = reader;
  let at = reader.at;
  for (;;) {
    const code = text.charCodeAt(at);
    if (code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09) at += 1;
    else break;
  }
  if (at > reader.at) reader.isCanonical = false;
  reader.at = at;
}

function readValue(reader: Reader): unknown {
  const code = reader.text.charCodeAt(reader.at);
  switch (code) {
    case QUOTE:
      return readString(reader);
    case OPEN_BRACE:
      return readObject(reader);
    case OPEN_BRACKET:
      return readArray(reader);
    case 0x74:
      return readWord(reader, 'true', true);
    case 0x66:
      return readWord(reader, 'false', false);
    case 0x6e:
      return readWord(reader, 'null', null);
    default:
      if (code === MINUS || isDigit(code)) return readNumber(reader);
      throw unexpected(reader, 'a value');
  }
}

// The recursion of readObject and readArray is bounded here.
function enter(reader: Reader): void {
  if (reader.depth >= reader.maxDepth) throw refusal(reader, `nested deeper than ${reader.maxDepth} levels`);
  reader.depth += 1;
  reader.at += 1;
  skipSpace(reader);
}

function readObject(reader: Reader): JsonObject {
  enter(reader);
  const object: JsonObject = {};
  let repeated: Map<string, unknown[]> | undefined;
  let before = '';
  if (!takeIf(reader, CLOSE_BRACE)) {
    do {
      skipSpace(reader);
      const name = readName(reader);
      if (name < before) reader.isCanonical = false;
      before = name;
      const start = reader.at;
      const value = readValue(reader);
      if (!Object.hasOwn(object, name)) object[name] = value;
      else repeated = addRepeated(reader, object, name, value, repeated);
      if (reader.depth === 1) reader.members.set(name, reader.text.slice(start, reader.at));
      skipSpace(reader);
    } while (takeIf(reader, COMMA));
    if (!takeIf(reader, CLOSE_BRACE)) throw unexpected(reader, '"," or "}"');
  }
  reader.depth -= 1;
  return object;
}

/** Reads `"name":` and the space after it. */
function readName(reader: Reader): string {
  if (reader.text.charCodeAt(reader.at) !== QUOTE) throw unexpected(reader, 'the name of a member');
  const name = readString(reader);
  reader.path[reader.depth - 1] = name;
  if (name === '__proto__') throw refusal(reader, 'a member may not be named __proto__');
  skipSpace(reader);
  if (!takeIf(reader, COLON)) throw unexpected(reader, '":"');
  skipSpace(reader);
  return name;
}

function addRepeated(
  reader: Reader,
  object: JsonObject,
  name: string,
  value: unknown,
  repeated: Map<string, unknown[]> = new Map(),
): Map<string, unknown[]> {
  if (reader.depth === 1 || !reader.keepRepeated.has(name)) throw refusal(reader, 'this member stands twice in its object');
  reader.hasRepeated = true;
  reader.isCanonical = false;
  const values = repeated.get(name);
  if (values !== undefined) values.push(value);
  else {
    const list = [object[name], value];
    repeated.set(name, list);
    object[name] = list;
  }
  return repeated;
}

function readArray(reader: Reader): unknown[] {
  enter(reader);
  const array: unknown[] = [];
  if (!takeIf(reader, CLOSE_BRACKET)) {
    do {
      skipSpace(reader);
      reader.path[reader.depth - 1] = array.length;
      array.push(readValue(reader));
      skipSpace(reader);
    } while (takeIf(reader, COMMA));
    if (!takeIf(reader, CLOSE_BRACKET)) throw unexpected(reader, '"," or "]"');
  }
  reader.depth -= 1;
  return array;
}

function takeIf(reader: Reader, code: number): boolean {
  if (reader.text.charCodeAt(reader.at) !== code) return false;
  reader.at += 1;
  return true;
}

function readWord<Value>(reader: Reader, word: string, value: Value): Value {
  if (!reader.text.startsWith(word, reader.at)) throw unexpected(reader, 'a value');
  reader.at += word.length;
  return value;
}

function readString(reader: Reader): string {
  const { text } = reader;
  const start = reader.at + 1;
  let at = start;
  let hasEscape = false;
  for (;;) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) break;
    if (code === BACKSLASH) {
      hasEscape = true;
      at += 2;
    } else if (code >= 0x20) at += 1;
    else {
      // Here the code is NaN at the end of the text.
      reader.at = at;
      throw refusal(reader, Number.isNaN(code) ? 'the text ends within a string' : 'a control character stands unescaped in a string');
    }
  }
  reader.at = at + 1;
  return hasEscape ? resolveEscapes(reader, text.slice(start - 1, at + 1)) : text.slice(start, at);
}

function resolveEscapes(reader: Reader, quoted: string): string {
  const value = parseQuoted(quoted);
  if (value === undefined) throw refusal(reader, 'a string contains an escape that JSON does not have');
  if (!value.isWellFormed()) throw refusal(reader, 'a string contains half of a surrogate pair');
  if (value.includes('\0')) throw refusal(reader, 'a string contains the character NUL');
  if (JSON.stringify(value) !== quoted) reader.isCanonical = false;
  return value;
}

function parseQuoted(quoted: string): string | undefined {
  try {
    return JSON.parse(quoted) as string;
  } catch {
    return undefined;
  }
}

function readNumber(reader: Reader): number | NumberLiteral {
  const { text } = reader;
  const start = reader.at;
  let at = text.charCodeAt(start) === MINUS ? start + 1 : start;
  const integerStart = at;
  at = skipDigits(reader, at);
  if (text.charCodeAt(integerStart) === ZERO && at > integerStart + 1) throw refusal(reader, 'a number begins with a superfluous 0');
  const integerEnd = at;
  if (text.charCodeAt(at) === DOT) at = skipDigits(reader, at + 1);
  if ((text.charCodeAt(at) | 0x20) === 0x65) {
    const sign = text.charCodeAt(at + 1);
    at = skipDigits(reader, sign === PLUS || sign === MINUS ? at + 2 : at + 1);
  }
  const literal = text.slice(start, at);
  const value = Number(literal);
  if (!Number.isFinite(value) || (at === integerEnd && !Number.isSafeInteger(value)))
    throw refusal(reader, 'a number is too large to be held exactly: send it as a string');
  if (`${value}` !== literal) reader.isCanonical = false;
  reader.at = at;
  return reader.keepNumberLiterals ? new NumberLiteral(literal) : value;
}

/** The place after the digits at `from`, of which there must be one. */
function skipDigits(reader: Reader, from: number): number {
  let at = from;
  while (isDigit(reader.text.charCodeAt(at))) at += 1;
  if (at === from) {
    reader.at = at;
    throw unexpected(reader, 'a digit');
  }
  return at;
}

function isDigit(code: number): boolean {
  return code >= ZERO && code <= NINE;
}

function unexpected(reader: Reader, expected: string): DciError {
  const place = reader.at >= reader.text.length ? 'where the text ends' : `at character ${reader.at + 1}`;
  return refusal(reader, `the body is not JSON: ${expected} is missing ${place}`);
}

function refusal(reader: Reader, text: string): DciError {
  return new DciError('err.request.bad', text, { pointer: pointerOf(reader.path.slice(0, reader.depth)) });
}

// A name longer than any of the standard's ends the pointer early: what a sender made up is not sent back at length.
const LONGEST_NAME = 64;

function pointerOf(path: readonly (string | number)[]): string {
  let pointer = '';
  for (const step of path) {
    const name = String(step);
    if (name.length > LONGEST_NAME) break;
    pointer += `/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
  }
  return pointer;
}
