import { type Selectable, sql } from 'kysely';
import type { Db } from './database.ts';
import { consentsChangedSince } from './consents.ts';
import type { Tables } from './tables.ts';

/**
 * Research extracts and their sealed contents. One that is being made is nobody's yet; whoever makes it again takes the
 * place of whoever did before, whose segments find no extract any more.
 */
export interface NewExtract {
  readonly id: string;
  /** Of the request (`dci_transaction`). */
  readonly transactionId: string;
  readonly partnerId: string;
  readonly registry: string;
  /** Digest of the terms under which it is made. */
  readonly terms: string;
  /** Of the partner's key to which it is encrypted. */
  readonly kid: string;
  readonly byConsent: boolean;
  /** When its records were so. */
  readonly madeAt: Date;
  readonly expiresAt: Date;
  /** Rows that it is to have. */
  readonly expected: number;
}

export interface MadeExtract {
  readonly bytes: number;
  /** Of the sealed content, hexadecimal. */
  readonly sha256: string;
  readonly segments: number;
  /** Compact JWS. */
  readonly manifest: string;
}

export type ExtractState = 'making' | 'ready';

export interface StoredExtract extends NewExtract {
  readonly state: ExtractState;
  /** Rows that it has so far. */
  readonly written: number;
  readonly createdAt: Date;
  /** Once it is ready. */
  readonly made: MadeExtract | undefined;
  /** That no consent under which it may have been made was changed since. */
  readonly unchanged: boolean;
}

/** In place of whatever there is of the same request: one that was begun, or one that is not open any more. */
export async function insertExtract(db: Db, extract: NewExtract): Promise<void> {
  await db.transaction().execute(async (transaction) => {
    await deleteUnfinished(transaction, extract.transactionId);
    await transaction
      .insertInto('extract')
      .values({
        id: extract.id,
        transaction_id: extract.transactionId,
        partner_id: extract.partnerId,
        registry: extract.registry,
        terms: extract.terms,
        kid: extract.kid,
        by_consent: extract.byConsent,
        made_at: extract.madeAt,
        expires_at: extract.expiresAt,
        expected: extract.expected,
      })
      .execute();
  });
}

/** Throws where the extract is not there any more. */
export async function insertSegment(db: Db, extractId: string, number: number, sealed: Buffer): Promise<void> {
  await db.insertInto('extract_segment').values({ extract_id: extractId, number, sealed }).execute();
}

export async function noteWritten(db: Db, id: string, written: number): Promise<void> {
  await db.updateTable('extract').set({ written }).where('id', '=', id).execute();
}

/** Opens it to its partner, if that is still as it was at `revision`; false where it is not, or the extract is not there any more. */
export async function finishExtract(
  db: Db,
  id: string,
  revision: string,
  { bytes, sha256, segments, manifest }: MadeExtract,
): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('extract')
    .from('partner')
    .set({ state: 'ready', bytes, sha256, segments, manifest })
    .where('extract.id', '=', id)
    .whereRef('partner.id', '=', 'extract.partner_id')
    .where('partner.revision', '=', revision)
    .where('partner.active', '=', true)
    .where(UNCHANGED)
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

/** Where consent was the ground: none was withdrawn or changed since, of this partner or a class it may belong to. */
const UNCHANGED = sql<boolean>`(not extract.by_consent or not ${consentsChangedSince(sql`extract.partner_id`, sql`extract.made_at`)})`;

const stored = (db: Db) => db.selectFrom('extract').selectAll().select(UNCHANGED.as('unchanged'));

const current = (db: Db) => stored(db).where(sql<boolean>`expires_at > now()`).where(UNCHANGED).where('state', '=', 'ready');

/** One that the partner may fetch, as far as that does not depend on its terms. */
export async function findExtract(db: Db, partnerId: string, id: string): Promise<StoredExtract | undefined> {
  const row = await current(db).where('id', '=', id).where('partner_id', '=', partnerId).executeTakeFirst();
  return row === undefined ? undefined : readExtract(row);
}

/** That of a request, likewise. */
export async function findExtractOf(db: Db, transactionId: string): Promise<StoredExtract | undefined> {
  const row = await current(db).where('transaction_id', '=', transactionId).executeTakeFirst();
  return row === undefined ? undefined : readExtract(row);
}

/** At most `length` bytes of a segment, from `start`. */
export async function loadPiece(
  db: Db,
  extractId: string,
  number: number,
  { start, length }: { readonly start: number; readonly length: number },
): Promise<Buffer | undefined> {
  const row = await db
    .selectFrom('extract_segment')
    .select(sql<Buffer>`substring(sealed from ${start + 1}::integer for ${length}::integer)`.as('sealed'))
    .where('extract_id', '=', extractId)
    .where('number', '=', number)
    .executeTakeFirst();
  return row?.sealed;
}

/** All that the partner may fetch, likewise. */
export async function loadCurrentExtracts(db: Db, partnerId: string): Promise<StoredExtract[]> {
  return (await current(db).where('partner_id', '=', partnerId).execute()).map(readExtract);
}

/** Jobs of this kind that are to make extracts for a partner. */
export async function countExtractJobs(db: Db, partnerId: string, kind: string): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select count(*)::integer as count from job where kind = ${kind} and owner = ${partnerId} and state <> 'dead'`.execute(db);
  return rows[0]?.count ?? 0;
}

/** The newest first. */
export async function loadExtracts(db: Db): Promise<StoredExtract[]> {
  const rows = await stored(db).orderBy('created_at', 'desc').orderBy('id', 'desc').execute();
  return rows.map(readExtract);
}

/** That which is being made for a request. */
export async function deleteUnfinished(db: Db, transactionId: string): Promise<void> {
  await db.deleteFrom('extract').where('transaction_id', '=', transactionId).where('state', '=', 'making').execute();
}

/** False where there is none. */
export async function deleteExtract(db: Db, id: string): Promise<boolean> {
  const { numDeletedRows } = await db.deleteFrom('extract').where('id', '=', id).executeTakeFirst();
  return numDeletedRows === 1n;
}

function readExtract(row: Selectable<Tables['extract']> & { readonly unchanged: boolean }): StoredExtract {
  const { bytes, sha256, segments, manifest } = row;
  const isMade = bytes !== null && sha256 !== null && segments !== null && manifest !== null;
  return {
    id: row.id,
    transactionId: row.transaction_id,
    partnerId: row.partner_id,
    registry: row.registry,
    state: row.state === 'ready' ? 'ready' : 'making',
    terms: row.terms,
    kid: row.kid,
    byConsent: row.by_consent,
    madeAt: row.made_at,
    expiresAt: row.expires_at,
    expected: Number(row.expected),
    written: Number(row.written),
    createdAt: row.created_at,
    made: isMade ? { bytes: Number(bytes), sha256, segments, manifest } : undefined,
    unchanged: row.unchanged,
  };
}
