import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseEnvelope } from '../envelope.ts';
import { readJson } from '../json-text.ts';
import { type AcceptedSignature, type SignaturePolicy, type VerifiedMessage, verifyMessage } from '../verified-message.ts';
import { importPrivateKey, importPublicKey, type PublicJwk, publicJwk, type VerificationKey } from './keys.ts';

interface Vector {
  readonly body: string;
  readonly policy: SignaturePolicy;
  readonly now: number;
  readonly expect: { readonly code?: string; readonly unsigned?: true } & Partial<AcceptedSignature>;
}

const FOLDER = new URL('../../vectors/signature/', import.meta.url);

function readVector<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(name, FOLDER), 'utf8'));
}

function vectorNames(kind: 'valid' | 'invalid'): string[] {
  return readdirSync(new URL(`${kind}/`, FOLDER)).map((file) => `${kind}/${file}`);
}

const KEYS = readVector<Record<string, { readonly keys: readonly PublicJwk[] }>>('public-keys.json');

function findKey(senderId: string, kid: string): VerificationKey | undefined {
  const jwk = KEYS[senderId]?.keys.find((key) => key.kid === kid);
  return jwk === undefined ? undefined : importPublicKey(jwk);
}

function verifyVector({ body, policy, now }: Vector): VerifiedMessage {
  const received = readJson(Buffer.from(body));
  const envelope = parseEnvelope(received.value);
  return verifyMessage({ received, envelope, policy, now, findKey: (kid) => findKey(envelope.header.sender_id, kid) });
}

describe('valid vectors', () => {
  it.each(vectorNames('valid'))('%s', (name) => {
    const vector = readVector<Vector>(name);
    const { signedBy } = verifyVector(vector);
    if (vector.expect.unsigned === true) expect(signedBy).toBeUndefined();
    else expect(signedBy).toMatchObject(vector.expect);
  });
});

describe('invalid vectors', () => {
  it.each(vectorNames('invalid'))('%s', (name) => {
    const vector = readVector<Vector>(name);
    expect(() => verifyVector(vector)).toThrow(expect.objectContaining({ name: 'DciError', code: vector.expect.code }));
  });
});

it('the private keys of the vectors are the other halves of the public ones', () => {
  const { keys } = readVector<{ keys: Record<string, string> }>('test-only-private-keys.json');
  const published = Object.values(KEYS).flatMap((set) => set.keys);
  expect(Object.keys(keys).sort()).toEqual(published.map(({ kid }) => kid).sort());
  for (const jwk of published) expect(publicJwk(importPrivateKey(keys[jwk.kid] ?? '', { kid: jwk.kid, algorithm: jwk.alg }))).toEqual(jwk);
});
