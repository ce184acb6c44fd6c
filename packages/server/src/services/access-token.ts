import { createHash, randomUUID } from 'node:crypto';
import type { SigningKey } from '@dci/protocol';
import { SignJWT } from 'jose';
import type { Credential } from '../store/credentials.ts';

/** What an access token says (RFC 9068), and how one is made. */
export interface AccessTokenGrant {
  /** Ours: issuer and audience at once. */
  readonly senderId: string;
  readonly credential: Credential;
  readonly scopes: readonly string[];
  /** Epoch seconds. */
  readonly issuedAt: number;
  readonly lifetimeSeconds: number;
}

export const ACCESS_TOKEN_TYPE = 'at+jwt';

/** Private claim: the state of the credential the token was made from. A changed secret ends its tokens. */
export const CREDENTIAL_CLAIM = 'dci_credential';

export async function signAccessToken(key: SigningKey, grant: AccessTokenGrant): Promise<string> {
  const { senderId, credential, scopes, issuedAt, lifetimeSeconds } = grant;
  return await new SignJWT({
    client_id: credential.clientId,
    scope: scopes.join(' '),
    [CREDENTIAL_CLAIM]: credentialMark(credential),
  })
    .setProtectedHeader({ typ: ACCESS_TOKEN_TYPE, alg: key.algorithm, kid: key.kid })
    .setIssuer(senderId)
    .setAudience(senderId)
    .setSubject(credential.clientId)
    .setIssuedAt(issuedAt)
    .setExpirationTime(issuedAt + lifetimeSeconds)
    .setJti(randomUUID())
    .sign(key.key);
}

export function credentialMark({ secretHash }: Credential): string {
  return createHash('sha256').update(secretHash).digest('base64url').slice(0, 16);
}
