import { hash } from 'node:crypto';
import type { JsonText } from '../json-text.ts';
import { findAlgorithm, type SignatureAlgorithm, type SignatureCheck } from './algorithms.ts';
import { readBase64 } from './base64.ts';
import { contentCandidates, type DigestForm } from './content-form.ts';
import type { SigningKey, VerificationKey } from './keys.ts';
import { type DciSignature, invalidSignature, type SignatureSearch } from './parsed-signature.ts';
import type { SignatureTerms } from './signature-terms.ts';

/**
 * The dialect `dci`, the standard's own: named parameters, signed over three lines that hold the two times and a digest of
 * header and message. Spacing and order of the parameters are free; each stands once, and there are no others.
 */

const LONGEST_SIGNATURE = 4096;
const PREFIX = /^\s*(?:Signature\s*:)?\s*/i;
const PARAMETER = /([A-Za-z]+)\s*=\s*(?:"([^"\\\n]*)"|(\d{1,12}))\s*(,\s*|$)/y;
const NAMES = ['namespace', 'kidId', 'algorithm', 'created', 'expires', 'headers', 'signature'] as const;
const NAMESPACES: ReadonlySet<string> = new Set(['dci', 'spdci']);
const SIGNED_PARTS = '(created) (expires) digest';

type ParameterName = (typeof NAMES)[number];
type Parameters = Readonly<Record<ParameterName, string>>;

/**
 * Reads a signature of the dialect `dci`:
 * `[Signature: ]namespace="dci", kidId="{sender_id}|{key id}|{algorithm}", algorithm="ed25519", created="…", expires="…",
 * headers="(created) (expires) digest", signature="base64"`. Times are epoch seconds.
 *
 * Source: `MsgSignature` of the SPDCI OpenAPI 1.0.0, whose example writes the namespace as `spdci`; both are read.
 *
 * @throws DciError `err.signature.invalid`, naming the part that is wrong.
 *
 * @example
 * const { signer, algorithm } = parseDciSignature(
 *   'Signature: namespace="dci", kidId="spmis|key-1|ed25519", algorithm="ed25519", created="1606970629", ' +
 *     'expires="1606970929", headers="(created) (expires) digest", signature="c2lnbmF0dXJl"',
 * );
 * // 'spmis|key-1', 'EdDSA'
 */
export function parseDciSignature(text: string): DciSignature {
  if (text.length > LONGEST_SIGNATURE) throw invalidSignature(`it is longer than ${LONGEST_SIGNATURE} characters`);
  const parameters = readParameters(text);
  if (!NAMESPACES.has(parameters.namespace)) throw invalidSignature('"namespace" must be "dci"');
  if (parameters.headers !== SIGNED_PARTS && parameters.headers.trim().split(/\s+/).join(' ') !== SIGNED_PARTS)
    throw invalidSignature(`"headers" must be "${SIGNED_PARTS}"`);
  const algorithm = readAlgorithm(parameters.algorithm);
  return {
    dialect: 'dci',
    signer: readSigner(parameters.kidId, algorithm),
    algorithm,
    created: readTime('created', parameters.created),
    expires: readTime('expires', parameters.expires),
    signature: readBase64('"signature"', parameters.signature),
  };
}

// As the standard's example has it, and nearly everybody writes it: read at once.
const USUAL =
  /^(?:Signature: )?namespace="(?<namespace>[^"\\\n]*)", kidId="(?<kidId>[^"\\\n]*)", algorithm="(?<algorithm>[^"\\\n]*)", created="(?<created>[^"\\\n]*)", expires="(?<expires>[^"\\\n]*)", headers="(?<headers>[^"\\\n]*)", signature="(?<signature>[^"\\\n]*)"$/;

function readParameters(text: string): Parameters {
  return (USUAL.exec(text)?.groups as Parameters | undefined) ?? readAnyParameters(text);
}

