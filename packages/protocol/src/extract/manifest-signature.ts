import { CompactSign, compactVerify, decodeProtectedHeader } from 'jose';
import { DciError } from '../dci-error.ts';
import { readJson } from '../json-text.ts';
import type { SigningKey, VerificationKey } from '../signature/keys.ts';
import { type ExtractManifest, parseExtractManifest } from './manifest.ts';

/**
 * The signature of a manifest: a compact JWS (RFC 7515) with a `typ` of its own, so that nothing else that the registry signs
 * can be taken for a manifest. Refused, all by `err.signature.invalid`: other types, algorithms other than the key's, keys
 * that are not known.
 */

/** `typ` of the protected header of a manifest. */
export const EXTRACT_MANIFEST_TYPE = 'dci-extract+jwt';

/** Longest text that is taken for a manifest, characters. */
export const LONGEST_MANIFEST = 262_144;

/**
 * Signs a manifest.
 *
 * @returns a compact JWS, whose header has `alg`, `kid` and `typ`
 *
 * @example
 * const jws = await signExtractManifest(manifest, signingKey);
 */
export async function signExtractManifest(manifest: ExtractManifest, { algorithm, kid, key }: SigningKey): Promise<string> {
  return await new CompactSign(Buffer.from(JSON.stringify(manifest)))
    .setProtectedHeader({ alg: algorithm, kid, typ: EXTRACT_MANIFEST_TYPE })
    .sign(key);
}

/**
 * Verifies and reads a manifest. Whether it is made out to the reader, and whether it is over, is for the reader to judge.
 *
 * @param findKey a key of the registry, by its id
 * @throws DciError `err.signature.invalid` when it is not signed by one of the keys; `err.request.bad` when what is signed is
 * no manifest
 *
 * @example
 * const { recipient, content } = await verifyExtractManifest(jws, (kid) => keys.get(kid));
 */
export async function verifyExtractManifest(jws: string, findKey: (kid: string) => VerificationKey | undefined): Promise<ExtractManifest> {
  if (jws.length > LONGEST_MANIFEST) throw invalid(`it is longer than ${LONGEST_MANIFEST} characters`);
  const { kid, typ } = readHeader(jws);
  if (typ !== EXTRACT_MANIFEST_TYPE) throw invalid(`"typ" must be ${EXTRACT_MANIFEST_TYPE}`);
  const key = typeof kid === 'string' ? findKey(kid) : undefined;
  if (key === undefined) throw invalid('"kid" names no key of the registry');
  return parseExtractManifest(readJson(await verify(jws, key)).value);
}

function readHeader(jws: string): { readonly kid?: unknown; readonly typ?: unknown } {
  try {
    return decodeProtectedHeader(jws);
  } catch (cause) {
    throw invalid('it is not a compact JWS', cause);
  }
}

async function verify(jws: string, { algorithm, key }: VerificationKey): Promise<Uint8Array> {
  try {
    // RFC 9864 calls it Ed25519.
    const algorithms = algorithm === 'EdDSA' ? ['EdDSA', 'Ed25519'] : [algorithm];
    return (await compactVerify(jws, key, { algorithms })).payload;
  } catch (cause) {
    throw invalid('it does not fit', cause);
  }
}

function invalid(text: string, cause?: unknown): DciError {
  return new DciError('err.signature.invalid', `the signature of the manifest is not accepted: ${text}`, { pointer: '', cause });
}
