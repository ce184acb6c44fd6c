import type { JsonWebKey } from 'node:crypto';
import { importPublicKey, type VerificationKey } from '@dci/protocol';
import { RegistrationError } from './partner-terms.ts';

/**
 * Reads the public keys that a partner hands in: a JWKS, or one key as PEM or JWK. Refuses private keys, kinds that sign
 * nothing here, and key ids that a signature could not carry.
 */

// A key id is a part of the quoted, "|"-separated key id of a signature.
const KEY_ID = /^[!#-&(-{}~]{1,200}$/;

/** The signature keys of a JWKS; keys for encryption are passed over. Throws a `RegistrationError`. */
export function parseJwks(text: string): VerificationKey[] {
  const parsed = parseJson(text);
  const listed: unknown = isObject(parsed) ? parsed.keys : undefined;
  if (!Array.isArray(listed)) throw new RegistrationError(['a JWKS is a JSON object with a list "keys"']);
  const keys = listed
    .filter((jwk) => !(isObject(jwk) && jwk.use === 'enc'))
    .map((jwk, index) => readKey(`key ${index + 1} of the JWKS`, jwk));
  if (keys.length === 0) throw new RegistrationError(['the JWKS holds no key for signatures']);
  const repeated = keys.find((key, index) => keys.findIndex(({ kid }) => kid === key.kid) !== index);
  if (repeated !== undefined) throw new RegistrationError([`the JWKS holds two keys with the id "${repeated.kid}"`]);
  return keys;
}

/** One key, PEM or JWK; `kid` is needed where the key does not say it. Throws a `RegistrationError`. */
export function parsePublicKey(text: string, kid: string | undefined): VerificationKey {
  const trimmed = text.trim();
  const key = trimmed.startsWith('{') ? parseJson(trimmed) : trimmed;
  if (kid === undefined && !(isObject(key) && typeof key.kid === 'string'))
    throw new RegistrationError(['the key does not say its id; give one']);
  return readKey('the key', key, kid);
}

function readKey(what: string, key: unknown, kid?: string): VerificationKey {
  if (typeof key !== 'string' && !isObject(key)) throw new RegistrationError([`${what} is no JWK`]);
  const read = importKey(what, key, kid);
  if (!KEY_ID.test(read.kid))
    throw new RegistrationError([`the id of ${what} must be 1 to 200 printable ASCII characters, without blanks, quotes and "|"`]);
  return read;
}

function importKey(what: string, key: string | JsonWebKey, kid: string | undefined): VerificationKey {
  try {
    return importPublicKey(key, kid === undefined ? {} : { kid });
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
