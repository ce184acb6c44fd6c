import { type Kysely, sql } from 'kysely';

/**
 * Indexes that every audited message pays for. Rows of the audit trail are read in the order of time, by the primary key, or
 * by record; none is looked for by partner id. Claims of message ids lie in the order in which they end, nearly, so that for
 * their purge a summary of blocks does.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`drop index audit_of_partner`.execute(db);
  await sql`drop index message_seen_expiry`.execute(db);
  await sql`create index message_seen_expiry on message_seen using brin (expires_at)`.execute(db);
}
