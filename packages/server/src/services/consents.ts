import { DciError } from '@dci/protocol';
import { v7 as uuidV7 } from 'uuid';
import { getRecordType } from '../profiles/index.ts';
import type { Profile } from '../profiles/profile.ts';
import { findRecordIds, type IdentifierProbe, probeKey } from '../registry/identifier-rows.ts';
import {
  addConsentEvent,
  type Consent,
  type ConsentTerms,
  endConsent,
  extendConsent,
  insertConsent,
  loadConsents,
} from '../store/consents.ts';
import type { Db } from '../store/database.ts';
import { findRecipient, type GivenConsent, readCovers, readMoment, readSubject, readValidity } from './consent-request.ts';

/**
 * Consents, given, renewed and withdrawn. A consent counts from the moment it is written: every search reads it together
 * with the records. What was withdrawn is never revived; whoever consents again gives a new one. All of these run in the
 * transaction they are handed, and leave a line in the consent's history.
 */

/** Throws a `DciError` (`err.request.bad`, `err.request.not_found`) where it cannot be written down. `by`: who writes. */
export async function giveConsent(db: Db, profile: Profile, given: GivenConsent, by: string, now: number): Promise<Consent> {
  const subject = readSubject(profile, given.subject);
  const terms: ConsentTerms = {
    recipient: await findRecipient(db, given.recipient),
    purposes: [...new Set(given.purposes)],
    fields: readCovers(profile, getRecordType(profile, subject.recordType), given.covers),
    ...readValidity(given, now),
  };
  const recordId = await getSubjectId(db, profile, subject);
  const id = uuidV7();
  await insertConsent(db, { id, registry: profile.registry, recordType: subject.recordType, recordId, ...terms });
  await addConsentEvent(db, id, { kind: 'given', by, terms: { ...describeTerms(terms), ...noted(given.evidence) } });
  return getConsent(db, profile, id);
}

/** Lets a consent that was not withdrawn last until another time; without one, until it is withdrawn. */
export async function renewConsent(
  db: Db,
  profile: Profile,
  id: string,
  change: { readonly validUntil?: string | undefined; readonly evidence?: string | undefined; readonly by: string },
): Promise<Consent> {
  const consent = await getConsent(db, profile, id);
  const validUntil = change.validUntil === undefined ? undefined : readMoment(change.validUntil, '/valid_until');
  if (validUntil !== undefined && validUntil <= consent.validFrom) throw refusal('it ends before it begins', '/valid_until');
  if (!(await extendConsent(db, id, validUntil)))
    throw refusal('the consent was withdrawn, or its subject erased; it takes a new one', '/id');
  const terms = { valid_until: validUntil?.toISOString() ?? null, ...noted(change.evidence) };
  await addConsentEvent(db, id, { kind: 'renewed', by: change.by, terms });
  return getConsent(db, profile, id);
}

/** From now on nothing leaves on the ground of this consent, what waits to be sent included. */
export async function withdrawConsent(
  db: Db,
  profile: Profile,
  id: string,
  change: { readonly reason?: string | undefined; readonly by: string },
): Promise<Consent> {
  const consent = await getConsent(db, profile, id);
  if (await endConsent(db, id)) await addConsentEvent(db, id, { kind: 'withdrawn', by: change.by, terms: noted(change.reason) });
  return consent.withdrawnAt === undefined ? getConsent(db, profile, id) : consent;
}

/** Throws `err.request.not_found` where the registry has no such consent. */
export async function getConsent(db: Db, profile: Profile, id: string): Promise<Consent> {
  const [consent] = isUuid(id) ? await loadConsents(db, { id, registry: profile.registry }, 1) : [];
  if (consent === undefined) throw new DciError('err.request.not_found', 'there is no such consent', { pointer: '/id' });
  return consent;
}

/** The id of the record that has this identifier; throws `err.request.not_found`. */
export async function getSubjectId(db: Db, profile: Profile, subject: IdentifierProbe): Promise<string> {
  const id = (await findRecordIds(db, profile.registry, [subject])).get(probeKey(subject));
  if (id === undefined) throw new DciError('err.request.not_found', 'no record has this identifier', { pointer: '/subject' });
  return id;
}

/** How a consent stands at a moment, epoch milliseconds. */
export type ConsentState = 'valid' | 'not-yet' | 'expired' | 'withdrawn' | 'erased';

export function stateOf({ withdrawnAt, erasedAt, validFrom, validUntil }: Consent, now: number): ConsentState {
  if (erasedAt !== undefined) return 'erased';
  if (withdrawnAt !== undefined) return 'withdrawn';
  if (validFrom.getTime() > now) return 'not-yet';
  return validUntil !== undefined && validUntil.getTime() <= now ? 'expired' : 'valid';
}

function describeTerms({ recipient, purposes, fields, validFrom, validUntil }: ConsentTerms): object {
  return {
    recipient,
    purposes,
    fields,
    valid_from: validFrom.toISOString(),
    valid_until: validUntil?.toISOString() ?? null,
  };
}

function noted(note: string | undefined): { note?: string } {
  return note === undefined ? {} : { note };
}

function isUuid(text: string): boolean {
  return /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i.test(text);
}

function refusal(message: string, pointer: string): DciError {
  return new DciError('err.request.bad', message, { pointer });
}
