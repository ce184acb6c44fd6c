import { type AsymmetricKeyDetails, createHash, createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto';

/**
 * What keys for signatures and keys for encryption have in common. Refused, in words for the operator: secret or private
 * material where a public key is meant, and RSA keys that are weak or slow.
 */

/**
 * The thumbprint of a public key: base64url SHA-256 of its required members (RFC 7638).
 *
 * @throws Error when the kind of key is unknown or a required member is missing.
 *
 * @example
 * thumbprint({ kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' });
 * // 'kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k'
 */
export function thumbprint(jwk: JsonWebKey): string {
  return createHash('sha256')
    .update(JSON.stringify(requiredMembers(jwk)))
    .digest('base64url');
}

/** In alphabetical order, as a thumbprint needs them. */
const REQUIRED_MEMBERS: ReadonlyMap<string, readonly ('crv' | 'e' | 'kty' | 'n' | 'x' | 'y')[]> = new Map([
  ['EC', ['crv', 'kty', 'x', 'y']],
  ['OKP', ['crv', 'kty', 'x']],
  ['RSA', ['e', 'kty', 'n']],
]);

/** What makes a public key, and nothing else of its JWK. */
export function requiredMembers(jwk: JsonWebKey): { readonly kty: string } {
  const names = REQUIRED_MEMBERS.get(jwk.kty ?? '');
  if (names === undefined) throw new Error('The JWK is of no kind ("kty") that is known here: EC, OKP or RSA');
  const missing = names.find((name) => typeof jwk[name] !== 'string');
  if (missing !== undefined) throw new Error(`The JWK lacks the member "${missing}"`);
  return Object.fromEntries(names.map((name) => [name, jwk[name]])) as { kty: string };
}

/** The public half of a key. */
export function exportPublicJwk(key: KeyObject): JsonWebKey {
  return (key.type === 'private' ? createPublicKey(key) : key).export({ format: 'jwk' });
}

export function refusePrivate(jwkOrPem: JsonWebKey | string): void {
  const isPrivate = typeof jwkOrPem === 'string' ? jwkOrPem.includes('PRIVATE KEY') : jwkOrPem.d !== undefined || jwkOrPem.k !== undefined;
  if (isPrivate)
    throw new Error('This is a private or secret key; a partner registers a public one. Treat the private key as disclosed and replace it');
}

export function readKey(
  jwkOrPem: JsonWebKey | string,
  create: (input: string | { key: JsonWebKey; format: 'jwk' }) => KeyObject,
): KeyObject {
  try {
    return create(typeof jwkOrPem === 'string' ? jwkOrPem : { key: jwkOrPem, format: 'jwk' });
  } catch (cause) {
    throw new Error(`The ${typeof jwkOrPem === 'string' ? 'PEM' : 'JWK'} cannot be read as a key`, { cause });
  }
}

const SHORTEST_RSA_MODULUS = 2048;
// Longer keys, or far larger exponents, only make each verification slow.
const LONGEST_RSA_MODULUS = 8192;
const LARGEST_RSA_EXPONENT = 0xffff_ffffn;

export function assertStrongRsa({ modulusLength = 0, publicExponent = 0n }: AsymmetricKeyDetails = {}): void {
  if (modulusLength < SHORTEST_RSA_MODULUS) throw new Error(`The RSA key is shorter than ${SHORTEST_RSA_MODULUS} bits`);
  if (modulusLength > LONGEST_RSA_MODULUS) throw new Error(`The RSA key is longer than ${LONGEST_RSA_MODULUS} bits`);
  if (publicExponent < 3n || publicExponent > LARGEST_RSA_EXPONENT)
    throw new Error('The public exponent of the RSA key is too small or too large');
}
