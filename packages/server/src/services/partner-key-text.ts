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
  const parsed = parseJson(text);
  const listed: unknown = isObject(parsed) ? parsed.keys : undefined;
  if (!Array.isArray(listed)) throw new RegistrationError(['a JWKS is a JSON object with a list "keys"']);
  const keys = listed.map((jwk, index) =>
    readKey<VerificationKey | EncryptionKey>(
      `key ${index + 1} of the JWKS`,
      jwk,
      isObject(jwk) && jwk.use === 'enc' ? importEncryptionKey : importPublicKey,
    ),
  );
  if (keys.every(isEncryptionKey)) throw new RegistrationError(['the JWKS holds no key for signatures']);
  const repeated = keys.find(
    (key, index) => keys.findIndex((other) => other.kid === key.kid && isEncryptionKey(other) === isEncryptionKey(key)) !== index,
  );
  if (repeated !== undefined) throw new RegistrationError([`the JWKS holds two keys with the id "${repeated.kid}"`]);
  return keys;
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
    throw new RegistrationError(['the file is not JSON']);
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
