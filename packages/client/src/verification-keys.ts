import type { VerificationKey } from '@dci/protocol';
import { createRemoteKeySet, readKeys } from './key-set.ts';
import { asObject, createTransport } from './transport.ts';

const TIMEOUT_MS = 30_000;
const LARGEST_JWKS_BYTES = 1_048_576;

/**
 * The keys by which a registry's signatures are verified, from the address of its JWKS.
 *
 * Source: RFC 7517; `GET .well-known/jwks.json` of the SPDCI OpenAPI 1.0.0.
 *
 * @throws DciRefusal, DciConnectionError when they cannot be had; DciAnswerError when it is no JWKS
 *
 * @example
 * const keys = await fetchVerificationKeys('https://social.example.org/api/v2/dci/.well-known/jwks.json');
 * const manifest = await verifyExtractManifest(jws, (kid) => keys.get(kid));
 */
export async function fetchVerificationKeys(url: string): Promise<ReadonlyMap<string, VerificationKey>> {
  const transport = createTransport({ fetch: globalThis.fetch, timeoutMs: TIMEOUT_MS, maxAnswerBytes: LARGEST_JWKS_BYTES });
  return (await createRemoteKeySet(url, transport, Date.now).load()).verification;
}

/**
 * The same from a JWKS that is at hand; keys of kinds that are not known are left out.
 *
 * @throws DciAnswerError when it is no JWKS
 *
 * @example
 * const keys = readVerificationKeys(JSON.parse(await readFile('jwks.json', 'utf8')));
 */
export function readVerificationKeys(jwks: unknown): ReadonlyMap<string, VerificationKey> {
  return readKeys('this', asObject(jwks)).verification;
}
