import { constants, type KeyObject, type SignKeyObjectInput, sign, verify } from 'node:crypto';
import { derToP1363, p1363ToDer } from './ecdsa-encoding.ts';

/**
 * The signature algorithms of messages: EdDSA (Ed25519), ES256, RS256 and PS256, under all names they go by. There is no
 * `none` and no shared-secret algorithm: what is not in this list does not exist.
 */

export type SignatureAlgorithm = 'EdDSA' | 'ES256' | 'RS256' | 'PS256';

const ALGORITHMS: ReadonlyMap<string, SignatureAlgorithm> = new Map([
  ['ed25519', 'EdDSA'],
  ['eddsa', 'EdDSA'],
  ['es256', 'ES256'],
  ['rs256', 'RS256'],
  ['ps256', 'PS256'],
]);

/**
 * The algorithm of a name, in any case; `undefined` for names that are not accepted.
 *
 * Source: RFC 7518 section 3.1, RFC 8037, RFC 9864; the standard's example signature writes `ed25519`.
 *
 * @example
 * findAlgorithm('ed25519'); // 'EdDSA'
 * findAlgorithm('HS256'); // undefined
 */
export function findAlgorithm(name: string): SignatureAlgorithm | undefined {
  return ALGORITHMS.get(name.toLowerCase());
}

// ES256 signatures are written as r||s (IEEE P1363, as in JWS); others write DER, which is never this short.
const P1363_LENGTH = 64;

/**
 * Signs with a private key of that algorithm; an ES256 signature is written as r||s.
 *
 * @example
 * const { algorithm, key } = generateSigningKey('ES256');
 * signBytes(algorithm, key, Buffer.from('content')).length; // 64
 */
export function signBytes(algorithm: SignatureAlgorithm, key: KeyObject, content: Uint8Array): Buffer {
  return writtenForm(algorithm, sign(digestOf(algorithm), content, keyInput(algorithm, key)));
}

/** What a signature is checked against. */
export interface SignatureCheck {
  readonly algorithm: SignatureAlgorithm;
  readonly key: KeyObject;
  readonly content: Uint8Array;
  readonly signature: Uint8Array;
}

/**
 * Whether the signature is one over the content by the private half of the key; an ES256 signature may be DER or r||s.
 *
 * @example
 * verifyBytes({ algorithm: 'ES256', key: publicKey, content: Buffer.from('content'), signature }); // true
 */
export function verifyBytes({ algorithm, key, content, signature }: SignatureCheck): boolean {
  return verify(digestOf(algorithm), content, keyInput(algorithm, key), readForm(algorithm, signature));
}

function digestOf(algorithm: SignatureAlgorithm): 'sha256' | null {
  return algorithm === 'EdDSA' ? null : 'sha256';
}

// A bare key, but where it must be said how it is used: node looks long into anything else.
function keyInput(algorithm: SignatureAlgorithm, key: KeyObject): KeyObject | SignKeyObjectInput {
  return algorithm === 'PS256' ? { key, ...PSS } : key;
}

function writtenForm(algorithm: SignatureAlgorithm, signature: Buffer): Buffer {
  return algorithm === 'ES256' ? derToP1363(signature) : signature;
}

function readForm(algorithm: SignatureAlgorithm, signature: Uint8Array): Uint8Array {
  return algorithm === 'ES256' && signature.length === P1363_LENGTH ? p1363ToDer(signature) : signature;
}

// RFC 7518 section 3.5: MGF1 with the same hash, a salt as long as the hash.
const PSS = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 } as const;
