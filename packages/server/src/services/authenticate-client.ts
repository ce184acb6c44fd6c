import type { Db } from '../store/database.ts';
import { type AssertionParts, findAssertedClient, verifyClientAssertion } from './client-assertion.ts';
import { proofByKey, proofBySecret } from './client-proof.ts';
import { createSecretVerifier } from './client-secret.ts';
import type { Client, PartnerDirectory } from './partner-directory.ts';
import { TokenError } from './token-error.ts';

/**
 * Who asks for a token or revokes one: a client by its secret (RFC 6749, 2.3.1) or by an assertion signed with one of its
 * keys (RFC 7523). An unknown client, a revoked one, one of a partner that is not active, a wrong secret and a bad assertion
 * are one refusal.
 */
export interface ClientAuthenticator {
  /** Throws a `TokenError`, or an `OverloadedError` where too many secrets wait to be verified. */
  authenticate(credentials: ClientCredentials): Promise<AuthenticatedClient>;
}

export interface ClientCredentials {
  readonly clientId?: string;
  readonly clientSecret?: string;
  readonly assertionType?: string;
  readonly assertion?: string;
}

export interface AuthenticatedClient {
  readonly client: Client;
  /** What it presented. */
  readonly proof: string;
}

export interface ClientAuthenticatorParts extends Omit<AssertionParts, 'db'> {
  readonly db: Db;
  readonly directory: Pick<PartnerDirectory, 'findByClientId'>;
}

const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

export function createClientAuthenticator(parts: ClientAuthenticatorParts): ClientAuthenticator {
  const secrets = createSecretVerifier({ now: parts.now });

  async function bySecret(clientId: string, clientSecret: string): Promise<AuthenticatedClient> {
    const named = parts.directory.findByClientId(clientId);
    const matches = await secrets.verify(clientSecret, named?.credential.secretHash);
    // Read again: it may have changed while the secret was being verified.
    const client = parts.directory.findByClientId(clientId);
    if (!matches || client?.partner.active !== true || client.credential.secretHash !== named?.credential.secretHash) throw refuse();
    return { client, proof: proofBySecret(client.credential) };
  }

  async function byAssertion({ clientId, assertionType, assertion = '' }: ClientCredentials): Promise<AuthenticatedClient> {
    if (assertionType !== ASSERTION_TYPE) throw new TokenError('invalid_request', `client_assertion_type must be ${ASSERTION_TYPE}`);
    const named = findAssertedClient(assertion);
    if (named === undefined || (clientId !== undefined && clientId !== named)) throw refuse();
    const client = parts.directory.findByClientId(named);
    if (client?.partner.active !== true) throw refuse();
    const key = await verifyClientAssertion(parts, client, assertion);
    if (key === undefined) throw refuse();
    return { client, proof: proofByKey(key) };
  }

  return {
    async authenticate(credentials) {
      const { clientId, clientSecret, assertion, assertionType } = credentials;
      if (assertion !== undefined || assertionType !== undefined) {
        if (clientSecret !== undefined)
          throw new TokenError('invalid_request', 'the client presents itself twice: by secret and assertion');
        return await byAssertion(credentials);
      }
      if (clientId === undefined || clientSecret === undefined)
        throw new TokenError('invalid_client', 'client id and client secret, or a client assertion, are needed');
      return await bySecret(clientId, clientSecret);
    },
  };
}

function refuse(): TokenError {
  return new TokenError('invalid_client', 'the client is not known, or what it presents is not accepted');
}
