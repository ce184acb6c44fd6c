import { hash } from 'node:crypto';
import { canonicalJson, sortedAsciiJson, sortedJson } from '../canonical.ts';
import { type JsonText, readJson } from '../json-text.ts';

/**
 * What of a message is hashed: `{"header":…,"message":…}`, in one of the ways senders serialise it. Always made from the
 * message as it was received, never from one that was normalised or completed.
 */

/** How the signed `{"header":…,"message":…}` was serialised, in the order in which the forms are tried. */
export const DIGEST_FORMS = ['jcs', 'sorted', 'sorted-ascii', 'received'] as const;

/** `jcs`: RFC 8785. `sorted`, `sorted-ascii`: Python's, see `sortedJson`, `sortedAsciiJson`. `received`: as it stood in the body. */
export type DigestForm = (typeof DIGEST_FORMS)[number];

/** One way in which the content may have been serialised. */
export interface DigestCandidate {
  readonly form: DigestForm;
  /** Base64 SHA-256 of the serialised content. */
  readonly digest: string;
}

/** Base64 SHA-256 of a text in UTF-8. */
export function digestText(text: string): string {
  return hash('sha256', text, 'base64');
}

/**
 * The digests a message may have been signed by, the preferred form first; each is worked out when it is asked for, and one
 * that another form had already is left out.
 */
export function* digestCandidates(received: JsonText, preferred: DigestForm | undefined): Generator<DigestCandidate> {
  const tried = new Set<string>();
  let asWritten: JsonText | undefined;
  const numbersAsWritten = (): JsonText => (asWritten ??= readNumbersAsWritten(received));
  for (const form of formsToTry(received, preferred)) {
    const digest = digestText(serialise(received, form, numbersAsWritten));
    if (tried.has(digest)) continue;
    tried.add(digest);
    yield { form, digest };
  }
}

function formsToTry(received: JsonText, preferred: DigestForm | undefined): readonly DigestForm[] {
  // A text with repeated members has no canonical form: two different bodies would share it.
  if (received.hasRepeated) return ['received'];
  return preferred === undefined ? DIGEST_FORMS : [preferred, ...DIGEST_FORMS.filter((form) => form !== preferred)];
}

function serialise(received: JsonText, form: DigestForm, numbersAsWritten: () => JsonText): string {
  switch (form) {
    case 'jcs':
      return canonicalJson(signedPart(received));
    case 'sorted':
      return sortedJson(signedPart(numbersAsWritten()));
    case 'sorted-ascii':
      return sortedAsciiJson(signedPart(numbersAsWritten()));
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
