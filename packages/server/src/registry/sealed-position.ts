import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';

/**
 * Where a next page begins, sealed (AES-256-GCM), so that nothing internal can be read in it and nothing made up is
 * accepted. It opens only under the binding it was sealed with: whose it is, and of which question.
 */
export interface Seal {
  readonly key: Buffer;
  /** Names the use: one key may serve several. */
  readonly use: string;
  readonly binding: unknown;
}

const CIPHER = 'aes-256-gcm';
const VERSION = 1;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const LONGEST = 4_096;

export function sealPosition(position: object, seal: Seal): string {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(CIPHER, cipherKey(seal), nonce).setAAD(digestBinding(seal));
  const sealed = Buffer.concat([cipher.update(JSON.stringify(position), 'utf8'), cipher.final()]);
  return Buffer.concat([Buffer.of(VERSION), nonce, sealed, cipher.getAuthTag()]).toString('base64url');
}

/** Undefined: it was not sealed here, or under another binding. Only what `sealPosition` was given comes out. */
export function openPosition(text: string, seal: Seal): unknown {
  if (text.length > LONGEST || !/^[\w-]+$/.test(text)) return undefined;
  const bytes = Buffer.from(text, 'base64url');
  if (bytes[0] !== VERSION || bytes.length <= 1 + NONCE_BYTES + TAG_BYTES) return undefined;
  const nonce = bytes.subarray(1, 1 + NONCE_BYTES);
  const decipher = createDecipheriv(CIPHER, cipherKey(seal), nonce, { authTagLength: TAG_BYTES })
    .setAAD(digestBinding(seal))
    .setAuthTag(bytes.subarray(-TAG_BYTES));
  try {
    const opened = Buffer.concat([decipher.update(bytes.subarray(1 + NONCE_BYTES, -TAG_BYTES)), decipher.final()]);
    return JSON.parse(opened.toString('utf8')) as unknown;
  } catch {
    return undefined;
  }
}

function cipherKey({ key, use }: Seal): Buffer {
  return createHash('sha256').update(`dci ${use} cursor\0`).update(key).digest();
}

function digestBinding({ binding }: Seal): Buffer {
  return createHash('sha256')
    .update(JSON.stringify([VERSION, binding]))
    .digest();
}
