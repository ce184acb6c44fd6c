import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';
import type { OwnKeys } from './own-keys.ts';

/**
 * The keys of our access tokens: our signing keys, or the shared secret `DCI_JWT_SECRET` where there is one. Tokens of both
 * are read while both are there, each with its own algorithm and no other, so that changing over ends no token.
 */
export interface TokenKeys {
  active(): TokenKey;
  /** A key of ours by its id. */
  find(kid: string): TokenKey | undefined;
  /** Looks for keys that another process made. */
  refresh(): Promise<void>;
}

export interface TokenKey {
  readonly kid: string;
  readonly algorithm: string;
  readonly key: KeyObject;
}

export function createTokenKeys(ownKeys: Pick<OwnKeys, 'active' | 'findPublic' | 'refresh'>, jwtSecret: string | undefined): TokenKeys {
  const shared = jwtSecret === undefined ? undefined : readSecret(jwtSecret);
  return {
    active: () => shared ?? ownKeys.active(),
    find: (kid) => (kid === shared?.kid ? shared : ownKeys.findPublic(kid)),
    refresh: () => ownKeys.refresh(),
  };
}

// The text as it stands is the key, as other programs take it too.
function readSecret(secret: string): TokenKey {
  const kid = `hs256-${createHmac('sha256', secret).update('key id').digest('base64url').slice(0, 12)}`;
  return { kid, algorithm: 'HS256', key: createSecretKey(secret, 'utf8') };
}
