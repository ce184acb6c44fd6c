import { canonicalJson } from '../canonical.ts';
import { type JsonText, readJson } from '../json-text.ts';
import type { SignatureAlgorithm } from './algorithms.ts';
import { readBase64 } from './base64.ts';
import { contentCandidates, type DigestForm, isLarge } from './content-form.ts';
import type { SigningKey, VerificationKey } from './keys.ts';
import { invalidSignature, type JwsSignature, type Pause, type SignatureSearch } from './parsed-signature.ts';
import type { SignatureTerms } from './signature-terms.ts';

/**
 * The dialects `jws` and `jws-detached`: a compact JWS (RFC 7515), its payload attached or left out, over
 * `{"header":…,"message":…}`. Keys are the sender's registered ones: a key, or the address of one, in the JWS itself is
 * never looked at. Refused: extensions that change what is signed or that must be understood (`b64`, `crit`), a missing `kid`.
 */

const SHAPE = /^([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]*)\.([A-Za-z0-9_-]*)$/;
const LONGEST_PART = 4096;
const HEADER_DEPTH = 8;

/** RFC 7518 section 3.1, RFC 8037, RFC 9864; names are case-sensitive. */
const ALGORITHMS: ReadonlyMap<unknown, SignatureAlgorithm> = new Map([
  ['EdDSA', 'EdDSA'],
  ['Ed25519', 'EdDSA'],
  ['ES256', 'ES256'],
  ['RS256', 'RS256'],
  ['PS256', 'PS256'],
]);

const P256_SIGNATURE_BYTES = 64;

/** Whether a text is made like a compact JWS, whatever is in it. */
export function looksLikeJws(text: string): boolean {
  return SHAPE.test(text);
}

/**
 * Reads a compact JWS: attached with `{"header":…,"message":…}` as its payload, detached with an empty part in its place.
 *
 * Source: RFC 7515, sections 4, 7.1 and appendix F.
 *
 * @throws DciError `err.signature.invalid`, naming the part that is wrong.
 *
 * @example
 * const { dialect, kid } = parseJws('eyJhbGciOiJFUzI1NiIsImtpZCI6ImtleS0xIn0..c2lnbmF0dXJl');
 * // 'jws-detached', 'key-1'
 */
export function parseJws(text: string): JwsSignature {
  const [, encodedHeader = '', encodedPayload = '', encodedSignature = ''] = SHAPE.exec(text) ?? [];
  if (encodedHeader === '') throw invalidSignature('it is not a compact JWS');
  if (encodedHeader.length > LONGEST_PART || encodedSignature.length > LONGEST_PART)
    throw invalidSignature(`its protected header or its signature is longer than ${LONGEST_PART} characters`);
  const header = readProtectedHeader(encodedHeader);
  const algorithm = ALGORITHMS.get(header['alg']);
  if (algorithm === undefined) throw invalidSignature('"alg" must be one of EdDSA, ES256, RS256, PS256');
  return {
    dialect: encodedPayload === '' ? 'jws-detached' : 'jws',
    kid: readKid(header['kid']),
    algorithm,
    created: readTime('iat', header['iat']),
    expires: readTime('exp', header['exp']),
    encodedHeader,
    encodedPayload,
    signature: readSignature(algorithm, encodedSignature),
  };
}

type Header = Readonly<Record<string, unknown>>;

function readProtectedHeader(encoded: string): Header {
  const header = readJsonObject(readBase64('the protected header of the JWS', encoded));
  if (header === undefined) throw invalidSignature('the protected header of the JWS is not a JSON object');
  // What they ask for is not done here; not to do it unnoticed would be to verify something else than what was signed.
  for (const name of ['crit', 'b64'])
    if (Object.hasOwn(header, name)) throw invalidSignature(`the header parameter "${name}" is not supported`);
  return header;
}

function readJsonObject(bytes: Uint8Array): Header | undefined {
  try {
    const { value } = readJson(bytes, { maxDepth: HEADER_DEPTH });
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Header) : undefined;
  } catch {
    return undefined;
  }
}

