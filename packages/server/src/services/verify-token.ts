import { hash } from 'node:crypto';
import { DciError } from '@dci/protocol';
import type { Partner } from '../store/partners.ts';
import { type AccessToken, AccessTokenError, type AccessTokenReader } from './access-token.ts';
import { isProofCurrent } from './client-proof.ts';
import { findIssuerName, type OutsideToken, type OutsideTokenReader } from './outside-token.ts';
import type { PartnerDirectory } from './partner-directory.ts';
import { KeysUnavailableError } from './remote-key-set.ts';
import type { TokenKeys } from './token-keys.ts';
import type { TokenTrust } from './token-trust.ts';

/**
 * Who sends a request, by its bearer token: ours, or one of an issuer that is believed. A token that was good is remembered
 * until it ends; whether it was revoked, its client still exists, with the same secret or key, its issuer is still believed
 * and its partner still active is looked up every time. All refusals are
 * `err.request.unauthorized`, but that an issuer's keys cannot be had.
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
  readonly directory: Pick<PartnerDirectory, 'findByClientId' | 'findById'>;
  /** The issuer of our own tokens. */
  readonly senderId: string;
  readonly tokens: AccessTokenReader;
  readonly outsideTokens: OutsideTokenReader;
  readonly tokenKeys: Pick<TokenKeys, 'find'>;
  readonly trust: Pick<TokenTrust, 'isRevoked' | 'findIssuer'>;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

type VerifiedToken = AccessToken | OutsideToken;

const LONGEST_HEADER = 8_192;
const MOST_REMEMBERED = 10_000;

export function createTokenVerifier(parts: TokenVerifierParts): TokenVerifier {
  const remembered = new Map<string, VerifiedToken>();

  async function read(token: string): Promise<VerifiedToken> {
    const digest = hash('sha256', token, 'base64');
    const known = remembered.get(digest);
    remembered.delete(digest);
    const verified = known ?? (await readToken(parts, token));
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
      const token = await read(parseBearer(authorization));
      return 'issuer' in token ? findCaller(parts, token) : findHolder(parts, token);
    },
  };
}

function findHolder({ directory, tokenKeys, trust }: TokenVerifierParts, token: AccessToken): Bearer {
  if (trust.isRevoked(token.jti)) throw refuse('the access token was revoked');
  const client = directory.findByClientId(token.clientId);
  if (client === undefined || !isProofCurrent(client, token.proof)) throw refuse('the client of the access token is not known any more');
  if (!client.partner.active) throw refuse('the partner is not active');
  if (tokenKeys.find(token.kid) === undefined) throw refuse('the key of the access token is not ours any more');
  return { partner: client.partner, scopes: new Set(token.scopes.filter((scope) => client.partner.scopes.has(scope))) };
}

function findCaller({ directory, trust }: TokenVerifierParts, token: OutsideToken): Bearer {
  const issuer = trust.findIssuer(token.issuer);
  if (issuer?.revision !== token.revision) throw refuse('what is registered of the issuer has changed; ask it for a new token');
  const partner = directory.findById(issuer.partners.get(token.caller) ?? '');
  if (partner === undefined) throw refuse('the issuer of the access token may not speak for its caller');
  if (!partner.active) throw refuse('the partner is not active');
  return {
    partner,
    scopes: token.scopes === undefined ? partner.scopes : new Set(token.scopes.filter((scope) => partner.scopes.has(scope))),
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

async function readToken({ senderId, tokens, outsideTokens }: TokenVerifierParts, token: string): Promise<VerifiedToken> {
  if (!token.split('.').every(isCanonical)) throw refuse('the access token is not valid');
  try {
    return await (findIssuerName(token) === senderId ? tokens : outsideTokens).read(token);
  } catch (error) {
    if (error instanceof KeysUnavailableError)
      throw new DciError('err.service.unavailable', 'the keys of the issuer of the access token cannot be had now', { cause: error });
    throw error instanceof AccessTokenError ? refuse(error.message, error) : error;
  }
}

// Decoders ignore the last bits of a part; a token has one spelling.
function isCanonical(part: string): boolean {
  return Buffer.from(part, 'base64url').toString('base64url') === part;
}

function refuse(message: string, cause?: unknown): DciError {
  return new DciError('err.request.unauthorized', message, { cause });
}
