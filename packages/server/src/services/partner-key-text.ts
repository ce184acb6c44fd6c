import type { JsonWebKey } from 'node:crypto';
import { type EncryptionKey, importEncryptionKey, importPublicKey, isEncryptionKey, type VerificationKey } from '@dci/protocol';
import { RegistrationError } from './partner-terms.ts';

/**
 * Reads the public keys that a partner hands in: a JWKS, or one key as PEM or JWK. Refuses private keys, kinds that sign
 * nothing here, and key ids that a signature could not carry.
 */

// A key id is a part of the quoted, "|"-separated key id of a signature.
const KEY_ID = /^[!#-&(-{}~]{1,200}$/;

/** The keys of a JWKS, those for signatures and, by their `use`, those for encryption. Throws a `RegistrationError`. */
export function parseJwks(text: string): (VerificationKey | EncryptionKey)[] {
  const keys = listKeys(text).map(readListedKey);
  if (keys.every(isEncryptionKey)) throw new RegistrationError(['the JWKS holds no key for signatures']);
  const repeated = keys.find(
    (key, index) => keys.findIndex((other) => other.kid === key.kid && isEncryptionKey(other) === isEncryptionKey(key)) !== index,
  );
  if (repeated !== undefined) throw new RegistrationError([`the JWKS holds two keys with the id "${repeated.kid}"`]);
  return keys;
}

/** What a partner's address was found to hold. */
export interface FetchedKeys {
  readonly keys: readonly (VerificationKey | EncryptionKey)[];
  /** Why others that stand there are not used, one line each. */
  readonly skipped: readonly string[];
}

const MOST_KEYS = 100;

/**
 * The usable keys of a JWKS that a partner publishes, which may be meant for others as well: what is of another kind is passed
 * over, and of two keys with one id the first is taken. Throws a `RegistrationError` where nothing there signs.
 */
export function readPublishedJwks(text: string): FetchedKeys {
  const keys = new Map<string, VerificationKey | EncryptionKey>();
  const skipped: string[] = [];
  for (const [index, jwk] of listKeys(text).slice(0, MOST_KEYS).entries()) {
    try {
      const key = readListedKey(jwk, index);
      const id = `${isEncryptionKey(key)} ${key.kid}`;
      if (keys.has(id)) skipped.push(`key ${index + 1} of the JWKS has the id of another`);
      else keys.set(id, key);
    } catch (error) {
      if (!(error instanceof RegistrationError)) throw error;
      skipped.push(error.message);
    }
  }
  const found = [...keys.values()];
  if (found.every(isEncryptionKey)) throw new RegistrationError(['the JWKS holds no key for signatures']);
  return { keys: found, skipped };
}

function listKeys(text: string): readonly unknown[] {
  const parsed = parseJson(text);
  const listed: unknown = isObject(parsed) ? parsed.keys : undefined;
  if (!Array.isArray(listed)) throw new RegistrationError(['a JWKS is a JSON object with a list "keys"']);
  return listed;
}

function readListedKey(jwk: unknown, index: number): VerificationKey | EncryptionKey {
  const load = isObject(jwk) && jwk.use === 'enc' ? importEncryptionKey : importPublicKey;
  return readKey<VerificationKey | EncryptionKey>(`key ${index + 1} of the JWKS`, jwk, load);
}

/** One key, PEM or JWK; `kid` is needed where the key does not say it. Throws a `RegistrationError`. */
export function parsePublicKey(text: string, kid: string | undefined): VerificationKey {
  const key = parseKeyText(text);
  if (kid === undefined && !(isObject(key) && typeof key.kid === 'string'))
    throw new RegistrationError(['the key does not say its id; give one']);
  return readKey('the key', key, importPublicKey, kid);
}

/** One key to encrypt to, PEM or JWK; where it does not say its id, that is its thumbprint. Throws a `RegistrationError`. */
export function parseEncryptionKey(text: string): EncryptionKey {
  return readKey('the encryption key', parseKeyText(text), importEncryptionKey);
}

function parseKeyText(text: string): unknown {
  const trimmed = text.trim();
  return trimmed.startsWith('{') ? parseJson(trimmed) : trimmed;
}

type Import<K> = (key: string | JsonWebKey, options: { kid?: string }) => K;

function readKey<K extends { readonly kid: string }>(what: string, key: unknown, load: Import<K>, kid?: string): K {
  if (typeof key !== 'string' && !isObject(key)) throw new RegistrationError([`${what} is no JWK`]);
  const read = importKey(what, key, load, kid);
  if (!KEY_ID.test(read.kid))
    throw new RegistrationError([`the id of ${what} must be 1 to 200 printable ASCII characters, without blanks, quotes and "|"`]);
  return read;
}

function importKey<K>(what: string, key: string | JsonWebKey, load: Import<K>, kid: string | undefined): K {
  try {
    return load(key, kid === undefined ? {} : { kid });
  } catch (error) {
    throw new RegistrationError([`${what} cannot be registered: ${error instanceof Error ? error.message : String(error)}`]);
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new RegistrationError(['it is not JSON']);
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
