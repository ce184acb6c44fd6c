import { type RawBuilder, type Selectable, sql } from 'kysely';
import type { Db } from './database.ts';
import type { Tables } from './tables.ts';

/** Consents: to whom, for what and for which fields of one record, from when to when; and all that happened to each. */
export interface Consent extends ConsentTerms {
  readonly id: string;
  readonly registry: string;
  readonly recordType: string;
  readonly recordId: string;
  readonly givenAt: Date;
  readonly withdrawnAt: Date | undefined;
  /** When its subject was erased. */
  readonly erasedAt: Date | undefined;
  /** The authority that attested it, where it came in a request. */
  readonly authority: string | undefined;
}

export interface ConsentTerms {
  /** `partner:<id>` or `class:<name>`. */
  readonly recipient: string;
  readonly purposes: readonly string[];
  /** Marks, as `registry/cover.ts` reads them. */
  readonly fields: readonly string[];
  readonly validFrom: Date;
  /** Absent: until it is withdrawn. */
  readonly validUntil: Date | undefined;
}

export type ConsentEventKind = 'given' | 'renewed' | 'withdrawn';

export interface ConsentEvent {
  readonly at: Date;
  readonly kind: ConsentEventKind;
  /** Who wrote it down: `operator`, a partner, an authority. */
  readonly by: string;
  readonly terms: unknown;
}

const NO_END = 'infinity';

/** So long a transaction may take that changes a consent, and has not been seen by who read before it ended. */
const CHANGING_SECONDS = 60;

/** SQL: whether a consent has changed since then, given to the partner of that id or to a class, of which it may be one. */
export function consentsChangedSince(partnerId: RawBuilder<unknown>, since: RawBuilder<unknown>): RawBuilder<boolean> {
  return sql<boolean>`exists (select from consent_event join consent on consent.id = consent_event.consent_id
    where consent_event.kind <> 'given' and consent_event.at > ${since} - ${sql.raw(`interval '${CHANGING_SECONDS} seconds'`)}
      and (consent.recipient = 'partner:' || ${partnerId} or consent.recipient like 'class:%'))`;
}

/** When the first consent ends by itself that is given to one of them; undefined: none does. */
export async function findNextConsentEnd(db: Db, registry: string, recipients: readonly string[]): Promise<Date | undefined> {
  const { rows } = await sql<{ ends: Date | null }>`
    select min(valid_until) as ends from consent
    where registry = ${registry} and recipient = any (${[...recipients]}::text[]) and valid_until > now() and valid_until < 'infinity'
      and withdrawn_at is null`.execute(db);
  return rows[0]?.ends ?? undefined;
}

export async function insertConsent(db: Db, consent: Omit<Consent, 'givenAt' | 'withdrawnAt' | 'erasedAt' | 'authority'>): Promise<void> {
  await db
    .insertInto('consent')
    .values({
      id: consent.id,
      registry: consent.registry,
      record_type: consent.recordType,
      record_id: consent.recordId,
      recipient: consent.recipient,
      purposes: [...consent.purposes],
      fields: [...consent.fields],
      valid_from: consent.validFrom,
      valid_until: consent.validUntil ?? NO_END,
    })
    .execute();
}

export async function addConsentEvent(db: Db, consentId: string, { kind, by, terms }: Omit<ConsentEvent, 'at'>): Promise<void> {
  await db
    .insertInto('consent_event')
    .values({ consent_id: consentId, kind, by, terms: JSON.stringify(terms) })
    .execute();
}

/** False where there is no such consent, or it was withdrawn, or its subject erased. */
export async function extendConsent(db: Db, id: string, validUntil: Date | undefined): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('consent')
    .set({ valid_until: validUntil ?? NO_END })
    .where('id', '=', id)
    .where('withdrawn_at', 'is', null)
    .where('erased_at', 'is', null)
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

/** False where there is no such consent, or it was withdrawn before. */
export async function endConsent(db: Db, id: string): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('consent')
    .set({ withdrawn_at: sql<Date>`clock_timestamp()` })
    .where('id', '=', id)
    .where('withdrawn_at', 'is', null)
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

export interface ConsentFilter {
  readonly id?: string;
  readonly registry?: string;
  readonly recordId?: string;
  readonly recipient?: string;
}

/** The newest first, at most `most`. */
export async function loadConsents(db: Db, filter: ConsentFilter, most: number): Promise<Consent[]> {
  let query = db.selectFrom('consent').selectAll();
  if (filter.id !== undefined) query = query.where('id', '=', filter.id);
  if (filter.registry !== undefined) query = query.where('registry', '=', filter.registry);
  if (filter.recordId !== undefined) query = query.where('record_id', '=', filter.recordId);
  if (filter.recipient !== undefined) query = query.where('recipient', '=', filter.recipient);
  const rows = await query.orderBy('given_at', 'desc').orderBy('id').limit(most).execute();
  return rows.map(readConsent);
}

/** The oldest first. */
export async function loadConsentEvents(db: Db, consentId: string): Promise<ConsentEvent[]> {
  const rows = await db.selectFrom('consent_event').selectAll().where('consent_id', '=', consentId).orderBy('seq').execute();
  return rows.map(({ at, kind, by, terms }) => ({ at, kind: kind as ConsentEventKind, by, terms }));
}

export interface TokenConsent extends ConsentTerms {
  readonly registry: string;
  readonly authority: string;
  readonly tokenId: string;
  readonly subject: { readonly type: string; readonly value: string };
  readonly terms: unknown;
}

/**
 * What an authority attests of its subject: a consent for each record that has the identifier now, unless the same token
 * was taken before. One statement, whether there is such a record or not.
 */
export async function insertTokenConsent(db: Db, token: TokenConsent): Promise<void> {
  const { registry, authority, tokenId, subject } = token;
  await sql`
    with given as (
      insert into consent (id, registry, record_type, record_id, recipient, purposes, fields, valid_from, valid_until, authority, token_id)
      select distinct on (i.record_id) gen_random_uuid(), i.registry, i.record_type, i.record_id, ${token.recipient}::text,
        ${[...token.purposes]}::text[], ${[...token.fields]}::text[], ${token.validFrom}::timestamptz,
        ${token.validUntil ?? NO_END}::timestamptz, ${authority}::text, ${tokenId}::text
      from identifier i
      where i.registry = ${registry} and i.type = ${subject.type} and i.value = ${subject.value} and i.valid_to is null
      on conflict (authority, token_id, record_id) where token_id is not null do nothing
      returning id
    )
    insert into consent_event (consent_id, kind, by, terms)
    select id, 'given', ${`authority:${authority}`}::text, ${JSON.stringify(token.terms)}::jsonb from given`.execute(db);
}

function readConsent(row: Selectable<Tables['consent']>): Consent {
  return {
    id: row.id,
    registry: row.registry,
    recordType: row.record_type,
    recordId: row.record_id,
    recipient: row.recipient,
    purposes: row.purposes,
    fields: row.fields,
    validFrom: row.valid_from,
    validUntil: row.valid_until instanceof Date ? row.valid_until : undefined,
    withdrawnAt: row.withdrawn_at ?? undefined,
    erasedAt: row.erased_at ?? undefined,
    authority: row.authority ?? undefined,
    givenAt: row.given_at,
  };
}
