import { createPrivateKey, createPublicKey, generateKeyPairSync, type JsonWebKey, type KeyObject } from 'node:crypto';
import { assertStrongRsa, exportPublicJwk, readKey, refusePrivate, requiredMembers, thumbprint } from '../key-material.ts';
import { findAlgorithm, type SignatureAlgorithm } from './algorithms.ts';

/**
 * Keys that sign and verify messages. A key is bound to one algorithm when it is read, so that a message cannot choose
 * another. Refused, in words for the operator: secret or private material where a public key is meant, encryption keys, weak
 * or unknown kinds.
 */

/** A partner's public key. */
export interface VerificationKey {
  readonly kid: string;
  readonly algorithm: SignatureAlgorithm;
  readonly key: KeyObject;
}

/** A private key of one's own. */
export interface SigningKey {
  readonly kid: string;
  readonly algorithm: SignatureAlgorithm;
  readonly key: KeyObject;
}

/** A public key as it stands in a JWKS (RFC 7517). */
export type PublicJwk = {
  readonly kty: string;
  readonly kid: string;
  readonly use: 'sig';
  readonly alg: SignatureAlgorithm;
  readonly crv?: string;
  readonly x?: string;
  readonly y?: string;
  readonly n?: string;
  readonly e?: string;
};

/** What a key is to be called and used for, where the key itself does not say it or says it differently. */
export interface KeyOptions {
  readonly kid?: string;
  readonly algorithm?: SignatureAlgorithm;
}

/**
 * Reads a public key: a JWK (RFC 7517), or a PEM (SubjectPublicKeyInfo, PKCS#1 or X.509 certificate).
 * Without a `kid` its RFC 7638 thumbprint is taken; an RSA key without `alg` is used with RS256.
 *
 * @throws Error for the operator, when the key is private, weak, meant for encryption, or of an unknown kind.
 *
 * @example
 * const key = importPublicKey({ kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' }, { kid: 'key-1' });
 * key.algorithm; // 'EdDSA'
 */
export function importPublicKey(jwkOrPem: JsonWebKey | string, options: KeyOptions = {}): VerificationKey {
  refusePrivate(jwkOrPem);
  return describeKey(jwkOrPem, readKey(jwkOrPem, createPublicKey), options);
}

/**
 * Reads a private signing key: a JWK or an unencrypted PEM (PKCS#8, PKCS#1 or SEC1). As {@link importPublicKey} otherwise.
 *
 * @throws Error for the operator, when it is no private key, weak, meant for encryption, or of an unknown kind.
 *
 * @example
 * const { key } = generateSigningKey('ES256');
 * importPrivateKey(key.export({ type: 'pkcs8', format: 'pem' }).toString()).algorithm; // 'ES256'
 */
export function importPrivateKey(jwkOrPem: JsonWebKey | string, options: KeyOptions = {}): SigningKey {
  if (typeof jwkOrPem !== 'string' && typeof jwkOrPem.d !== 'string')
    throw new Error('The JWK has no private part ("d"): a signing key is private');
  return describeKey(jwkOrPem, readKey(jwkOrPem, createPrivateKey), options);
}

/**
 * Makes a new signing key, named by its RFC 7638 thumbprint.
 *
 * @example
 * const key = generateSigningKey('EdDSA');
 */
export function generateSigningKey(algorithm: 'ES256' | 'EdDSA'): SigningKey {
  const { privateKey } = algorithm === 'ES256' ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : generateKeyPairSync('ed25519');
  return { kid: thumbprint(exportPublicJwk(privateKey)), algorithm, key: privateKey };
}

/**
 * The public half of a key, as it is published in a JWKS.
 *
 * @example
 * const jwks = { keys: [publicJwk(generateSigningKey('ES256'))] };
 */
export function publicJwk({ kid, algorithm, key }: SigningKey | VerificationKey): PublicJwk {
  return { ...requiredMembers(exportPublicJwk(key)), kid, use: 'sig', alg: algorithm };
}

function describeKey(jwkOrPem: JsonWebKey | string, key: KeyObject, options: KeyOptions): VerificationKey {
  const jwk: JsonWebKey = typeof jwkOrPem === 'string' ? {} : jwkOrPem;
  assertMeantToSign(jwk);
  const algorithm = chooseAlgorithm(key, options.algorithm ?? statedAlgorithm(jwk));
  const kid = options.kid ?? (typeof jwk['kid'] === 'string' && jwk['kid'] !== '' ? jwk['kid'] : thumbprint(exportPublicJwk(key)));
  if (kid === '') throw new Error('A key id may not be empty');
  return { kid, algorithm, key };
}

function assertMeantToSign(jwk: JsonWebKey): void {
  if (jwk['use'] !== undefined && jwk['use'] !== 'sig')
    throw new Error('The JWK is not meant for signatures: its "use" must be "sig" or absent');
  const operations = jwk['key_ops'];
  if (Array.isArray(operations) && !operations.includes('verify') && !operations.includes('sign'))
    throw new Error('The JWK is not meant for signatures: its "key_ops" name neither "verify" nor "sign"');
}

function statedAlgorithm(jwk: JsonWebKey): SignatureAlgorithm | undefined {
  const name = jwk['alg'];
  if (name === undefined) return undefined;
  const algorithm = typeof name === 'string' ? findAlgorithm(name) : undefined;
  if (algorithm === undefined) throw new Error('The algorithm ("alg") of the JWK is not one of EdDSA, ES256, RS256, PS256');
  return algorithm;
}

function chooseAlgorithm(key: KeyObject, stated: SignatureAlgorithm | undefined): SignatureAlgorithm {
  const possible = possibleAlgorithms(key);
  const algorithm = stated ?? possible[0];
  if (algorithm === undefined || !possible.includes(algorithm))
    throw new Error(`The key is not one for ${algorithm}: its kind serves ${possible.join(' or ')}`);
  return algorithm;
}

/** The default first. */
function possibleAlgorithms(key: KeyObject): readonly SignatureAlgorithm[] {
  switch (key.asymmetricKeyType) {
    case 'ed25519':
      return ['EdDSA'];
    case 'ec':
      if (key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') throw new Error('The key is on a curve other than P-256');
      return ['ES256'];
    case 'rsa':
      assertStrongRsa(key.asymmetricKeyDetails);
      return ['RS256', 'PS256'];
    default:
      throw new Error('The key is of no kind that signs messages: Ed25519, EC P-256 or RSA');
  }
}
