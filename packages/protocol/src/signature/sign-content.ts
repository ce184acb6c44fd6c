import { signBytes } from './algorithms.ts';
import { dciSigningInput, writeDciSignature } from './dci-signature.ts';
import type { SignatureExecutor } from './executor.ts';
import { jwsSigningInput, writeJws } from './jws-signature.ts';
import type { SigningKey } from './keys.ts';
import type { SignatureTerms } from './signature-terms.ts';

/**
 * Signs a message and returns the text of its `signature` member.
 *
 * @param content the serialised `{"header":…,"message":…}`, without `message` where there is none, exactly as it is to be
 *   verified: canonical (RFC 8785), or in the form that the receiver is known to use, see `writeInForm`.
 * @throws Error when the terms could not be read back: an id with a quote, times out of order.
 *
 * @example
 * const key = generateSigningKey('ES256');
 * const content = canonicalJson({ header, message });
 * const signature = signContent(content, key, { senderId: 'registry', created: 1700000000, expires: 1700000300 });
 */
export function signContent(content: string, key: SigningKey, terms: SignatureTerms): string {
  return write(content, key, terms, signBytes(key.algorithm, key.key, signingInput(content, key, terms)));
}

/**
 * `signContent`, with the asymmetric work done by an executor.
 *
 * @example
 * const signature = await signContentBy(executor, content, key, { senderId: 'registry', created: 1700000000, expires: 1700000300 });
 */
export async function signContentBy(executor: SignatureExecutor, content: string, key: SigningKey, terms: SignatureTerms): Promise<string> {
  const order = { algorithm: key.algorithm, key: key.key, content: signingInput(content, key, terms) };
  return write(content, key, terms, await executor.sign(order));
}

function signingInput(content: string, key: SigningKey, terms: SignatureTerms): Buffer {
  assertWritable(key.kid, terms);
  return isDci(terms) ? dciSigningInput(content, terms) : jwsSigningInput(content, key, terms);
}

function write(content: string, key: SigningKey, terms: SignatureTerms, signature: Buffer): string {
  return isDci(terms) ? writeDciSignature(key, terms, signature) : writeJws(content, key, terms, signature);
}

function isDci({ dialect = 'dci' }: SignatureTerms): boolean {
  return dialect === 'dci';
}

const UNQUOTABLE = /["\\\n]/;
const EPOCH_SECONDS = /^[1-9]\d{0,9}$/;

function assertWritable(kid: string, { senderId, created, expires }: SignatureTerms): void {
  if (UNQUOTABLE.test(senderId) || UNQUOTABLE.test(kid))
    throw new Error('A sender id or key id with a quote, backslash or line break cannot be signed with');
  if (!EPOCH_SECONDS.test(`${created}`) || !EPOCH_SECONDS.test(`${expires}`) || expires <= created)
    throw new Error('A signature is made for whole epoch seconds, "expires" after "created"');
}
