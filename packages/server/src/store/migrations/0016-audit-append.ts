import { type Kysely, sql } from 'kysely';

/** Links of the audit trail are made where its rows are: nothing in the database makes them any more. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`drop aggregate audit_links(bytea, bytea)`.execute(db);
  await sql`drop function audit_link(bytea, bytea, bytea)`.execute(db);
}
