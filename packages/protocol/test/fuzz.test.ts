import { generateKeyPairSync } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { describe, expect, it } from 'vitest';
import {
  canonicalJson,
  DciError,
  type DecryptionKey,
  decryptText,
  type EncryptedMessage,
  encryptText,
  generateSigningKey,
  importDecryptionKey,
  importEncryptionKey,
  importPrivateKey,
  importPublicKey,
  parseEncryptedMessage,
  parseEnvelope,
  parseSignature,
  publicEncryptionJwk,
  publicJwk,
  readJson,
  SIGNATURE_DIALECTS,
  type SigningKey,
  signContent,
  verifyMessage,
} from '../src/index.ts';
import { mutate, seededRandom } from './support/mutate.ts';

/** Thousands of damaged signatures, messages and encrypted messages: each is refused by a code, none accepted, none a fault. */

const SEED = 20_241_115;
const NOW = 1_700_000_000;

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' });
const SIGNING_KEYS: readonly SigningKey[] = [
  generateSigningKey('EdDSA'),
  generateSigningKey('ES256'),
  importPrivateKey(rsa, { kid: 'rsa-1' }),
  importPrivateKey({ ...rsa, alg: 'PS256' }, { kid: 'rsa-2' }),
];
const PUBLIC_KEYS = new Map(SIGNING_KEYS.map((key) => [key.kid, importPublicKey({ ...publicJwk(key) })]));

const HEADER = {
  message_id: 'm-1',
  message_ts: '2023-11-14T22:13:20Z',
  action: 'search',
  sender_id: 'spmis',
  total_count: 1,
};
const MESSAGE = { transaction_id: 't-1', search_request: [{ reference_id: 'r-1', amount: 1, name: 'Zoë' }] };
const CONTENT = canonicalJson({ header: HEADER, message: MESSAGE });

const SIGNATURES = SIGNATURE_DIALECTS.flatMap((dialect) =>
  SIGNING_KEYS.map((key) => signContent(CONTENT, key, { senderId: 'spmis', created: NOW, expires: NOW + 300, dialect })),
);

function bodyOf(signature: string): string {
  return JSON.stringify({ signature, header: HEADER, message: MESSAGE });
}

/** What was accepted, or the code by which it was refused; anything else that is thrown goes on. */
function verify(body: string): { readonly accepted: object } | { readonly code: string } {
  try {
    const received = readJson(Buffer.from(body));
    const envelope = parseEnvelope(received.value);
    const findKey = (kid: string) => PUBLIC_KEYS.get(kid);
    return { accepted: verifyMessage({ received, envelope, policy: 'required', findKey, now: NOW + 10 }) };
  } catch (error) {
    if (error instanceof DciError) return { code: error.code };
    throw error;
  }
}

it('what is not damaged is accepted, so that the refusals below mean something', () => {
  for (const signature of SIGNATURES) expect(verify(bodyOf(signature))).toHaveProperty('accepted');
});

/** The text as a whole, or what the protected header of a JWS says. */
function damageSignature(original: string, other: string, random: (below: number) => number): string {
  const [encoded = '', ...rest] = original.split('.');
  if (rest.length !== 2 || random(2) === 0) return mutate(original, other, random);
  const header = mutate(Buffer.from(encoded, 'base64url').toString(), '"alg":"none","crit":["exp"],"b64":false,"kid":""}', random);
  return [Buffer.from(header).toString('base64url'), ...rest].join('.');
}

describe('4,000 damaged signatures', () => {
  it('are refused by their code, but where the damage changes nothing', () => {
    const random = seededRandom(SEED);
    const codes = new Map<string, number>();
    for (let count = 0; count < 4_000; ) {
      const original = SIGNATURES[random(SIGNATURES.length)] ?? '';
      const mutated = damageSignature(original, SIGNATURES[random(SIGNATURES.length)] ?? '', random);
      // Signatures of the others, and blanks between parameters, are no damage.
      if (SIGNATURES.includes(mutated.trim())) continue;
      count += 1;
      const outcome = verify(bodyOf(mutated));
      if ('accepted' in outcome)
        expect([mutated, isDeepStrictEqual(parseSignature(mutated), parseSignature(original))]).toEqual([mutated, true]);
      else codes.set(outcome.code, (codes.get(outcome.code) ?? 0) + 1);
    }
    expect([...codes.keys()].sort()).toEqual(['err.request.bad', 'err.signature.invalid', 'err.signature.missing']);
    expect([...codes.values()].reduce((sum, count) => sum + count, 0)).toBeGreaterThan(3_900);
  });
});

describe('2,000 damaged messages', () => {
  it('are refused, but where the damage changes nothing that is signed', () => {
    const random = seededRandom(SEED + 1);
    let refused = 0;
    for (let count = 0; count < 2_000; count += 1) {
      const body = bodyOf(SIGNATURES[random(SIGNATURES.length)] ?? '');
      const outcome = verify(mutate(body, bodyOf(SIGNATURES[random(SIGNATURES.length)] ?? ''), random));
      if ('accepted' in outcome) expect(outcome.accepted).toMatchObject({ header: HEADER, message: MESSAGE });
      else {
        expect(outcome.code).toMatch(/^err\./);
        refused += 1;
      }
    }
    expect(refused).toBeGreaterThan(1_800);
  });
});

describe('2,000 damaged encrypted messages', () => {
  const keys: readonly DecryptionKey[] = [
    importDecryptionKey(rsa, { kid: 'enc-rsa' }),
    importDecryptionKey(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' }), { kid: 'enc-ec' }),
  ];
  const encryptTo = (key: DecryptionKey) => encryptText(canonicalJson(MESSAGE), importEncryptionKey({ ...publicEncryptionJwk(key) }));

  it('are refused, but where the damage changes nothing that is encrypted', async () => {
    const random = seededRandom(SEED + 2);
    const originals = (await Promise.all([...keys, ...keys].map(encryptTo))).map((message) => JSON.stringify(message));
    const decryption = { findKey: (kid: string) => keys.find((key) => key.kid === kid), maxBytes: 10_000 };
    let refused = 0;
    for (let count = 0; count < 2_000; count += 1) {
      const mutated = damage(originals[random(originals.length)] ?? '', originals[random(originals.length)] ?? '', random);
      try {
        const message: EncryptedMessage = parseEncryptedMessage(readJson(mutated).value);
        expect(Buffer.from(await decryptText(message, decryption)).toString()).toBe(canonicalJson(MESSAGE));
      } catch (error) {
        if (!(error instanceof DciError)) throw error;
        expect(['err.encryption.invalid', 'err.request.bad']).toContain(error.code);
        refused += 1;
      }
    }
    expect(refused).toBeGreaterThan(1_800);
  });

  /** The text as a whole, or one member of it, so that most of what is tried is still a JSON object. */
  function damage(original: string, other: string, random: (below: number) => number): string {
    if (random(4) === 0) return mutate(original, other, random);
    const message = JSON.parse(original) as Record<string, unknown>;
    const name = Object.keys(message)[random(Object.keys(message).length)] ?? '';
    const from = (JSON.parse(other) as Record<string, unknown>)[name];
    const changed = mutate(JSON.stringify(message[name]).slice(1, -1), JSON.stringify(from ?? '').slice(1, -1), random);
    return typeof message[name] === 'string'
      ? JSON.stringify({ ...message, [name]: changed })
      : `${original.slice(0, -1)},"x":{${changed}}}`;
  }
});
