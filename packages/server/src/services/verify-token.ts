import { hash, type KeyObject } from 'node:crypto';
import { DciError } from '@dci/protocol';
import { errors, type JWTHeaderParameters, jwtVerify } from 'jose';
import type { Partner } from '../store/partners.ts';
import { ACCESS_TOKEN_TYPE, CREDENTIAL_CLAIM, credentialMark } from './access-token.ts';
import type { PartnerDirectory } from './partner-directory.ts';
import type { OwnKeys } from './own-keys.ts';

/**
 * Who sends a request, by its bearer token. A token that was good is remembered until it ends; whether its client still
 * exists, with the same secret, and its partner is still active is looked up every time. All refusals are
 * `err.request.unauthorized`.
 */
export interface TokenVerifier {
  /** Throws a `DciError`. */
  verify(authorization: string | undefined): Promise<Bearer>;
}

export interface Bearer {
  readonly partner: Partner;
  /** What token and partner both allow. */
  readonly scopes: ReadonlySet<string>;
}

export interface TokenVerifierParts {
  readonly directory: Pick<PartnerDirectory, 'findByClientId'>;
  readonly signingKeys: Pick<OwnKeys, 'findPublic' | 'refresh'>;
  readonly senderId: string;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

/** What is remembered of a good token. */
interface VerifiedToken {
  readonly kid: string;
  readonly clientId: string;
  readonly credentialMark: string;
  readonly scopes: readonly string[];
  /** Epoch milliseconds. */
  readonly expiresAt: number;
}

const LONGEST_HEADER = 8_192;
const MOST_REMEMBERED = 10_000;
const LOOK_FOR_KEYS_EVERY_MS = 1_000;
const ALGORITHMS = ['ES256', 'EdDSA', 'RS256', 'PS256'];

export function createTokenVerifier(parts: TokenVerifierParts): TokenVerifier {
  const remembered = new Map<string, VerifiedToken>();
  const findKey = createKeyFinder(parts);

  async function read(token: string): Promise<VerifiedToken> {
    const digest = hash('sha256', token, 'base64');
    const known = remembered.get(digest);
    remembered.delete(digest);
    const verified = known ?? (await verifySignedToken(parts, findKey, token));
    if (verified.expiresAt <= parts.now()) throw refuse('the access token has expired');
    remember(digest, verified);
    return verified;
  }

  // The oldest use stands first.
  function remember(digest: string, verified: VerifiedToken): void {
    remembered.set(digest, verified);
    if (remembered.size <= MOST_REMEMBERED) return;
    const [oldest] = remembered.keys();
    if (oldest !== undefined) remembered.delete(oldest);
  }

  return {
    async verify(authorization) {
      const verified = await read(parseBearer(authorization));
      const client = parts.directory.findByClientId(verified.clientId);
      if (client === undefined || credentialMark(client.credential) !== verified.credentialMark)
        throw refuse('the client of the access token is not known any more');
      if (!client.partner.active) throw refuse('the partner is not active');
      if (parts.signingKeys.findPublic(verified.kid) === undefined) throw refuse('the key of the access token is not ours any more');
      return { partner: client.partner, scopes: new Set(verified.scopes.filter((scope) => client.partner.scopes.has(scope))) };
    },
  };
}

/** RFC 6750, 2.1. */
function parseBearer(authorization: string | undefined): string {
  if (authorization === undefined || authorization === '') throw refuse('an access token is needed: Authorization: Bearer …');
  if (authorization.length > LONGEST_HEADER) throw refuse(`the Authorization header is longer than ${LONGEST_HEADER} characters`);
  const token = /^bearer ([A-Za-z0-9._~+/-]+=*)$/i.exec(authorization)?.[1];
  if (token === undefined) throw refuse('the Authorization header is not of the form "Bearer …"');
  return token;
}

type KeyFinder = (header: JWTHeaderParameters) => Promise<KeyObject>;

/** Finds one of our keys; one that another process made a moment ago is looked for in the store, at most once a second. */
function createKeyFinder({ signingKeys, now }: TokenVerifierParts): KeyFinder {
  let lookedAt = Number.NEGATIVE_INFINITY;
  return async ({ kid, alg }) => {
    if (typeof kid !== 'string') throw refuse('the access token names no key');
    if (signingKeys.findPublic(kid) === undefined && now() - lookedAt >= LOOK_FOR_KEYS_EVERY_MS) {
      lookedAt = now();
      await signingKeys.refresh();
    }
    const found = signingKeys.findPublic(kid);
    if (found === undefined || found.algorithm !== alg) throw refuse('the access token was not issued here');
    return found.key;
  };
}

async function verifySignedToken({ senderId, now }: TokenVerifierParts, findKey: KeyFinder, token: string): Promise<VerifiedToken> {
  if (!token.split('.').every(isCanonical)) throw refuse('the access token is not valid');
  const { payload, protectedHeader } = await jwtVerify(token, findKey, {
    algorithms: ALGORITHMS,
    typ: ACCESS_TOKEN_TYPE,
    issuer: senderId,
    audience: senderId,
    requiredClaims: ['exp', 'iat', 'jti'],
    currentDate: new Date(now()),
  }).catch((error: unknown) => {
    throw error instanceof errors.JOSEError ? explain(error) : error;
  });
  const { sub, client_id: clientId, scope, exp, [CREDENTIAL_CLAIM]: mark } = payload;
  if (typeof clientId !== 'string' || sub !== clientId || typeof scope !== 'string' || typeof mark !== 'string' || exp === undefined)
    throw refuse('the access token lacks a claim');
  return { kid: String(protectedHeader.kid), clientId, credentialMark: mark, scopes: scope.split(' '), expiresAt: exp * 1000 };
}

// Decoders ignore the last bits of a part; a token has one spelling.
function isCanonical(part: string): boolean {
  return Buffer.from(part, 'base64url').toString('base64url') === part;
}

function explain(error: errors.JOSEError): DciError {
  return refuse(error instanceof errors.JWTExpired ? 'the access token has expired' : 'the access token is not valid', error);
}

function refuse(message: string, cause?: unknown): DciError {
  return new DciError('err.request.unauthorized', message, { cause });
}