function readAnyParameters(text: string): Parameters {
  const found = new Map<string, string>();
  const list = text.trimEnd();
  PARAMETER.lastIndex = PREFIX.exec(list)?.[0].length ?? 0;
  for (let more = true; more; ) {
    const match = PARAMETER.exec(list);
    if (match === null) throw invalidSignature('it is not a list of parameters name="value" separated by commas');
    const [, name = '', quoted, bare = '', separator = ''] = match;
    if (found.has(name)) throw invalidSignature('a parameter stands twice');
    found.set(name, quoted ?? bare);
    more = separator !== '';
  }
  return assertComplete(found);
}

function assertComplete(found: ReadonlyMap<string, string>): Parameters {
  const missing = NAMES.find((name) => !found.has(name));
  if (missing !== undefined) throw invalidSignature(`the parameter "${missing}" is missing`);
  if (found.size > NAMES.length) throw invalidSignature(`it has a parameter other than ${NAMES.join(', ')}`);
  return Object.fromEntries(found) as Parameters;
}

function readAlgorithm(name: string): SignatureAlgorithm {
  const algorithm = findAlgorithm(name);
  if (algorithm === undefined) throw invalidSignature('"algorithm" must be one of ed25519, ES256, RS256, PS256');
  return algorithm;
}

/** The kidId without its last part, the algorithm, which must be that of the parameter. */
function readSigner(kidId: string, algorithm: SignatureAlgorithm): string {
  const end = kidId.lastIndexOf('|');
  if (end < 0) throw invalidSignature('"kidId" must be "{sender_id}|{key id}|{algorithm}"');
  if (findAlgorithm(kidId.slice(end + 1)) !== algorithm) throw invalidSignature('"kidId" and "algorithm" name different algorithms');
  return kidId.slice(0, end);
}

// Ten digits reach the year 2286; milliseconds have thirteen.
const EPOCH_SECONDS = /^[1-9]\d{0,9}$/;

function readTime(name: 'created' | 'expires', text: string): number {
  if (!EPOCH_SECONDS.test(text)) throw invalidSignature(`"${name}" must be a whole number of seconds since 1970`);
  return Number(text);
}

/** Digests of the content in one form after another, bare; then the same ones with their name before them. */
export function* searchDciForm(
  parsed: DciSignature,
  key: VerificationKey,
  received: JsonText,
  preferred: DigestForm | undefined,
): SignatureSearch<DigestForm | undefined> {
  const tried: { readonly form: DigestForm; readonly digest: string }[] = [];
  for (const candidate of contentCandidates(received, preferred)) {
    if (candidate === 'pause') {
      yield candidate;
      continue;
    }
    const { form, text } = candidate;
    const digest = digestText(text);
    if (yield checkOf(parsed, key, digest)) return form;
    tried.push({ form, digest });
  }
  for (const { form, digest } of tried) if (yield checkOf(parsed, key, `SHA-256=${digest}`)) return form;
  return undefined;
}

function checkOf({ created, expires, signature }: DciSignature, { algorithm, key }: VerificationKey, digest: string): SignatureCheck {
  return { algorithm, key, content: signingString(created, expires, digest), signature };
}

function signingString(created: number, expires: number, digest: string): Buffer {
  return Buffer.from(`(created): ${created}\n(expires): ${expires}\ndigest: ${digest}`);
}

function digestText(text: string): string {
  return hash('sha256', text, 'base64');
}

/** What is signed of a signature that this side writes. */
export function dciSigningInput(content: string, { created, expires }: SignatureTerms): Buffer {
  return signingString(created, expires, digestText(content));
}

/** The text of a signature in the dialect `dci`. */
export function writeDciSignature(key: SigningKey, { senderId, created, expires }: SignatureTerms, signature: Buffer): string {
  const algorithm = WRITTEN_NAMES[key.algorithm];
  return (
    `Signature: namespace="dci", kidId="${senderId}|${key.kid}|${algorithm}", algorithm="${algorithm}", ` +
    `created="${created}", expires="${expires}", headers="${SIGNED_PARTS}", signature="${signature.toString('base64')}"`
  );
}

const WRITTEN_NAMES = { EdDSA: 'ed25519', ES256: 'ES256', RS256: 'RS256', PS256: 'PS256' } as const;
