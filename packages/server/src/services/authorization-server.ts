import { ASSERTION_ALGORITHMS } from './client-assertion.ts';
import { SCOPES } from './scopes.ts';

/**
 * Us as an authorization server (RFC 8414). The endpoints stand at the host and below the base path, so there are two
 * issuers, the origin and the base URL; each describes itself.
 */
export interface AuthorizationServer {
  /** What RFC 8414 tells of the issuer at `path`: '' or the base path. */
  describe(path: string): AuthorizationServerMetadata;
  /** Whom an assertion may be for: our issuers and their token endpoints. */
  audiences(): readonly string[];
}

export type AuthorizationServerMetadata = Readonly<Record<string, string | readonly string[]>>;

export interface AuthorizationServerParts {
  /** Scheme, host and port at which we are reached; never taken from a request, which could name anybody. */
  readonly origin: () => string;
  readonly basePath: string;
}

const TOKEN_PATH = '/oauth2/client/token';
const METHODS = ['client_secret_basic', 'client_secret_post', 'private_key_jwt'];

export function createAuthorizationServer({ origin, basePath }: AuthorizationServerParts): AuthorizationServer {
  return {
    describe(path) {
      const issuer = `${origin()}${path}`;
      return {
        issuer,
        token_endpoint: `${issuer}${TOKEN_PATH}`,
        token_endpoint_auth_methods_supported: METHODS,
        token_endpoint_auth_signing_alg_values_supported: ASSERTION_ALGORITHMS,
        revocation_endpoint: `${issuer}/oauth2/client/revoke`,
        revocation_endpoint_auth_methods_supported: METHODS,
        revocation_endpoint_auth_signing_alg_values_supported: ASSERTION_ALGORITHMS,
        jwks_uri: `${issuer}/.well-known/jwks.json`,
        grant_types_supported: ['client_credentials'],
        response_types_supported: [],
        scopes_supported: SCOPES,
      };
    },
    audiences: () => [...new Set(['', basePath])].flatMap((path) => [`${origin()}${path}`, `${origin()}${path}${TOKEN_PATH}`]),
  };
}
