import { createPrivateKey, createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto';
import type { VerificationKey } from '../signature/keys.ts';
import { assertStrongRsa, exportPublicJwk, readKey, refusePrivate, requiredMembers, thumbprint } from '../key-material.ts';

/**
 * Keys that messages are encrypted to. Refused, in words for the operator: keys that are meant to sign, secret or private
 * material where a public key is meant, weak or unknown kinds.
 */

/** How the key of the content is encrypted or agreed. */
export const ENCRYPTION_ALGORITHMS = ['RSA-OAEP-256', 'RSA-OAEP', 'ECDH-ES+A256KW'] as const;

/** RFC 7518 sections 4.3 and 4.6. `RSA-OAEP`, with SHA-1, is there for those who know no other. */
export type EncryptionAlgorithm = (typeof ENCRYPTION_ALGORITHMS)[number];

/** A public key to encrypt to. */
export interface EncryptionKey {
  readonly kid: string;
  readonly algorithm: EncryptionAlgorithm;
  readonly key: KeyObject;
}

/** A private key of one's own, to decrypt with; with an RSA key either of the two RSA algorithms. */
export interface DecryptionKey {
  readonly kid: string;
  readonly algorithm: EncryptionAlgorithm;
  readonly key: KeyObject;
}

/** A public encryption key as it stands in a JWKS (RFC 7517). */
export type PublicEncryptionJwk = {
  readonly kty: string;
  readonly kid: string;
  readonly use: 'enc';
  readonly alg: EncryptionAlgorithm;
  readonly crv?: string;
  readonly x?: string;
  readonly y?: string;
  readonly n?: string;
  readonly e?: string;
};

/** What a key is to be called, where the key itself does not say it or says it differently. */
interface EncryptionKeyOptions {
  readonly kid?: string;
}

/**
 * Reads a public key to encrypt to: a JWK, or a PEM (SubjectPublicKeyInfo, PKCS#1 or X.509 certificate). Without a `kid`
 * its RFC 7638 thumbprint is taken; without `alg` an RSA key is used with RSA-OAEP-256.
 *
 * @throws Error for the operator, when the key is private, weak, meant to sign, or of an unknown kind.
 *
 * @example
 * const key = importEncryptionKey({ kty: 'OKP', crv: 'X25519', x: '3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08' }, { kid: 'enc-1' });
 * key.algorithm; // 'ECDH-ES+A256KW'
 */
export function importEncryptionKey(jwkOrPem: JsonWebKey | string, options: EncryptionKeyOptions = {}): EncryptionKey {
  refusePrivate(jwkOrPem);
  return describeKey(jwkOrPem, readKey(jwkOrPem, createPublicKey), options);
}

/**
 * Reads a private key to decrypt with: a JWK or an unencrypted PEM. As {@link importEncryptionKey} otherwise.
 *
 * @throws Error for the operator, when it is no private key, weak, meant to sign, or of an unknown kind.
 *
 * @example
 * const { privateKey } = generateKeyPairSync('x25519');
 * importDecryptionKey(privateKey.export({ format: 'jwk' })).algorithm; // 'ECDH-ES+A256KW'
 */
export function importDecryptionKey(jwkOrPem: JsonWebKey | string, options: EncryptionKeyOptions = {}): DecryptionKey {
  if (typeof jwkOrPem !== 'string' && typeof jwkOrPem.d !== 'string')
    throw new Error('The JWK has no private part ("d"): a key that decrypts is private');
  return describeKey(jwkOrPem, readKey(jwkOrPem, createPrivateKey), options);
}

/**
 * The public half of a key, as it is published in a JWKS.
 *
 * @example
 * const jwks = { keys: [publicEncryptionJwk(importDecryptionKey(pem))] };
 */
export function publicEncryptionJwk({ kid, algorithm, key }: EncryptionKey | DecryptionKey): PublicEncryptionJwk {
  return { ...requiredMembers(exportPublicJwk(key)), kid, use: 'enc', alg: algorithm };
}

/**
 * Whether a key is one to encrypt to, by the algorithm it is bound to.
 *
 * @example
 * const [recipient] = keys.filter(isEncryptionKey);
 */
export function isEncryptionKey(key: EncryptionKey | VerificationKey): key is EncryptionKey {
  return ENCRYPTION_ALGORITHMS.some((algorithm) => algorithm === key.algorithm);
}

function describeKey(jwkOrPem: JsonWebKey | string, key: KeyObject, options: EncryptionKeyOptions): EncryptionKey {
  const jwk: JsonWebKey = typeof jwkOrPem === 'string' ? {} : jwkOrPem;
  if (jwk['use'] !== undefined && jwk['use'] !== 'enc')
    throw new Error('The JWK is not meant for encryption: its "use" must be "enc" or absent');
  const kid = options.kid ?? (typeof jwk['kid'] === 'string' && jwk['kid'] !== '' ? jwk['kid'] : thumbprint(exportPublicJwk(key)));
  if (kid === '') throw new Error('A key id may not be empty');
  return { kid, algorithm: chooseAlgorithm(key, jwk['alg']), key };
}

function chooseAlgorithm(key: KeyObject, stated: unknown): EncryptionAlgorithm {
  const possible = algorithmsOf(key);
  const algorithm = stated === undefined ? possible[0] : possible.find((name) => name === stated);
  if (algorithm === undefined)
    throw new Error(`The algorithm ("alg") of the key is not one that its kind serves: ${possible.join(' or ')}`);
  return algorithm;
}

/** What may be encrypted to a key, or with its private half decrypted; the default first. */
export function algorithmsOf(key: KeyObject): readonly EncryptionAlgorithm[] {
  switch (key.asymmetricKeyType) {
    case 'rsa':
      assertStrongRsa(key.asymmetricKeyDetails);
      return ['RSA-OAEP-256', 'RSA-OAEP'];
    case 'ec':
      if (key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') throw new Error('The key is on a curve other than P-256 or X25519');
      return ['ECDH-ES+A256KW'];
    case 'x25519':
      return ['ECDH-ES+A256KW'];
    default:
      throw new Error('The key is of no kind that is encrypted to: RSA, EC P-256 or X25519');
  }
}
