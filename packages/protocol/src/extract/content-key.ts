import { encryptText, decryptText, invalidEncryption } from '../encryption/jwe.ts';
import type { DecryptionKey, EncryptionKey } from '../encryption/encryption-keys.ts';
import type { EncryptedMessage } from '../envelope.ts';
import { CONTENT_KEY_BYTES } from './segments.ts';

/**
 * The key of an extract's content, encrypted to the recipient's key: a JWE as messages are, whose plaintext is the
 * base64url text of the 32 bytes.
 */

const TEXT_LENGTH = Math.ceil((CONTENT_KEY_BYTES * 4) / 3);

/**
 * Encrypts the key of a content to the recipient's key.
 *
 * @param contentKey 32 random bytes that were never used before
 *
 * @example
 * const key = await wrapContentKey(randomBytes(CONTENT_KEY_BYTES), importEncryptionKey(partnersJwk));
 */
export async function wrapContentKey(contentKey: Uint8Array, recipient: EncryptionKey): Promise<EncryptedMessage> {
  if (contentKey.length !== CONTENT_KEY_BYTES) throw new RangeError(`The key of a content has ${CONTENT_KEY_BYTES} bytes`);
  return await encryptText(Buffer.from(contentKey).toString('base64url'), recipient);
}

/**
 * Decrypts the key of a content.
 *
 * @param findKey a private key of the recipient, by its id
 * @returns 32 bytes
 * @throws DciError `err.encryption.invalid` when it is encrypted to another key, or is no key of a content
 *
 * @example
 * const own = importDecryptionKey(pem, { kid: manifest.encryption.key.header.kid });
 * const contentKey = await unwrapContentKey(manifest.encryption.key, (kid) => (kid === own.kid ? own : undefined));
 */
export async function unwrapContentKey(wrapped: EncryptedMessage, findKey: (kid: string) => DecryptionKey | undefined): Promise<Buffer> {
  const text = Buffer.from(await decryptText(wrapped, { findKey, maxBytes: TEXT_LENGTH })).toString('latin1');
  const key = Buffer.from(text, 'base64url');
  if (key.length !== CONTENT_KEY_BYTES || key.toString('base64url') !== text)
    throw invalidEncryption(`the key of the content is not the base64url text of ${CONTENT_KEY_BYTES} bytes`, '');
  return key;
}
