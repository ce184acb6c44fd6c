import { compileParser, DciError, timestampMillis } from '@dci/protocol';
import { type Static, Type } from 'typebox';
import { classRecipient, partnerRecipient } from '../disclosure/grant.ts';
import { resolveField } from '../disclosure/treatment.ts';
import { findIdentifierType, SENSITIVITIES } from '../profiles/index.ts';
import type { Profile, RecordType } from '../profiles/profile.ts';
import { EVERYTHING } from '../registry/cover.ts';
import type { IdentifierProbe } from '../registry/identifier-rows.ts';
import type { ConsentTerms } from '../store/consents.ts';
import type { Db } from '../store/database.ts';
import { findPartner } from '../store/partners.ts';

/** A consent as it is written down: by the command line, the API, a file of them, or an authority in a token. */

const closed = { additionalProperties: false };
const text = (description: string) => Type.String({ minLength: 1, maxLength: 500, description });

/** Which record it is about. */
export const Subject = Type.Object({ identifier_type: text('an identifier type'), identifier_value: text('an identifier') }, closed);

/** What is consented to. */
const TERMS = {
  purposes: Type.Array(text('a purpose, by its code'), { minItems: 1, maxItems: 50 }),
  covers: Type.Array(text('a class of fields, a field by attribute or path, an identifier type, or * for all'), {
    minItems: 1,
    maxItems: 200,
  }),
};

export const GivenConsent = Type.Object(
  {
    subject: Subject,
    recipient: Type.Union(
      [Type.Object({ partner: text('a sender_id') }, closed), Type.Object({ class: text('a class of recipients') }, closed)],
      {
        description: 'an object with partner or class',
      },
    ),
    ...TERMS,
    valid_from: Type.Optional(text('a timestamp with its zone, or a day; absent: from now')),
    valid_until: Type.Optional(text('a timestamp with its zone, or a day; absent: until it is withdrawn')),
    evidence: Type.Optional(text('where it is on paper or on file')),
  },
  closed,
);
export type GivenConsent = Static<typeof GivenConsent>;

/** @throws DciError `err.request.bad` with the pointer of the fault */
export const parseGivenConsent: (value: unknown) => GivenConsent = compileParser(GivenConsent, '');

/** The identifier that names a record to consent about; throws a `DciError` where its type names none. */
export function readSubject(profile: Profile, { identifier_type: name, identifier_value: value }: Static<typeof Subject>): IdentifierProbe {
  const type = profile.recordTypes
    .map((recordType) => findIdentifierType(profile, name, recordType.name))
    .find((candidate) => candidate?.unique === true);
  if (type === undefined)
    throw fault('identifier_type must be one by which a record of this registry is known', '/subject/identifier_type');
  return { recordType: type.recordType, type: type.code, value };
}

/** Who is meant, as the store names recipients; throws a `DciError` where there is no such partner. */
export async function findRecipient(db: Db, recipient: GivenConsent['recipient']): Promise<string> {
  if ('class' in recipient) return classRecipient(recipient.class);
  const partner = await findPartner(db, recipient.partner);
  if (partner === undefined) throw fault('no partner is registered under this sender_id', '/recipient/partner');
  return partnerRecipient(partner.id);
}

/** What the names of a consent cover in records of a type, as marks; throws a `DciError` for a name that means nothing. */
export function readCovers(profile: Profile, recordType: RecordType, names: readonly string[]): readonly string[] {
  const marks = names.flatMap((name, index) => {
    if (name === EVERYTHING || SENSITIVITIES.some((sensitivity) => sensitivity === name)) return [name];
    const places = resolveField(profile, recordType, name);
    if (places.length === 0) throw fault(`a ${recordType.name} has no such class, field or identifier type`, `/covers/${index}`);
    return places.map((place) => (place.startsWith('#') ? place : `.${place}`));
  });
  return [...new Set(marks)];
}

export type Validity = Pick<ConsentTerms, 'validFrom' | 'validUntil'>;

/** `now`: epoch milliseconds. */
export function readValidity(written: { valid_from?: string | undefined; valid_until?: string | undefined }, now: number): Validity {
  const validFrom = written.valid_from === undefined ? new Date(now) : readMoment(written.valid_from, '/valid_from');
  const validUntil = written.valid_until === undefined ? undefined : readMoment(written.valid_until, '/valid_until');
  if (validUntil !== undefined && validUntil <= validFrom) throw fault('it ends before it begins', '/valid_until');
  return { validFrom, validUntil };
}

/** A day begins at midnight UTC. */
export function readMoment(written: string, pointer: string): Date {
  const millis = timestampMillis(/^\d{4}-\d{2}-\d{2}$/.test(written) ? `${written}T00:00:00Z` : written);
  if (millis === undefined) throw fault('a timestamp with its zone, or a day YYYY-MM-DD, is expected', pointer);
  return new Date(millis);
}

function fault(message: string, pointer: string): DciError {
  return new DciError('err.request.bad', message, { pointer });
}
