import { type AccessTokenGrant, signAccessToken } from './access-token.ts';
import { createSecretVerifier } from './client-secret.ts';
import type { Client, PartnerDirectory } from './partner-directory.ts';
import type { OwnKeys } from './own-keys.ts';

/**
 * The client-credentials grant of RFC 6749: a partner's client and secret for a bearer token of the same scopes or fewer.
 * An unknown client, a revoked one, one of a partner that is not active and a wrong secret are one refusal, after the same
 * work.
 */
export interface TokenIssuer {
  /** Throws a `TokenError`, or an `OverloadedError` where too many secrets wait to be verified. */
  issue(request: TokenRequest): Promise<IssuedToken>;
}

export interface TokenRequest {
  readonly grantType?: string;
  /** Scopes separated by blanks; absent: all that the partner has. */
  readonly scope?: string;
  readonly clientId?: string;
  readonly clientSecret?: string;
}

export interface IssuedToken {
  readonly token: string;
  readonly expiresInSeconds: number;
  readonly scopes: readonly string[];
}

/** RFC 6749, 5.2. */
export type TokenErrorCode = 'invalid_request' | 'invalid_client' | 'unsupported_grant_type' | 'invalid_scope';

export class TokenError extends Error {
  override readonly name = 'TokenError';
  readonly code: TokenErrorCode;

  constructor(code: TokenErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

export interface TokenIssuerParts {
  readonly directory: Pick<PartnerDirectory, 'findByClientId'>;
  readonly signingKeys: Pick<OwnKeys, 'active'>;
  readonly senderId: string;
  readonly tokenLifetimeSeconds: number;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

export function createTokenIssuer(parts: TokenIssuerParts): TokenIssuer {
  const secrets = createSecretVerifier({ now: parts.now });

  async function authenticate({ clientId, clientSecret }: TokenRequest): Promise<Client> {
    if (clientId === undefined || clientSecret === undefined)
      throw new TokenError('invalid_client', 'client id and client secret are needed');
    const named = parts.directory.findByClientId(clientId);
    const matches = await secrets.verify(clientSecret, named?.credential.secretHash);
    // Read again: it may have changed while the secret was being verified.
    const client = parts.directory.findByClientId(clientId);
    if (!matches || client === undefined || !client.partner.active || client.credential.secretHash !== named?.credential.secretHash)
      throw new TokenError('invalid_client', 'the client is not known or its secret is another');
    return client;
  }

  return {
    async issue(request) {
      if (request.grantType === undefined) throw new TokenError('invalid_request', 'grant_type is missing');
      if (request.grantType !== 'client_credentials')
        throw new TokenError('unsupported_grant_type', 'the only grant here is client_credentials');
      const { partner, credential } = await authenticate(request);
      return await makeToken(parts, { credential, scopes: narrowScopes(partner.scopes, request.scope) });
    },
  };
}

/** Makes a token for whoever has been authenticated already. */
export async function makeToken(
  parts: Omit<TokenIssuerParts, 'directory'>,
  { credential, scopes }: Pick<AccessTokenGrant, 'credential' | 'scopes'>,
): Promise<IssuedToken> {
  const { signingKeys, senderId, tokenLifetimeSeconds: lifetimeSeconds, now } = parts;
  const issuedAt = Math.floor(now() / 1000);
  const token = await signAccessToken(signingKeys.active(), { senderId, credential, scopes, issuedAt, lifetimeSeconds });
  return { token, expiresInSeconds: lifetimeSeconds, scopes };
}

function narrowScopes(allowed: ReadonlySet<string>, asked: string | undefined): readonly string[] {
  const wanted = asked?.split(' ').filter((scope) => scope !== '') ?? [...allowed];
  if (wanted.length === 0) throw new TokenError('invalid_scope', 'no scope is open to this client');
  if (!wanted.every((scope) => allowed.has(scope)))
    throw new TokenError('invalid_scope', `the scopes open to this client: ${[...allowed].join(' ')}`);
  return [...new Set(wanted)];
}
