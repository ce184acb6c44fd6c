import { generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import { CompactEncrypt, FlattenedEncrypt, flattenedDecrypt } from 'jose';
import { describe, expect, it } from 'vitest';
import { DciError } from '../dci-error.ts';
import type { EncryptedMessage } from '../envelope.ts';
import { type DecryptionKey, importDecryptionKey, importEncryptionKey, publicEncryptionJwk } from './encryption-keys.ts';
import { decryptText, encryptText } from './jwe.ts';

const TEXT = JSON.stringify({ transaction_id: 't-1', name: 'Zoë 😀' });
const LIMIT = 10_000;

const RSA = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
const P256 = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
const X25519 = generateKeyPairSync('x25519').privateKey;

function own(key: KeyObject, alg?: string): DecryptionKey {
  return importDecryptionKey({ ...key.export({ format: 'jwk' }), ...(alg === undefined ? {} : { alg }) }, { kid: 'enc-1' });
}

const publicOf = (key: DecryptionKey) => importEncryptionKey({ ...publicEncryptionJwk(key) });
const finding = (key: DecryptionKey) => ({ findKey: (kid: string) => (kid === key.kid ? key : undefined), maxBytes: LIMIT });
const decrypted = async (message: EncryptedMessage, key: DecryptionKey): Promise<string> =>
  Buffer.from(await decryptText(message, finding(key))).toString();

async function refusalOf(message: EncryptedMessage, key: DecryptionKey): Promise<DciError> {
  const error = await decryptText(message, finding(key)).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(DciError);
  expect(error).toMatchObject({ code: 'err.encryption.invalid' });
  return error as DciError;
}

/** Another sender: jose itself, with whatever header it is told. */
async function encryptElsewhere(key: KeyObject, header: Record<string, string>, protectedHeader?: Record<string, string>) {
  const jwe = new FlattenedEncrypt(Buffer.from(TEXT)).setUnprotectedHeader(header);
  if (protectedHeader !== undefined) jwe.setProtectedHeader(protectedHeader);
  return (await jwe.encrypt(key)) as unknown as EncryptedMessage;
}

const KEYS = [
  ['RSA-OAEP-256', own(RSA)],
  ['RSA-OAEP', own(RSA, 'RSA-OAEP')],
  ['ECDH-ES+A256KW', own(P256)],
  ['ECDH-ES+A256KW', own(X25519)],
] as const;

describe.each(KEYS)('%s', (algorithm, key) => {
  it('is written as the standard writes it, and read back', async () => {
    const message = await encryptText(TEXT, publicOf(key));
    expect(message.header).toEqual({ alg: algorithm, enc: 'A256GCM', kid: 'enc-1' });
    for (const part of [message.ciphertext, message.encrypted_key, message.iv, message.tag]) expect(part).toMatch(/^[\w-]+$/);
    expect(JSON.stringify(message)).not.toContain('transaction_id');
    expect(await decrypted(message, key)).toBe(TEXT);
  });

  it('is read by others', async () => {
    const { plaintext } = await flattenedDecrypt(await encryptText(TEXT, publicOf(key)), key.key);
    expect(Buffer.from(plaintext).toString()).toBe(TEXT);
  });

  it.each(['A256GCM', 'A128GCM'])('of others is read with %s', async (enc) => {
    expect(await decrypted(await encryptElsewhere(publicOf(key).key, { alg: algorithm, enc, kid: 'enc-1' }), key)).toBe(TEXT);
  });

  it('of others may have a protected header beside it', async () => {
    const message = await encryptElsewhere(publicOf(key).key, { alg: algorithm, enc: 'A256GCM', kid: 'enc-1' }, { typ: 'JOSE' });
    expect(await decrypted(message, key)).toBe(TEXT);
  });

  it('is never the same twice', async () => {
    const [one, two] = [await encryptText(TEXT, publicOf(key)), await encryptText(TEXT, publicOf(key))];
    for (const part of ['ciphertext', 'encrypted_key', 'iv', 'tag'] as const) expect(one[part]).not.toBe(two[part]);
  });

  it.each(['ciphertext', 'encrypted_key', 'iv', 'tag'] as const)('is refused with another %s, saying no more than that', async (part) => {
    const message = await encryptText(TEXT, publicOf(key));
    const bytes = Buffer.from(message[part], 'base64url');
    for (const changed of [
      Buffer.concat([bytes.subarray(0, -1), Buffer.of((bytes.at(-1) ?? 0) ^ 1)]),
      bytes.subarray(0, -1),
      randomBytes(bytes.length),
      Buffer.alloc(0),
    ]) {
      const error = await refusalOf({ ...message, [part]: changed.toString('base64url') }, key);
      expect(error.message).toBe('the encryption is not accepted: it cannot be decrypted');
    }
  });

  it('is refused for another key, under an id that is there and one that is not', async () => {
    const other = importDecryptionKey(
      (key.key.asymmetricKeyType === 'rsa'
        ? generateKeyPairSync('rsa', { modulusLength: 2048 })
        : generateKeyPairSync('ec', { namedCurve: 'P-256' })
      ).privateKey.export({ format: 'jwk' }),
      { kid: 'enc-1' },
    );
    const message = await encryptText(TEXT, publicOf(other));
    await refusalOf(message, key);
    expect((await refusalOf({ ...message, header: { ...message.header, kid: 'enc-2' } }, key)).pointer).toBe('/message/header/kid');
  });

  it.each(['none', 'dir', 'RSA1_5', 'A256KW', 'ECDH-ES', 'PBES2-HS256+A128KW', 'rsa-oaep', ''])(
    'is refused with the algorithm %s',
    async (alg) => {
      const message = await encryptText(TEXT, publicOf(key));
      expect((await refusalOf({ ...message, header: { ...message.header, alg } }, key)).pointer).toBe('/message/header/alg');
    },
  );

  it.each(['none', 'A128CBC-HS256', 'A192GCM', ''])('is refused with the content encryption %s', async (enc) => {
    const message = await encryptText(TEXT, publicOf(key));
    expect((await refusalOf({ ...message, header: { ...message.header, enc } }, key)).pointer).toBe('/message/header/enc');
  });

  it('is refused when it is compressed, wherever it says so', async () => {
    const header = { alg: algorithm, enc: 'A256GCM', kid: 'enc-1' };
    const message = await encryptElsewhere(publicOf(key).key, header, { zip: 'DEF' });
    await refusalOf(message, key);
    const plain = await encryptText(TEXT, publicOf(key));
    await refusalOf({ ...plain, header: { ...plain.header, zip: 'DEF' } as never }, key);
  });

  it('is refused when it is too large', async () => {
    const message = await encryptText('x'.repeat(LIMIT + 1), publicOf(key));
    expect((await refusalOf(message, key)).message).toContain(`larger than ${LIMIT} bytes`);
    expect(await decrypted(await encryptText('x'.repeat(LIMIT), publicOf(key)), key)).toHaveLength(LIMIT);
  });

  it('is refused with a header that contradicts itself or asks for what is not known', async () => {
    const message = await encryptText(TEXT, publicOf(key));
    for (const header of [{ alg: 'none' }, { enc: 'A128GCM' }, { crit: ['exp'], exp: 1 }, { crit: [] }, []])
      await refusalOf({ ...message, protected: Buffer.from(JSON.stringify(header)).toString('base64url') }, key);
    await refusalOf({ ...message, aad: 'YWJj' }, key);
  });
});

describe('a key', () => {
  it('of one kind takes nothing that was encrypted to another', async () => {
    for (const [, key] of KEYS)
      for (const [, other] of KEYS)
        if (key.key.asymmetricKeyType !== other.key.asymmetricKeyType) await refusalOf(await encryptText(TEXT, publicOf(key)), other);
  });

  it.each([
    ['private', () => importEncryptionKey(RSA.export({ format: 'jwk' })), 'private or secret'],
    ['not private', () => importDecryptionKey({ kty: 'RSA', n: 'AA', e: 'AQAB' }), 'no private part'],
    ['weak', () => own(generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey), 'shorter than 2048'],
    ['for signatures', () => importDecryptionKey({ ...RSA.export({ format: 'jwk' }), use: 'sig' }), 'not meant for encryption'],
    ['for RSA1_5', () => own(RSA, 'RSA1_5'), 'not one that its kind serves'],
    ['of another algorithm', () => own(P256, 'RSA-OAEP'), 'not one that its kind serves'],
    ['of Ed25519', () => own(generateKeyPairSync('ed25519').privateKey), 'no kind that is encrypted to'],
    ['on another curve', () => own(generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey), 'curve other than'],
  ])('that is %s is refused, in words for the operator', (_name, make, words) => {
    expect(make).toThrow(words);
  });
});

it('a compact JWE is none of these', async () => {
  const compact = await new CompactEncrypt(Buffer.from(TEXT))
    .setProtectedHeader({ alg: 'RSA-OAEP-256', enc: 'A256GCM' })
    .encrypt(publicOf(own(RSA)).key);
  const [protectedHeader = '', encrypted_key = '', iv = '', ciphertext = '', tag = ''] = compact.split('.');
  const header = { alg: 'RSA-OAEP-256', enc: 'A256GCM', kid: 'enc-1' };
  await refusalOf({ header, protected: protectedHeader, encrypted_key, iv, ciphertext, tag }, own(RSA));
});
