import { type Kysely, sql } from 'kysely';

/**
 * An index that every audited message paid for and no query took: rows of the audit trail are read in the order of time, by
 * the primary key, or by record; none is looked for by the id of its partner.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`drop index audit_of_partner`.execute(db);
}
