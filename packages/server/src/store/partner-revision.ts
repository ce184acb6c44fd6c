import { sql } from 'kysely';
import type { Db } from './database.ts';

/**
 * Every change of a partner, of its keys or of its credentials gives it a new revision. What was decided under an older
 * one is recognised by that: the audit's commit compares it, so that a deactivation takes effect at once.
 */
export const NEXT_REVISION = sql<string>`nextval('partner_revision')`;

export async function touchPartner(db: Db, partnerId: string): Promise<void> {
  await db.updateTable('partner').set({ revision: NEXT_REVISION, updated_at: sql<Date>`now()` }).where('id', '=', partnerId).execute();
}

/** Differs whenever a partner was added, changed or removed, or the keys that it publishes are others. */
export async function loadPartnersVersion(db: Db): Promise<string> {
  // The sum, not the largest: a transaction that ends late may bring a revision below one that was seen.
  const { rows } = await sql<{ version: string }>`
    select count(*) || ' ' || coalesce(sum(revision), 0) || ' ' || (select coalesce(sum(revision), 0) from partner_jwks) as version
    from partner`.execute(db);
  return rows[0]?.version ?? '';
}
