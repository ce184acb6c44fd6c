import { type FlattenedJWE, FlattenedEncrypt, flattenedDecrypt } from 'jose';
import { DciError } from '../dci-error.ts';
import type { EncryptedMessage } from '../envelope.ts';
import { algorithmsOf, type DecryptionKey, type EncryptionKey } from './encryption-keys.ts';

/**
 * The encrypted form of a message: a flattened JWE (RFC 7516 section 7.2.2) whose algorithms and key id stand in its
 * unprotected header, as the standard writes it. It says nothing of who sent it: that is for the signature, which covers the
 * encrypted form. Refused, all by `err.encryption.invalid`: other algorithms than the key's, keys that are not there,
 * whatever was tampered with, compression, and what is too large.
 */

const CONTENT_ALGORITHMS = ['A256GCM', 'A128GCM'];
const WRITTEN_CONTENT_ALGORITHM = 'A256GCM';

/**
 * Encrypts the text of a message to a key, on threads of the pool. Content is encrypted with A256GCM.
 *
 * Source: `EncryptedMessage` of the SPDCI OpenAPI 1.0.0; RFC 7516. What ECDH-ES needs beside the standard's members, its
 * ephemeral key, is in `protected`.
 *
 * @example
 * const message = await encryptText('{"transaction_id":"t-1"}', importEncryptionKey(partnersJwk));
 */
export async function encryptText(text: string, { kid, algorithm, key }: EncryptionKey): Promise<EncryptedMessage> {
  const jwe = await new FlattenedEncrypt(Buffer.from(text))
    .setUnprotectedHeader({ alg: algorithm, enc: WRITTEN_CONTENT_ALGORITHM, kid })
    .encrypt(key);
  const { ciphertext, encrypted_key = '', iv = '', tag = '' } = jwe;
  return {
    header: { alg: algorithm, enc: WRITTEN_CONTENT_ALGORITHM, kid },
    ciphertext,
    encrypted_key,
    iv,
    tag,
    ...(jwe.protected === undefined ? {} : { protected: jwe.protected }),
  };
}

/** What a message is decrypted with. */
export interface Decryption {
  /** A key of one's own, by its id. */
  readonly findKey: (kid: string) => DecryptionKey | undefined;
  /** Largest text that is taken, bytes. */
  readonly maxBytes: number;
}

/**
 * Decrypts a message, on threads of the pool.
 *
 * @returns the bytes that were encrypted
 * @throws DciError `err.encryption.invalid`; whether key or content did not fit is not told
 *
 * @example
 * const bytes = await decryptText(parseEncryptedMessage(envelope.message), { findKey: (kid) => own.get(kid), maxBytes: 1_000_000 });
 */
export async function decryptText(message: EncryptedMessage, { findKey, maxBytes }: Decryption): Promise<Uint8Array> {
  const { header, ciphertext, encrypted_key, iv, tag, protected: protectedHeader, aad } = message;
  if (Math.floor((ciphertext.length * 3) / 4) > maxBytes) throw invalidEncryption(`the encrypted message is larger than ${maxBytes} bytes`);
  const key = findKey(header.kid);
  if (key === undefined || key.kid !== header.kid)
    throw invalidEncryption('"kid" does not name a key of this receiver', '/message/header/kid');
  const algorithms = algorithmsOf(key.key);
  if (!algorithms.some((name) => name === header.alg))
    throw invalidEncryption(`"alg" must be ${algorithms.join(' or ')} for this key`, '/message/header/alg');
  if (!CONTENT_ALGORITHMS.includes(header.enc))
    throw invalidEncryption(`"enc" must be ${CONTENT_ALGORITHMS.join(' or ')}`, '/message/header/enc');
  // Only what is read here is handed on: no second header, no other recipients.
  const jwe: FlattenedJWE = {
    header,
    ciphertext,
    encrypted_key,
    iv,
    tag,
    ...(protectedHeader === undefined ? {} : { protected: protectedHeader }),
    ...(aad === undefined ? {} : { aad }),
  };
  return await decrypt(jwe, key, algorithms);
}

async function decrypt(jwe: FlattenedJWE, { key }: DecryptionKey, algorithms: readonly string[]): Promise<Uint8Array> {
  try {
    const { plaintext } = await flattenedDecrypt(jwe, key, {
      keyManagementAlgorithms: [...algorithms],
      contentEncryptionAlgorithms: CONTENT_ALGORITHMS,
      // 0: what is compressed is refused.
      maxDecompressedLength: 0,
    });
    return plaintext;
  } catch (cause) {
    throw invalidEncryption('it cannot be decrypted', '/message', cause);
  }
}

/** Refusal of a message that is encrypted and cannot be taken so, or that is not and should be. */
export function invalidEncryption(text: string, pointer = '/message', cause?: unknown): DciError {
  return new DciError('err.encryption.invalid', `the encryption is not accepted: ${text}`, { pointer, cause });
}
