import { createPrivateKey, createPublicKey, generateKeyPair, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import { generateSigningKey, publicJwk, type PublicJwk, thumbprint } from '@dci/protocol';
import type { KeyUse, NewKey, StoredKey } from '../store/own-keys.ts';
import type { Sealer } from './sealer.ts';

/** How others encrypt to a key of ours (RFC 7518, 4.3 and 4.6). */
export type EncryptionAlgorithm = 'RSA-OAEP-256' | 'ECDH-ES+A256KW';

/** The public half of an encryption key, as it is published in a JWKS. */
export type PublicEncryptionJwk = Omit<PublicJwk, 'use' | 'alg'> & { readonly use: 'enc'; readonly alg: EncryptionAlgorithm };

/** A kind of key that this server makes for itself. */
export interface OwnKeyKind {
  readonly use: KeyUse;
  readonly algorithm: string;
  readonly make: () => Promise<MadeKey>;
}

interface MadeKey {
  readonly kid: string;
  readonly privateKey: KeyObject;
  readonly publicJwk: PublicJwk | PublicEncryptionJwk;
}

/**
 * RSA is what partners in the field encrypt to, and stands first because many take the first key they find; a curve is
 * what those use who can choose.
 */
export const OWN_KEY_KINDS: readonly OwnKeyKind[] = [
  { use: 'sig', algorithm: 'ES256', make: makeSigningKey },
  { use: 'enc', algorithm: 'RSA-OAEP-256', make: async () => describeEncryptionKey(await makeRsa(), 'RSA-OAEP-256') },
  { use: 'enc', algorithm: 'ECDH-ES+A256KW', make: async () => describeEncryptionKey(await makeCurve(), 'ECDH-ES+A256KW') },
];

// What is encrypted today may be worth reading for longer than a signature is good for: 128 bits of strength, not 112.
const RSA_BITS = 3072;

const generate = promisify(generateKeyPair);

async function makeRsa(): Promise<KeyObject> {
  return (await generate('rsa', { modulusLength: RSA_BITS })).privateKey;
}

async function makeCurve(): Promise<KeyObject> {
  return (await generate('ec', { namedCurve: 'P-256' })).privateKey;
}

async function makeSigningKey(): Promise<MadeKey> {
  const key = generateSigningKey('ES256');
  return { kid: key.kid, privateKey: key.key, publicJwk: publicJwk(key) };
}

function describeEncryptionKey(privateKey: KeyObject, alg: EncryptionAlgorithm): MadeKey {
  const jwk = createPublicKey(privateKey).export({ format: 'jwk' });
  const kid = thumbprint(jwk);
  return { kid, privateKey, publicJwk: { kty: '', ...jwk, kid, use: 'enc', alg } };
}

/** The key as it is kept: the private half sealed for this use of this key only. */
export function sealKey(
  { use, algorithm }: OwnKeyKind,
  { kid, privateKey, publicJwk: jwk }: MadeKey,
  sealer: Sealer,
): Omit<NewKey, 'activeInSeconds'> {
  const sealedPrivateKey = sealer.seal(privateKey.export({ type: 'pkcs8', format: 'der' }), sealedAs(use, kid));
  return { kid, use, algorithm, publicJwk: jwk, sealedPrivateKey };
}

/** A stored key whose private half is kept here. */
export type OpenableKey = StoredKey & { readonly sealedPrivateKey: Buffer };

/** The private half. Throws a `SealError` where it was sealed under another key. */
export function openKey({ kid, use, sealedPrivateKey }: OpenableKey, sealer: Sealer): KeyObject {
  return createPrivateKey({ key: sealer.unseal(sealedPrivateKey, sealedAs(use, kid)), type: 'pkcs8', format: 'der' });
}

function sealedAs(use: KeyUse, kid: string): string {
  return `the ${use === 'sig' ? 'signing' : 'encryption'} key ${kid}`;
}
