import { compileParser, DciError, importPublicKey, type VerificationKey } from '@dci/protocol';
import { compactVerify, decodeJwt, decodeProtectedHeader } from 'jose';
import { Type } from 'typebox';
import { partnerRecipient } from '../disclosure/grant.ts';
import { getRecordType } from '../profiles/index.ts';
import type { Profile } from '../profiles/profile.ts';
import { insertTokenConsent } from '../store/consents.ts';
import { type ConsentAuthority, loadAuthorities } from '../store/consent-authorities.ts';
import type { Db } from '../store/database.ts';
import type { Partner } from '../store/partners.ts';
import { readCovers, readSubject, Subject } from './consent-request.ts';

/**
 * Consents that come with a request (`authorize.consent_jws` or `consent.consent_jws` of an item): a compact JWS of a
 * registered authority, made out to the partner that presents it. A good one is written down as a consent, valid for as
 * long as it says, before the records are read; from then on it is a consent like any other, in the partner's searches and
 * in what is sent later, and can be withdrawn. One that was withdrawn is not revived by presenting it again.
 */
export interface ConsentTokens {
  /** Throws `rjct.search_criteria.invalid` where the token is not to be trusted; then nothing was written. */
  accept(partner: Partner, profile: Profile, token: string, pointer: string): Promise<void>;
}

const Claims = Type.Object(
  {
    iss: Type.String({ description: 'the name of the authority' }),
    aud: Type.Union([Type.String(), Type.Array(Type.String())], { description: 'the sender_id of the partner' }),
    jti: Type.String({ minLength: 1, maxLength: 200 }),
    iat: Type.Number(),
    nbf: Type.Optional(Type.Number()),
    exp: Type.Number(),
    subject: Subject,
    purposes: Type.Array(Type.String({ minLength: 1, maxLength: 500 }), { minItems: 1, maxItems: 50 }),
    covers: Type.Array(Type.String({ minLength: 1, maxLength: 500 }), { minItems: 1, maxItems: 200 }),
  },
  { additionalProperties: true },
);
const parseClaims = compileParser(Claims, '');

const LONGEST_TOKEN = 8_192;
const CLOCK_TOLERANCE_SECONDS = 60;
const ALGORITHMS = ['EdDSA', 'Ed25519', 'ES256', 'RS256', 'PS256'];

/** `now`: epoch milliseconds. */
export function createConsentTokens(db: Db, now: () => number): ConsentTokens {
  return {
    async accept(partner, profile, token, pointer) {
      const { authority, payload } = await verify(db, token, pointer);
      const claims = within(pointer, () => parseClaims(payload));
      const seconds = now() / 1000;
      const audience = Array.isArray(claims.aud) ? claims.aud : [claims.aud];
      if (!audience.includes(partner.senderId)) throw refusal('the consent token is made out to another partner', pointer);
      if (!authority.registries.includes(profile.registry))
        throw refusal('its authority does not attest consents of this registry', pointer);
      const from = Math.max(claims.iat, claims.nbf ?? claims.iat);
      if (!(from <= seconds + CLOCK_TOLERANCE_SECONDS && claims.exp > seconds && claims.exp > from && claims.exp < LAST_SECOND))
        throw refusal('the consent token is not valid now', pointer);
      const subject = within(pointer, () => readSubject(profile, claims.subject));
      const fields = within(pointer, () => readCovers(profile, getRecordType(profile, subject.recordType), claims.covers));
      const { purposes, jti: tokenId } = claims;
      await insertTokenConsent(db, {
        registry: profile.registry,
        authority: authority.name,
        tokenId,
        subject,
        recipient: partnerRecipient(partner.id),
        purposes,
        fields,
        // What is valid by our clock is so by the database's.
        validFrom: new Date((from - CLOCK_TOLERANCE_SECONDS) * 1000),
        validUntil: new Date(claims.exp * 1000),
        terms: { token: tokenId, purposes, fields, valid_until: new Date(claims.exp * 1000).toISOString() },
      });
    },
  };
}

// The year 9999: later is no date.
const LAST_SECOND = 253_370_764_800;

interface VerifiedToken {
  readonly authority: ConsentAuthority;
  readonly payload: unknown;
}

/** The keys are read for each token: one that is taken away ends at once. */
async function verify(db: Db, token: string, pointer: string): Promise<VerifiedToken> {
  const { issuer, kid } = readHead(token, pointer);
  const authority = (await loadAuthorities(db)).find(({ name }) => name === issuer);
  const key = authority && findKey(authority, kid);
  if (authority === undefined || key === undefined) throw refusal('no registered authority has signed the consent token', pointer);
  try {
    const { payload } = await compactVerify(token, key.key, { algorithms: ALGORITHMS });
    return { authority, payload: JSON.parse(Buffer.from(payload).toString('utf8')) as unknown };
  } catch {
    throw refusal('the signature of the consent token is not good', pointer);
  }
}

function readHead(token: string, pointer: string): { readonly issuer: unknown; readonly kid: unknown } {
  try {
    if (token.length > LONGEST_TOKEN) throw new Error('too long');
    return { issuer: decodeJwt(token).iss, kid: decodeProtectedHeader(token).kid };
  } catch {
    throw refusal('the consent token is no compact JWS', pointer);
  }
}

function findKey({ keys }: ConsentAuthority, kid: unknown): VerificationKey | undefined {
  const jwk = keys.find((candidate) => candidate['kid'] === kid && kid !== undefined);
  return jwk && importPublicKey(jwk);
}

function within<T>(pointer: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof DciError)) throw error;
    throw refusal(`the consent token: ${error.message}`, pointer);
  }
}

function refusal(message: string, pointer: string): DciError {
  return new DciError('rjct.search_criteria.invalid', message, { pointer });
}
