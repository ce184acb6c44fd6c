import type { JsonWebKey, KeyObject } from 'node:crypto';
import { findAlgorithm, importPublicKey } from '@dci/protocol';
import type { GuardedClient } from '../outbound/guarded-client.ts';

/**
 * The public keys behind a JWKS URL that an operator registered, fetched through the guarded client and kept. A key that is
 * not among them makes the set be fetched anew, at most once in half a minute, whatever strangers send; a set grows old in
 * ten minutes, and serves for a day when its address does not answer.
 */
export interface RemoteKeySet {
  /** Undefined: there is no such key, or none for that algorithm. Throws a `KeysUnavailableError`. */
  find(kid: string | undefined, algorithm: string): Promise<KeyObject | undefined>;
}

export interface RemoteKeySetParts {
  readonly url: string;
  readonly client: Pick<GuardedClient, 'send'>;
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly log: { warn(fields: object, text: string): void };
}

/** No set of keys could be had within a day. */
export class KeysUnavailableError extends Error {
  override readonly name = 'KeysUnavailableError';
}

const LEAST_INTERVAL_MS = 30_000;
const OLD_AFTER_MS = 600_000;
const USELESS_AFTER_MS = 86_400_000;
const TIMEOUT_MS = 5_000;
const MAX_BYTES = 262_144;
const MAX_KEYS = 100;

export function createRemoteKeySet({ url, client, now, log }: RemoteKeySetParts): RemoteKeySet {
  let keys: readonly JsonWebKey[] = [];
  let fetchedAt = Number.NEGATIVE_INFINITY;
  let triedAt = Number.NEGATIVE_INFINITY;
  let fetching: Promise<void> | undefined;

  /** Fetches unless that was tried a moment ago; a failure leaves what is there. */
  function refresh(): Promise<void> {
    if (fetching === undefined && now() - triedAt >= LEAST_INTERVAL_MS) {
      triedAt = now();
      fetching = fetchKeys(client, url)
        .then((fetched) => {
          keys = fetched;
          fetchedAt = now();
        })
        .catch((error: unknown) => log.warn({ err: error }, 'the keys behind a registered address could not be fetched'))
        .finally(() => {
          fetching = undefined;
        });
    }
    return fetching ?? Promise.resolve();
  }

  function select(kid: string | undefined, algorithm: string): KeyObject | undefined {
    const [key, ...others] = keys
      .filter((candidate) => kid === undefined || candidate['kid'] === kid)
      .flatMap((jwk) => importFor(jwk, algorithm));
    // Without an id, or with one that is not unique, there must be no choice.
    return others.length === 0 ? key : undefined;
  }

  return {
    async find(kid, algorithm) {
      if (now() - fetchedAt > USELESS_AFTER_MS) await refresh();
      else if (now() - fetchedAt > OLD_AFTER_MS) void refresh();
      if (now() - fetchedAt > USELESS_AFTER_MS) throw new KeysUnavailableError('the keys behind a registered address cannot be had');
      const found = select(kid, algorithm);
      if (found !== undefined) return found;
      await refresh();
      return select(kid, algorithm);
    },
  };
}

async function fetchKeys(client: Pick<GuardedClient, 'send'>, url: string): Promise<readonly JsonWebKey[]> {
  const { status, body } = await client.send({
    url,
    method: 'GET',
    headers: { accept: 'application/json' },
    timeoutMs: TIMEOUT_MS,
    maxBytes: MAX_BYTES,
  });
  if (status !== 200) throw new Error(`the address of a key set answered ${status}`);
  const document: unknown = JSON.parse(body.toString('utf8'));
  const listed: unknown = typeof document === 'object' && document !== null ? Reflect.get(document, 'keys') : undefined;
  if (!Array.isArray(listed) || listed.length > MAX_KEYS) throw new Error('the address of a key set answered no JWKS');
  return listed.filter((key): key is JsonWebKey => typeof key === 'object' && key !== null);
}

/** A key that cannot be read, is not for signatures or not for this algorithm is none. */
function importFor(jwk: JsonWebKey, name: string): KeyObject[] {
  const algorithm = findAlgorithm(name);
  const stated: unknown = jwk['alg'];
  if (algorithm === undefined || (typeof stated === 'string' && findAlgorithm(stated) !== algorithm)) return [];
  try {
    return [importPublicKey(jwk, { algorithm }).key];
  } catch {
    return [];
  }
}
