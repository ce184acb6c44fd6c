import { generateKeyPairSync } from 'node:crypto';
import {
  type AcceptedSignature,
  type DecryptionKey,
  type EncryptionKey,
  generateSigningKey,
  importDecryptionKey,
  importEncryptionKey,
  importPrivateKey,
  importPublicKey,
  openMessage,
  parseCallbackEnvelope,
  parseSearchResponse,
  type PublicEncryptionJwk,
  type PublicJwk,
  readJson,
  type SearchResponse,
  type SigningKey,
  verifyMessage,
} from '@dci/protocol';
import type { Answer } from '../support/test-app.ts';

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' });

/** One key for each algorithm of signatures. */
export const SIGNING_KEYS: readonly SigningKey[] = [
  generateSigningKey('EdDSA'),
  generateSigningKey('ES256'),
  importPrivateKey(rsa, { kid: 'rsa-1' }),
  importPrivateKey({ ...rsa, alg: 'PS256' }, { kid: 'rsa-2' }),
];

export const DECRYPTION_KEYS: readonly DecryptionKey[] = [
  importDecryptionKey(rsa, { kid: 'enc-rsa' }),
  importDecryptionKey({ ...rsa, alg: 'RSA-OAEP' }, { kid: 'enc-rsa-sha1' }),
  importDecryptionKey(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' }), { kid: 'enc-ec' }),
];

export interface ReadAnswer {
  readonly signedBy: AcceptedSignature | undefined;
  readonly encrypted: boolean;
  readonly response: SearchResponse | undefined;
}

/** Reads an answer as its receiver does: verifies it with the server's published keys, and opens it with its own. */
export async function readAnswer(base: string, { text }: Answer, own?: DecryptionKey): Promise<ReadAnswer> {
  const keys = await publishedKeys(base);
  const received = readJson(text);
  const { header, message } = parseCallbackEnvelope(received.value);
  const envelope = { header: { ...header, sender_id: header.sender_id ?? '', total_count: 0 }, message: message ?? {} };
  const findKey = (kid: string) => keys.flatMap((jwk) => (jwk.use === 'sig' && jwk.kid === kid ? [importPublicKey(jwk)] : []))[0];
  const verified = verifyMessage({ received, envelope, policy: 'required', findKey, now: Math.floor(Date.now() / 1000) });
  const opened = await openMessage(verified, { findKey: () => own, maxBytes: 10_000_000 });
  const response = message === undefined ? undefined : parseSearchResponse(opened.message);
  return { signedBy: verified.signedBy, encrypted: header.is_msg_encrypted === true, response };
}

/** The keys that the server is encrypted to. */
export async function serverEncryptionKeys(base: string): Promise<EncryptionKey[]> {
  return (await publishedKeys(base)).flatMap((jwk) => (jwk.use === 'enc' ? [importEncryptionKey(jwk)] : []));
}

async function publishedKeys(base: string): Promise<readonly (PublicJwk | PublicEncryptionJwk)[]> {
  return ((await (await fetch(`${base}/.well-known/jwks.json`)).json()) as { keys: (PublicJwk | PublicEncryptionJwk)[] }).keys;
}
