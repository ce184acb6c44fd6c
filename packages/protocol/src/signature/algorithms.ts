import { constants, type KeyObject, sign, verify } from 'node:crypto';
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

/** Signs with a private key of that algorithm. */
export function signBytes(algorithm: SignatureAlgorithm, key: KeyObject, content: Uint8Array): Buffer {
  switch (algorithm) {
    case 'EdDSA':
      return sign(null, content, key);
    case 'ES256':
      return derToP1363(sign('sha256', content, key));
    case 'RS256':
      return sign('sha256', content, key);
    case 'PS256':
      return sign('sha256', content, { key, ...PSS });
  }
}

/** Whether the signature is one over the content by the private half of the key; an ES256 signature may be DER or P1363. */
export function verifyBytes(algorithm: SignatureAlgorithm, key: KeyObject, content: Uint8Array, signature: Uint8Array): boolean {
  switch (algorithm) {
    case 'EdDSA':
      return verify(null, content, key, signature);
    case 'ES256':
      return verify('sha256', content, key, signature.length === P1363_LENGTH ? p1363ToDer(signature) : signature);
    case 'RS256':
      return verify('sha256', content, key, signature);
    case 'PS256':
      return verify('sha256', content, { key, ...PSS }, signature);
  }
}

// RFC 7518 section 3.5: MGF1 with the same hash, a salt as long as the hash.
const PSS = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 } as const;
