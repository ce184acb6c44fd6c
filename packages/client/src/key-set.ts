import { type EncryptionKey, importEncryptionKey, importPublicKey, isEncryptionKey, type VerificationKey } from '@dci/protocol';
import { DciAnswerError } from './errors.ts';
import { readRefusal } from './refusal.ts';
import { asObject, readJsonObject, type Transport } from './transport.ts';

/** The public keys of the server. */
export interface ServerKeys {
  /** By which its answers are known, by key id. */
  readonly verification: ReadonlyMap<string, VerificationKey>;
  /** To which messages to it are encrypted, as it lists them. */
  readonly encryption: readonly EncryptionKey[];
}

export interface KeySet {
  /** What is held now, fetched if nothing is. */
  load(): Promise<ServerKeys>;
  /** Fetches again, for a key that is not held; not more often than every ten seconds. */
  refresh(): Promise<ServerKeys>;
}

const REFRESH_EVERY_MS = 10_000;

/** Keys that were handed over by other means. */
export function createFixedKeySet(keys: readonly VerificationKey[]): KeySet {
  const held = { verification: new Map(keys.map((key) => [key.kid, key])), encryption: [] };
  return { load: async () => held, refresh: async () => held };
}

/** Keys of a JWKS address (RFC 7517), fetched once and again when an unknown one appears. */
export function createRemoteKeySet(url: string, transport: Transport, now: () => number): KeySet {
  let fetched: Promise<ServerKeys> | undefined;
  let fetchedAt = 0;

  function refresh(): Promise<ServerKeys> {
    if (fetched !== undefined && now() - fetchedAt < REFRESH_EVERY_MS) return fetched;
    fetchedAt = now();
    const attempt = fetchKeys(url, transport);
    fetched = attempt;
    // A failure is told to who waits for it, and not kept.
    attempt.catch(() => {
      if (fetched === attempt) fetched = undefined;
    });
    return attempt;
  }

  return { load: () => fetched ?? refresh(), refresh };
}

async function fetchKeys(url: string, transport: Transport): Promise<ServerKeys> {
  const answer = await transport.send(url, { headers: { accept: 'application/json' } });
  if (answer.status !== 200) throw readRefusal(answer);
  return readKeys(url, readJsonObject(answer.body));
}

/** Keys of the text of a JWKS; `origin` names where it is from. */
export function readKeys(origin: string, jwks: Readonly<Record<string, unknown>> | undefined): ServerKeys {
  const keys = jwks?.['keys'];
  if (!Array.isArray(keys)) throw new DciAnswerError(`${origin} is not a JWKS: it has no list "keys"`);
  const read = keys.flatMap(readKey);
  return {
    verification: new Map(read.filter((key) => !isEncryptionKey(key)).map((key) => [key.kid, key])),
    encryption: read.filter(isEncryptionKey),
  };
}

/** One key of a set, or none: a set may hold keys of kinds that we do not know. */
function readKey(value: unknown): (VerificationKey | EncryptionKey)[] {
  const jwk = asObject(value);
  if (jwk === undefined) return [];
  try {
    return [jwk['use'] === 'enc' ? importEncryptionKey(jwk) : importPublicKey(jwk)];
  } catch {
    return [];
  }
}
