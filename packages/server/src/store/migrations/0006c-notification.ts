import { type Kysely, sql } from 'kysely';

/** What came of a request before it was acknowledged; how subscribers are written to; which events are on their way. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const STATEMENTS = [
  `alter table dci_transaction add column begun json`,
  `alter table partner add column subscriptions text not null default 'automatic' check (subscriptions in ('automatic', 'approval'))`,
  `alter table subscription add column reply_terms json not null`,
  // The transaction of the notification that tells it; null: it is still to be told.
  `alter table pending_event add column told_in text`,
  `create index pending_event_age on pending_event (at)`,
];
