import type { Db } from '../store/database.ts';
import { insertRevokedToken } from '../store/revoked-tokens.ts';
import { type AccessToken, AccessTokenError, type AccessTokenReader } from './access-token.ts';
import type { ClientAuthenticator, ClientCredentials } from './authenticate-client.ts';
import { TokenError } from './token-error.ts';
import type { TokenTrust } from './token-trust.ts';

/**
 * Revocation (RFC 7009): a client gives a token of its own back. It ends here at once, and on every other node within a
 * second. What is no token, or has ended already, is nothing to refuse.
 */
export interface TokenRevoker {
  /** Throws a `TokenError`, or an `OverloadedError` where too many secrets wait to be verified. */
  revoke(request: RevocationRequest): Promise<void>;
}

export interface RevocationRequest extends ClientCredentials {
  readonly token?: string;
}

export interface TokenRevokerParts {
  readonly db: Db;
  readonly clients: ClientAuthenticator;
  readonly tokens: AccessTokenReader;
  readonly trust: Pick<TokenTrust, 'refresh'>;
}

export function createTokenRevoker({ db, clients, tokens, trust }: TokenRevokerParts): TokenRevoker {
  return {
    async revoke(request) {
      const { client } = await clients.authenticate(request);
      if (request.token === undefined) throw new TokenError('invalid_request', 'token is missing');
      const token = await findToken(tokens, request.token);
      if (token === undefined) return;
      const { clientId } = client.credential;
      if (token.clientId !== clientId) throw new TokenError('invalid_grant', 'the token was issued to another client');
      await insertRevokedToken(db, { jti: token.jti, clientId, expiresAt: new Date(token.expiresAt) });
      await trust.refresh();
    },
  };
}

async function findToken(tokens: AccessTokenReader, text: string): Promise<AccessToken | undefined> {
  try {
    return await tokens.read(text);
  } catch (error) {
    if (error instanceof AccessTokenError) return undefined;
    throw error;
  }
}
