import { decodeJwt, decodeProtectedHeader, errors, type JWTPayload, jwtVerify } from 'jose';
import type { TokenIssuer } from '../store/token-issuers.ts';
import { AccessTokenError } from './access-token.ts';
import { createRemoteKeySet, type RemoteKeySet, type RemoteKeySetParts } from './remote-key-set.ts';
import type { TokenTrust } from './token-trust.ts';

/** A good access token of an issuer that is believed. */
export interface OutsideToken {
  readonly issuer: string;
  /** Of the registration under which it was verified. */
  readonly revision: string;
  /** What its claim says of who calls. */
  readonly caller: string;
  /** Undefined: it names none, the partner's apply. */
  readonly scopes: readonly string[] | undefined;
  /** Epoch milliseconds. */
  readonly expiresAt: number;
}

/**
 * Reads access tokens of registered issuers. What a token says of itself chooses among registrations and nothing else: its
 * keys are those behind the registered address, its algorithm one of the registered, its audience the registered one.
 */
export interface OutsideTokenReader {
  /** Throws an `AccessTokenError`, or a `KeysUnavailableError`. */
  read(token: string): Promise<OutsideToken>;
}

export interface OutsideTokenReaderParts extends Omit<RemoteKeySetParts, 'url'> {
  readonly trust: Pick<TokenTrust, 'findIssuer'>;
}

const LONGEST_LIFE_SECONDS = 86_400;
// RFC 9068 and what was usual before it; a token of another kind, such as one that describes a session, is not for us.
const TYPES: ReadonlySet<unknown> = new Set(['at+jwt', 'application/at+jwt', 'jwt', undefined]);

export function createOutsideTokenReader({ trust, ...parts }: OutsideTokenReaderParts): OutsideTokenReader {
  const keySets = new Map<string, RemoteKeySet>();

  function keySetOf({ jwksUrl }: TokenIssuer): RemoteKeySet {
    const known = keySets.get(jwksUrl) ?? createRemoteKeySet({ ...parts, url: jwksUrl });
    keySets.set(jwksUrl, known);
    return known;
  }

  return {
    async read(token) {
      const issuer = trust.findIssuer(findIssuerName(token) ?? '');
      if (issuer === undefined) throw new AccessTokenError('the access token was not issued here, nor by an issuer that is believed');
      const { alg, kid, typ } = decodeProtectedHeader(token);
      if (alg === undefined || !issuer.algorithms.includes(alg) || !TYPES.has(typ?.toLowerCase())) throw invalid();
      const key = await keySetOf(issuer).find(kid, alg);
      if (key === undefined) throw new AccessTokenError('the key of the access token is not one of its issuer');
      const { payload } = await jwtVerify(token, key, {
        algorithms: [alg],
        issuer: issuer.issuer,
        audience: issuer.audience,
        requiredClaims: ['exp', issuer.partnerClaim],
        clockTolerance: issuer.clockToleranceSeconds,
        currentDate: new Date(parts.now()),
      }).catch((error: unknown) => {
        throw error instanceof errors.JOSEError ? invalid(error) : error;
      });
      return readClaims(payload, issuer, parts.now());
    },
  };
}

/** Unverified. */
export function findIssuerName(token: string): string | undefined {
  try {
    return decodeJwt(token).iss;
  } catch {
    return undefined;
  }
}

function readClaims(payload: JWTPayload, issuer: TokenIssuer, now: number): OutsideToken {
  const { exp = Number.NaN, [issuer.partnerClaim]: caller } = payload;
  const end = exp + issuer.clockToleranceSeconds;
  if (typeof caller !== 'string' || !(end <= now / 1000 + LONGEST_LIFE_SECONDS)) throw invalid();
  const scopes = issuer.scopeClaim === undefined ? undefined : readScopes(payload[issuer.scopeClaim]);
  return { issuer: issuer.issuer, revision: issuer.revision, caller, scopes, expiresAt: end * 1000 };
}

function readScopes(claim: unknown): readonly string[] {
  if (typeof claim === 'string') return claim.split(' ');
  return Array.isArray(claim) ? claim.filter((scope): scope is string => typeof scope === 'string') : [];
}

function invalid(cause?: unknown): AccessTokenError {
  return new AccessTokenError('the access token is not valid', { cause });
}
