import { type AccessTokenGrant, signAccessToken } from './access-token.ts';
import type { ClientAuthenticator, ClientCredentials } from './authenticate-client.ts';
import { TokenError } from './token-error.ts';
import type { TokenKeys } from './token-keys.ts';

/** The client-credentials grant of RFC 6749: a bearer token of the partner's scopes, or fewer, for a client that presents itself. */
export interface TokenIssuer {
  /** Throws a `TokenError`, or an `OverloadedError` where too many secrets wait to be verified. */
  issue(request: TokenRequest): Promise<IssuedToken>;
}

export interface TokenRequest extends ClientCredentials {
  readonly grantType?: string;
  /** Scopes separated by blanks; absent: all that the partner has. */
  readonly scope?: string;
}

export interface IssuedToken {
  readonly token: string;
  readonly expiresInSeconds: number;
  readonly scopes: readonly string[];
}

export interface TokenIssuerParts {
  readonly clients: ClientAuthenticator;
  readonly tokenKeys: Pick<TokenKeys, 'active'>;
  readonly senderId: string;
  readonly tokenLifetimeSeconds: number;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

export function createTokenIssuer(parts: TokenIssuerParts): TokenIssuer {
  return {
    async issue(request) {
      if (request.grantType === undefined) throw new TokenError('invalid_request', 'grant_type is missing');
      if (request.grantType !== 'client_credentials')
        throw new TokenError('unsupported_grant_type', 'the only grant here is client_credentials');
      const { client, proof } = await parts.clients.authenticate(request);
      const { clientId } = client.credential;
      return await makeToken(parts, { clientId, proof, scopes: narrowScopes(client.partner.scopes, request.scope) });
    },
  };
}

/** Makes a token for whoever has been authenticated already. */
export async function makeToken(
  parts: Omit<TokenIssuerParts, 'clients'>,
  grant: Pick<AccessTokenGrant, 'clientId' | 'proof' | 'scopes'>,
): Promise<IssuedToken> {
  const { tokenKeys, senderId, tokenLifetimeSeconds: lifetimeSeconds, now } = parts;
  const issuedAt = Math.floor(now() / 1000);
  const token = await signAccessToken(tokenKeys.active(), { ...grant, senderId, issuedAt, lifetimeSeconds });
  return { token, expiresInSeconds: lifetimeSeconds, scopes: grant.scopes };
}

function narrowScopes(allowed: ReadonlySet<string>, asked: string | undefined): readonly string[] {
  const wanted = asked?.split(' ').filter((scope) => scope !== '') ?? [...allowed];
  if (wanted.length === 0) throw new TokenError('invalid_scope', 'no scope is open to this client');
  if (!wanted.every((scope) => allowed.has(scope)))
    throw new TokenError('invalid_scope', `the scopes open to this client: ${[...allowed].join(' ')}`);
  return [...new Set(wanted)];
}
