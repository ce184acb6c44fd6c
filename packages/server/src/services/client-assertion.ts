import { createHash } from 'node:crypto';
import type { VerificationKey } from '@dci/protocol';
import { decodeJwt, decodeProtectedHeader, errors, type JWTPayload, jwtVerify } from 'jose';
import type { Db } from '../store/database.ts';
import { claimAssertion } from '../store/seen-assertions.ts';
import type { Client } from './partner-directory.ts';

/**
 * `private_key_jwt` (RFC 7523, section 3; OpenID Connect Core, section 9): a JWT by which a client presents itself, signed
 * with a key that its partner registered for messages. It is for us alone, lives for minutes, and is good once, whichever
 * node it reaches.
 */
export interface AssertionParts {
  readonly db: Db;
  /** Names of ours, one of which an assertion must be for: issuers and token endpoints. */
  readonly audiences: () => readonly string[];
  /** Epoch milliseconds. */
  readonly now: () => number;
}

export const ASSERTION_ALGORITHMS = ['EdDSA', 'ES256', 'RS256', 'PS256'];

const LONGEST_ASSERTION = 8_192;
const LONGEST_ID = 1_024;
const LONGEST_LIFE_SECONDS = 300;
const CLOCK_TOLERANCE_SECONDS = 30;

/** The client that an assertion names, unverified. */
export function findAssertedClient(assertion: string): string | undefined {
  try {
    return assertion.length > LONGEST_ASSERTION ? undefined : decodeJwt(assertion).sub;
  } catch {
    return undefined;
  }
}

/** The key that signed a good assertion of `client`; undefined where anything is wrong with it. */
export async function verifyClientAssertion(
  parts: AssertionParts,
  { partner, credential }: Client,
  assertion: string,
): Promise<VerificationKey | undefined> {
  const key = findKey(partner.keys, assertion);
  const payload = key === undefined ? undefined : await verifyJwt(parts, credential.clientId, key, assertion);
  if (payload?.jti === undefined || payload.exp === undefined || !isInTime(payload, parts.now())) return undefined;
  const digest = createHash('sha256').update(`${credential.clientId}\n${payload.jti}`).digest('base64url');
  const isFirst = await claimAssertion(parts.db, digest, new Date((payload.exp + 2 * CLOCK_TOLERANCE_SECONDS) * 1000));
  return isFirst ? key : undefined;
}

async function verifyJwt(
  { audiences, now }: AssertionParts,
  clientId: string,
  key: VerificationKey,
  assertion: string,
): Promise<JWTPayload | undefined> {
  try {
    const { payload } = await jwtVerify(assertion, key.key, {
      algorithms: [key.algorithm],
      issuer: clientId,
      subject: clientId,
      audience: [...audiences()],
      requiredClaims: ['exp', 'jti'],
      clockTolerance: CLOCK_TOLERANCE_SECONDS,
      currentDate: new Date(now()),
    });
    return payload;
  } catch (error) {
    if (error instanceof errors.JOSEError || error instanceof TypeError) return undefined;
    throw error;
  }
}

/** For one audience, of bounded life, and not from the future. */
function isInTime({ aud, jti, exp = Number.NaN, iat = 0 }: JWTPayload, now: number): boolean {
  const seconds = now / 1000;
  const isForOne = typeof aud === 'string' || (Array.isArray(aud) && aud.length === 1);
  const isBounded = exp <= seconds + LONGEST_LIFE_SECONDS + CLOCK_TOLERANCE_SECONDS && iat <= seconds + CLOCK_TOLERANCE_SECONDS;
  return isForOne && isBounded && typeof jti === 'string' && jti !== '' && jti.length <= LONGEST_ID;
}

/** The key that the header names; one that names none is taken for a partner with a single key. */
function findKey(keys: ReadonlyMap<string, VerificationKey>, assertion: string): VerificationKey | undefined {
  try {
    const { kid, alg } = decodeProtectedHeader(assertion);
    const [first] = keys.values();
    const key = kid === undefined ? (keys.size === 1 ? first : undefined) : keys.get(kid);
    return key?.algorithm === alg ? key : undefined;
  } catch {
    return undefined;
  }
}
