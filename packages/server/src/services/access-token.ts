import { randomUUID } from 'node:crypto';
import { errors, type JWTHeaderParameters, type JWTPayload, jwtVerify, SignJWT } from 'jose';
import type { TokenKey, TokenKeys } from './token-keys.ts';

/** What an access token of ours says (RFC 9068), how one is made and how one is read. */
export interface AccessToken {
  readonly jti: string;
  /** Of the key that signed it. */
  readonly kid: string;
  readonly clientId: string;
  /** What its client presented to get it. */
  readonly proof: string;
  readonly scopes: readonly string[];
  /** Epoch milliseconds. */
  readonly expiresAt: number;
}

export interface AccessTokenGrant extends Pick<AccessToken, 'clientId' | 'proof' | 'scopes'> {
  /** Ours: issuer and audience at once. */
  readonly senderId: string;
  /** Epoch seconds. */
  readonly issuedAt: number;
  readonly lifetimeSeconds: number;
}

const TYPE = 'at+jwt';
const ALGORITHMS = ['ES256', 'EdDSA', 'RS256', 'PS256', 'HS256'];
/** Private claim: see `client-proof.ts`. */
const PROOF_CLAIM = 'dci_credential';

export async function signAccessToken(key: TokenKey, grant: AccessTokenGrant): Promise<string> {
  const { senderId, clientId, proof, scopes, issuedAt, lifetimeSeconds } = grant;
  return await new SignJWT({ client_id: clientId, scope: scopes.join(' '), [PROOF_CLAIM]: proof })
    .setProtectedHeader({ typ: TYPE, alg: key.algorithm, kid: key.kid })
    .setIssuer(senderId)
    .setAudience(senderId)
    .setSubject(clientId)
    .setIssuedAt(issuedAt)
    .setExpirationTime(issuedAt + lifetimeSeconds)
    .setJti(randomUUID())
    .sign(key.key);
}

/** It is not a token of ours, or not any more; the message says which to the caller. */
export class AccessTokenError extends Error {
  override readonly name = 'AccessTokenError';
}

export interface AccessTokenReader {
  /** Throws an `AccessTokenError`. Whether it was revoked, or its client has gone, is not looked at. */
  read(token: string): Promise<AccessToken>;
}

export interface AccessTokenReaderParts {
  readonly tokenKeys: TokenKeys;
  readonly senderId: string;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

export function createAccessTokenReader({ tokenKeys, senderId, now }: AccessTokenReaderParts): AccessTokenReader {
  const findKey = createKeyFinder(tokenKeys, now);
  return {
    async read(token) {
      const { payload, protectedHeader } = await jwtVerify(token, findKey, {
        algorithms: ALGORITHMS,
        typ: TYPE,
        issuer: senderId,
        audience: senderId,
        requiredClaims: ['exp', 'iat', 'jti'],
        currentDate: new Date(now()),
      }).catch((error: unknown) => {
        throw error instanceof errors.JOSEError ? explain(error) : error;
      });
      return readClaims(payload, String(protectedHeader.kid));
    },
  };
}

function readClaims(payload: JWTPayload, kid: string): AccessToken {
  const { jti, sub, client_id: clientId, scope, exp, [PROOF_CLAIM]: proof } = payload;
  const isWhole = typeof jti === 'string' && typeof clientId === 'string' && typeof scope === 'string' && typeof proof === 'string';
  if (!isWhole || sub !== clientId || exp === undefined) throw new AccessTokenError('the access token lacks a claim');
  return { jti, kid, clientId, proof, scopes: scope.split(' '), expiresAt: exp * 1000 };
}

const LOOK_FOR_KEYS_EVERY_MS = 1_000;

/** Finds one of our keys; one that another process made a moment ago is looked for in the store, at most once a second. */
function createKeyFinder(tokenKeys: TokenKeys, now: () => number): (header: JWTHeaderParameters) => Promise<TokenKey['key']> {
  let lookedAt = Number.NEGATIVE_INFINITY;
  return async ({ kid, alg }) => {
    if (typeof kid !== 'string') throw new AccessTokenError('the access token names no key');
    if (tokenKeys.find(kid) === undefined && now() - lookedAt >= LOOK_FOR_KEYS_EVERY_MS) {
      lookedAt = now();
      await tokenKeys.refresh();
    }
    const found = tokenKeys.find(kid);
    if (found === undefined || found.algorithm !== alg) throw new AccessTokenError('the access token was not issued here');
    return found.key;
  };
}

function explain(error: errors.JOSEError): AccessTokenError {
  const isLate = error instanceof errors.JWTExpired;
  return new AccessTokenError(isLate ? 'the access token has expired' : 'the access token is not valid', { cause: error });
}
