import { type Kysely, sql } from 'kysely';

/** Change events are purged by age; they are written in the order of time, so a summary of each range of pages finds the old ones. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`create index change_event_age on change_event using brin (at)`.execute(db);
}
