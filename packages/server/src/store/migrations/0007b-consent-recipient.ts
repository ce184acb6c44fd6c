import { type Kysely, sql } from 'kysely';

/** For a partner to whom few have consented: from its consents to the records. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`create index consent_of_recipient on consent (recipient, record_id) where withdrawn_at is null`.execute(db);
}
