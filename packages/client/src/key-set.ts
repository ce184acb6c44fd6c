import { importPublicKey, type VerificationKey } from '@dci/protocol';
import { DciAnswerError } from './errors.ts';
import { readRefusal } from './refusal.ts';
import { asObject, readJsonObject, type Transport } from './transport.ts';

/** The keys by which answers of the server are known. */
export interface KeySet {
  /** What is held now, fetched if nothing is. */
  load(): Promise<ReadonlyMap<string, VerificationKey>>;
  /** Fetches again, for a key that is not held; not more often than every ten seconds. */
  refresh(): Promise<ReadonlyMap<string, VerificationKey>>;
}

const REFRESH_EVERY_MS = 10_000;

/** Keys that were handed over by other means. */
export function createFixedKeySet(keys: readonly VerificationKey[]): KeySet {
  const held = new Map(keys.map((key) => [key.kid, key]));
  return { load: async () => held, refresh: async () => held };
}

/** Keys of a JWKS address (RFC 7517), fetched once and again when an unknown one appears. */
export function createRemoteKeySet(url: string, transport: Transport, now: () => number): KeySet {
  let fetched: Promise<ReadonlyMap<string, VerificationKey>> | undefined;
  let fetchedAt = 0;

  function refresh(): Promise<ReadonlyMap<string, VerificationKey>> {
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

async function fetchKeys(url: string, transport: Transport): Promise<ReadonlyMap<string, VerificationKey>> {
  const answer = await transport.send(url, { headers: { accept: 'application/json' } });
  if (answer.status !== 200) throw readRefusal(answer);
  const keys = readJsonObject(answer.body)?.['keys'];
  if (!Array.isArray(keys)) throw new DciAnswerError(`${url} is not a JWKS: it has no list "keys"`);
  return new Map(keys.flatMap(readKey).map((key) => [key.kid, key]));
}

/** One key of a set, or none: a set may hold keys for encryption, and of kinds that we do not know. */
function readKey(value: unknown): VerificationKey[] {
  const jwk = asObject(value);
  if (jwk === undefined) return [];
  try {
    return [importPublicKey(jwk)];
  } catch {
    return [];
  }
}
