import { createPrivateKey, generateKeyPair, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import {
  generateSigningKey,
  importDecryptionKey,
  type PublicEncryptionJwk,
  publicEncryptionJwk,
  publicJwk,
  type PublicJwk,
} from '@dci/protocol';
import type { KeyUse, NewKey, StoredKey } from '../store/own-keys.ts';
import type { Sealer } from './sealer.ts';

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
  { use: 'enc', algorithm: 'RSA-OAEP-256', make: async () => describeEncryptionKey(await makeRsa()) },
  { use: 'enc', algorithm: 'ECDH-ES+A256KW', make: async () => describeEncryptionKey(await makeCurve()) },
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

function describeEncryptionKey(privateKey: KeyObject): MadeKey {
  const key = importDecryptionKey(privateKey.export({ format: 'jwk' }));
  return { kid: key.kid, privateKey, publicJwk: publicEncryptionJwk(key) };
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

/** What a private half is sealed for: nothing else opens it. */
export function sealedAs(use: KeyUse, kid: string): string {
  return `the ${use === 'sig' ? 'signing' : 'encryption'} key ${kid}`;
}
