import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { importDecryptionKey, importEncryptionKey, publicEncryptionJwk } from '../encryption/encryption-keys.ts';
import { encryptText } from '../encryption/jwe.ts';
import { unwrapContentKey, wrapContentKey } from './content-key.ts';
import { CONTENT_KEY_BYTES } from './segments.ts';

const makeKey = (kind: 'rsa' | 'x25519') => {
  const { privateKey } = kind === 'rsa' ? generateKeyPairSync('rsa', { modulusLength: 2048 }) : generateKeyPairSync('x25519');
  return importDecryptionKey(privateKey.export({ format: 'jwk' }), { kid: 'enc-1' });
};

describe.each(['rsa', 'x25519'] as const)('the key of a content, wrapped to a key of kind %s', (kind) => {
  const own = makeKey(kind);
  const recipient = importEncryptionKey({ ...publicEncryptionJwk(own) });
  const find = (kid: string) => (kid === own.kid ? own : undefined);

  it('is unwrapped by who has the private half', async () => {
    const key = randomBytes(CONTENT_KEY_BYTES);
    const wrapped = await wrapContentKey(key, recipient);
    expect(wrapped.header).toEqual({ alg: own.algorithm, enc: 'A256GCM', kid: 'enc-1' });
    expect(await unwrapContentKey(wrapped, find)).toEqual(key);
  });

  it('is not unwrapped by another key, nor without one', async () => {
    const wrapped = await wrapContentKey(randomBytes(CONTENT_KEY_BYTES), recipient);
    const other = makeKey(kind);
    await expect(unwrapContentKey(wrapped, () => other)).rejects.toMatchObject({ code: 'err.encryption.invalid' });
    await expect(unwrapContentKey(wrapped, () => undefined)).rejects.toMatchObject({ code: 'err.encryption.invalid' });
  });

  it.each([
    ['too short', randomBytes(31).toString('base64url')],
    ['too long', randomBytes(33).toString('base64url')],
    ['empty', ''],
    ['no base64url', `${'+'.repeat(42)}A`],
    ['one of two texts of the same bytes', `${'A'.repeat(42)}B`],
  ])('is refused when it is %s', async (_, text) => {
    await expect(unwrapContentKey(await encryptText(text, recipient), find)).rejects.toMatchObject({ code: 'err.encryption.invalid' });
  });
});

it('does not wrap what is no key of a content', async () => {
  const recipient = importEncryptionKey({ ...publicEncryptionJwk(makeKey('x25519')) });
  await expect(wrapContentKey(randomBytes(31), recipient)).rejects.toBeInstanceOf(RangeError);
});
