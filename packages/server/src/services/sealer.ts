import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Keeps private keys under the key encryption key, and derives from it the keys that are needed alike on every node.
 * Refuses a key of any other size than 32 bytes, and whatever was sealed under another key or for another use.
 */
export interface Sealer {
  /** AES-256-GCM; `use` is bound to the result and must be the same to open it. */
  seal(plain: Uint8Array, use: string): Buffer;
  /** Throws a `SealError` where it was sealed under another key, for another use, or was changed. */
  unseal(sealed: Uint8Array, use: string): Buffer;
  /** 32 bytes for one purpose, the same wherever the key encryption key is the same. */
  deriveKey(label: string): Buffer;
}

/** Something about the key encryption key that the operator must mend; the message says what. */
export class SealError extends Error {
  override readonly name = 'SealError';
}

export interface SealerSettings {
  /** Base64 of 32 bytes; absent: a file in `dataDir`, made when there is none. */
  readonly keyEncryptionKey: string | undefined;
  readonly dataDir: string;
  /** Present where the database is not our own: other nodes may need the same key. */
  readonly databaseUrl: string | undefined;
}

const KEY_BYTES = 32;
const IV_BYTES = 12;
const TAG_BYTES = 16;
const FORMAT = 1;
export const KEY_FILE = 'key-encryption.key';

/** Takes the key from the settings or from its file; `warn` is told when a file had to be made. */
export function openSealer(settings: SealerSettings, warn: (text: string) => void): Sealer {
  if (settings.keyEncryptionKey !== undefined) return createSealer(parseKey(settings.keyEncryptionKey, 'DCI_KEY_ENCRYPTION_KEY'));
  return createSealer(loadKeyFile(settings, warn));
}

/** A sealer under the key that a file holds, as base64. */
export function readSealer(file: string): Sealer {
  return createSealer(parseKey(readFileSync(file, 'utf8').trim(), file));
}

export function createSealer(keyEncryptionKey: Uint8Array): Sealer {
  const deriveKey = (label: string): Buffer => Buffer.from(hkdfSync('sha256', keyEncryptionKey, '', `dci ${label}`, KEY_BYTES));
  const sealingKey = deriveKey('seal');
  return {
    deriveKey,
    seal(plain, use) {
      const iv = randomBytes(IV_BYTES);
      const cipher = createCipheriv('aes-256-gcm', sealingKey, iv).setAAD(Buffer.from(use));
      const text = Buffer.concat([cipher.update(plain), cipher.final()]);
      return Buffer.concat([Buffer.of(FORMAT), iv, cipher.getAuthTag(), text]);
    },
    unseal(sealed, use) {
      if (sealed[0] !== FORMAT || sealed.length < 1 + IV_BYTES + TAG_BYTES) throw new SealError(`${use} is not sealed in a known form`);
      const iv = sealed.subarray(1, 1 + IV_BYTES);
      const tag = sealed.subarray(1 + IV_BYTES, 1 + IV_BYTES + TAG_BYTES);
      try {
        const decipher = createDecipheriv('aes-256-gcm', sealingKey, iv, { authTagLength: TAG_BYTES });
        decipher.setAAD(Buffer.from(use)).setAuthTag(tag);
        return Buffer.concat([decipher.update(sealed.subarray(1 + IV_BYTES + TAG_BYTES)), decipher.final()]);
      } catch (error) {
        throw new SealError(
          `${use} was sealed under another key: set DCI_KEY_ENCRYPTION_KEY to the key it was made with (every node needs the same), or bring back the file ${KEY_FILE} in DCI_DATA_DIR`,
          { cause: error },
        );
      }
    },
  };
}

function parseKey(text: string, source: string): Buffer {
  const key = /^[A-Za-z0-9+/_-]{43}=?$/.test(text) ? Buffer.from(text, 'base64') : undefined;
  if (key?.length !== KEY_BYTES)
    throw new SealError(`${source} must be ${KEY_BYTES} random bytes in base64, as "openssl rand -base64 ${KEY_BYTES}" prints them`);
  return key;
}

function loadKeyFile({ dataDir, databaseUrl }: SealerSettings, warn: (text: string) => void): Buffer {
  const file = join(dataDir, KEY_FILE);
  const made = makeKeyFile(dataDir, file);
  if (made) warn(`made ${file}: private keys are encrypted under it; keep a copy, without it they are lost`);
  if (made && databaseUrl !== undefined)
    warn('several nodes on one database need one key: set DCI_KEY_ENCRYPTION_KEY (base64 of 32 bytes) on each of them');
  return parseKey(readFileSync(file, 'utf8').trim(), file);
}

/** Whether the file was made now. It appears whole: of several processes that start at once, one makes it for all. */
function makeKeyFile(dataDir: string, file: string): boolean {
  mkdirSync(dataDir, { recursive: true });
  const draft = `${file}.${process.pid}.${randomBytes(4).toString('hex')}`;
  try {
    readFileSync(file);
    return false;
  } catch (error) {
    if (!isCode(error, 'ENOENT')) throw error;
  }
  writeFileSync(draft, `${randomBytes(KEY_BYTES).toString('base64')}\n`, { mode: 0o600, flag: 'wx', flush: true });
  try {
    linkSync(draft, file);
    return true;
  } catch (error) {
    if (isCode(error, 'EEXIST')) return false;
    throw error;
  } finally {
    rmSync(draft);
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
