import { canonicalJson, sortedAsciiJson, sortedJson } from '../canonical.ts';
import { type JsonText, NumberLiteral, readJson } from '../json-text.ts';
import type { Pause } from './parsed-signature.ts';

/**
 * What of a message is signed: `{"header":…,"message":…}`, in one of the ways senders serialise it. Read, it is always made
 * from the message as it was received, never from one that was normalised or completed.
 */

/** How the signed `{"header":…,"message":…}` was serialised, in the order in which the forms are tried. */
export const DIGEST_FORMS = ['jcs', 'sorted', 'sorted-ascii', 'received'] as const;

/** `jcs`: RFC 8785. `sorted`, `sorted-ascii`: Python's, see `sortedJson`, `sortedAsciiJson`. `received`: as it stood in the body. */
export type DigestForm = (typeof DIGEST_FORMS)[number];

/** One way in which the content may have been serialised. */
export interface ContentCandidate {
  readonly form: DigestForm;
  readonly text: string;
}

/** A text of that many characters is read or written in a millisecond or two. */
const LARGE = 65_536;

/** Whether it takes so long to read or write that a search should pause before. */
export function isLarge({ text }: JsonText): boolean {
  return text.length > LARGE;
}

/**
 * The texts that a message may have been signed as, the preferred form first; each is written when it is asked for, and one
 * that another form had already is left out. A large message is never read or written twice without a pause between.
 */
export function* contentCandidates(received: JsonText, preferred: DigestForm | undefined): Generator<ContentCandidate | Pause> {
  const pauses = isLarge(received);
  const tried: string[] = [];
  let asWritten = received;
  for (const form of formsToTry(received, preferred)) {
    if (pauses) yield 'pause';
    if (asWritten === received && isOfPython(form)) {
      asWritten = readNumbersAsWritten(received);
      if (pauses) yield 'pause';
    }
    const text = serialise(received, form, asWritten);
    if (tried.includes(text)) continue;
    tried.push(text);
    yield { form, text };
  }
}

function formsToTry(received: JsonText, preferred: DigestForm | undefined): readonly DigestForm[] {
  // A text with repeated members has no canonical form: two different bodies would share it.
  if (received.hasRepeated) return ['received'];
  return (preferred && STARTING_WITH.get(preferred)) ?? DIGEST_FORMS;
}

const STARTING_WITH: ReadonlyMap<DigestForm, readonly DigestForm[]> = new Map(
  DIGEST_FORMS.map((preferred) => [preferred, [preferred, ...DIGEST_FORMS.filter((form) => form !== preferred)]]),
);

function isOfPython(form: DigestForm): boolean {
  return form === 'sorted' || form === 'sorted-ascii';
}

function serialise(received: JsonText, form: DigestForm, asWritten: JsonText): string {
  switch (form) {
    case 'jcs':
      return received.isCanonical ? receivedText(received) : canonicalJson(signedPart(received));
    case 'sorted':
      return sortedJson(signedPart(asWritten));
    case 'sorted-ascii':
      return sortedAsciiJson(signedPart(asWritten));
    case 'received':
      return receivedText(received);
  }
}

function signedPart({ value }: JsonText): object {
  const { header, message } = value as { header?: unknown; message?: unknown };
  return message === undefined ? { header } : { header, message };
}

// Who sorts members as Python does also writes numbers as Python does (1.0 stays 1.0), here and in the body alike.
function readNumbersAsWritten({ text }: JsonText): JsonText {
  return readJson(text, { keepNumberLiterals: true, maxDepth: Number.POSITIVE_INFINITY });
}

function receivedText({ members }: JsonText): string {
  const parts: string[] = [];
  for (const [name, text] of members) if (name === 'header' || name === 'message') parts.push(`"${name}":${text}`);
  return `{${parts.join(',')}}`;
}

/**
 * The text to sign for a receiver that verifies in that form, where the message itself is sent as `canonicalText`: what the
 * receiver's own serialiser makes of it once it has read it.
 *
 * @param canonicalText `{"header":…,"message":…}` in RFC 8785 form.
 *
 * @example
 * writeInForm('{"header":{"name":"Zoë"}}', 'sorted-ascii'); // '{"header":{"name":"Zo\\u00eb"}}'
 */
export function writeInForm(canonicalText: string, form: DigestForm): string {
  switch (form) {
    case 'jcs':
    case 'received':
      return canonicalText;
    case 'sorted':
      return asPythonWrites(canonicalText);
    case 'sorted-ascii':
      // Outside strings JSON has nothing but ASCII.
      return asPythonWrites(canonicalText).replace(NOT_PRINTABLE_ASCII, escapeUnit);
  }
}

const NOT_PRINTABLE_ASCII = /[^ -~]/g;

function escapeUnit(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

// RFC 8785 and Python differ in numbers below 0.0001, and in the order of names beyond the Basic Multilingual Plane.
const SMALL_NUMBER = /\de-\d|0\.0000/;
const SURROGATE = /[\ud800-\udfff]/;

function asPythonWrites(canonicalText: string): string {
  const text = SMALL_NUMBER.test(canonicalText) ? canonicalText.replace(STRING_OR_NUMBER, writeSmallNumber) : canonicalText;
  if (!SURROGATE.test(text)) return text;
  return sortedJson(JSON.parse(text, keepNumberLiteral));
}

function keepNumberLiteral(_name: string, value: unknown, { source }: { source?: string } = {}): unknown {
  return typeof value === 'number' && source !== undefined ? new NumberLiteral(source) : value;
}

const STRING_OR_NUMBER = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d[\d.e+-]*/g;

/** Python writes a float below 0.0001 with an exponent of at least two digits. */
function writeSmallNumber(token: string): string {
  if (token.startsWith('"') || !SMALL_NUMBER.test(token)) return token;
  const value = Number(token);
  return Math.abs(value) >= 0.0001 ? token : value.toExponential().replace(/e-(\d)$/, 'e-0$1');
}