function readKid(kid: unknown): string {
  if (typeof kid !== 'string' || kid === '') throw invalidSignature('"kid" must name the key, by the id under which it is registered');
  return kid;
}

const LATEST = 9_999_999_999;

function readTime(name: 'iat' | 'exp', value: unknown): number | undefined {
  if (value === undefined) return undefined;
  // Milliseconds have thirteen digits.
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 1 || value > LATEST)
    throw invalidSignature(`"${name}" must be a whole number of seconds since 1970`);
  return value;
}

function readSignature(algorithm: SignatureAlgorithm, encoded: string): Uint8Array {
  if (encoded === '') throw invalidSignature('the JWS has no signature');
  const signature = readBase64('the signature of the JWS', encoded);
  if (algorithm === 'ES256' && signature.length !== P256_SIGNATURE_BYTES)
    throw invalidSignature(`a signature of ES256 has ${P256_SIGNATURE_BYTES} bytes in a JWS`);
  return signature;
}

/** As `searchDciForm`, for a JWS. An attached payload must be the message that was received. */
export function* searchJwsForm(
  parsed: JwsSignature,
  { algorithm, key }: VerificationKey,
  received: JsonText,
  preferred: DigestForm | undefined,
): SignatureSearch<DigestForm | undefined> {
  const { encodedHeader, encodedPayload, signature } = parsed;
  if (parsed.dialect === 'jws') {
    const form = yield* findPayloadForm(Buffer.from(encodedPayload, 'base64url'), received, preferred);
    if (form === undefined) return undefined;
    return (yield { algorithm, key, content: signingInput(encodedHeader, encodedPayload), signature }) ? form : undefined;
  }
  for (const candidate of contentCandidates(received, preferred)) {
    if (candidate === 'pause') yield candidate;
    else if (yield { algorithm, key, content: signingInput(encodedHeader, encode(candidate.text)), signature }) return candidate.form;
  }
  return undefined;
}

// A payload that is the message must not be nested deeper than a message may be.
const PAYLOAD_DEPTH = 64;

/**
 * The form in which an attached payload states the message that was received; `undefined` when it states another. Blanks
 * and the order of members are free where they mean nothing: what is acted upon is the message, and the two are equal.
 */
function* findPayloadForm(
  payload: Buffer,
  received: JsonText,
  preferred: DigestForm | undefined,
): Generator<Pause, DigestForm | undefined> {
  const payloadText = payload.toString('utf8');
  for (const candidate of contentCandidates(received, preferred)) {
    if (candidate === 'pause') yield candidate;
    else if (candidate.text === payloadText) return candidate.form;
  }
  if (received.hasRepeated) return undefined;
  if (isLarge(received)) yield 'pause';
  const stated = canonicalPayload(payload);
  if (stated === undefined) return undefined;
  if (isLarge(received)) yield 'pause';
  const { header, message } = received.value as { header?: unknown; message?: unknown };
  return stated === canonicalJson({ header, message }) ? 'jcs' : undefined;
}

function canonicalPayload(payload: Buffer): string | undefined {
  try {
    return canonicalJson(readJson(payload, { maxDepth: PAYLOAD_DEPTH }).value);
  } catch {
    return undefined;
  }
}

/** What is signed of a JWS that this side writes. */
export function jwsSigningInput(content: string, key: SigningKey, terms: SignatureTerms): Buffer {
  return signingInput(writeProtectedHeader(key, terms), encode(content));
}

/** The text of a JWS, from the same content and terms. */
export function writeJws(content: string, key: SigningKey, terms: SignatureTerms, signature: Buffer): string {
  const payload = terms.dialect === 'jws' ? encode(content) : '';
  return `${writeProtectedHeader(key, terms)}.${payload}.${signature.toString('base64url')}`;
}

function writeProtectedHeader({ algorithm, kid }: SigningKey, { created, expires }: SignatureTerms): string {
  return encode(canonicalJson({ alg: algorithm, exp: expires, iat: created, kid }));
}

function signingInput(encodedHeader: string, encodedPayload: string): Buffer {
  return Buffer.from(`${encodedHeader}.${encodedPayload}`);
}

function encode(text: string): string {
  return Buffer.from(text).toString('base64url');
}
