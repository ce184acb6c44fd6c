import { type Kysely, sql } from 'kysely';

/** Each attempt to deliver looks for consents that have changed since what it brings was made. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`create index consent_event_change on consent_event (at) where kind <> 'given'`.execute(db);
}
