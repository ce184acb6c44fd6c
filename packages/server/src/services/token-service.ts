import type { Config } from '../config.ts';
import type { GuardedClient } from '../outbound/guarded-client.ts';
import type { Database } from '../store/database.ts';
import { createAccessTokenReader } from './access-token.ts';
import { createClientAuthenticator } from './authenticate-client.ts';
import { type AuthorizationServer, createAuthorizationServer } from './authorization-server.ts';
import { createTokenIssuer, type TokenIssuer } from './issue-token.ts';
import { createOutsideTokenReader } from './outside-token.ts';
import type { OwnKeys } from './own-keys.ts';
import type { PartnerDirectory } from './partner-directory.ts';
import { createTokenRevoker, type TokenRevoker } from './revoke-token.ts';
import { createTokenKeys } from './token-keys.ts';
import { openTokenTrust, type TokenTrust } from './token-trust.ts';
import { createTokenVerifier, type TokenVerifier } from './verify-token.ts';

/** All that has to do with access tokens: issued, verified, revoked and described. */
export interface TokenService {
  readonly issuer: TokenIssuer;
  readonly revoker: TokenRevoker;
  readonly verifier: TokenVerifier;
  readonly authorizationServer: AuthorizationServer;
  readonly trust: TokenTrust;
  close(): Promise<void>;
}

export interface TokenServiceParts extends Pick<Config, 'senderId' | 'basePath' | 'tokenLifetimeSeconds' | 'jwtSecret'> {
  readonly database: Database;
  readonly directory: PartnerDirectory;
  readonly ownKeys: OwnKeys;
  readonly client: GuardedClient;
  /** Scheme, host and port at which partners reach us. */
  readonly origin: () => string;
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly log: { warn(fields: object, text: string): void };
}

export async function openTokenService(parts: TokenServiceParts): Promise<TokenService> {
  const { database, now, log } = parts;
  const trust = await openTokenTrust(database, { now, log });
  const tokenKeys = createTokenKeys(parts.ownKeys, parts.jwtSecret);
  const tokens = createAccessTokenReader({ ...parts, tokenKeys });
  const outsideTokens = createOutsideTokenReader({ ...parts, trust });
  const authorizationServer = createAuthorizationServer(parts);
  const clients = createClientAuthenticator({ ...parts, db: database.db, audiences: authorizationServer.audiences });
  return {
    issuer: createTokenIssuer({ ...parts, clients, tokenKeys }),
    revoker: createTokenRevoker({ db: database.db, clients, tokens, trust }),
    verifier: createTokenVerifier({ ...parts, tokens, outsideTokens, tokenKeys, trust }),
    authorizationServer,
    trust,
    close: () => trust.close(),
  };
}
