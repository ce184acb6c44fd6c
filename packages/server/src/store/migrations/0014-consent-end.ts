import { type Kysely, sql } from 'kysely';

/** Consents end with the erasure of their subject too, and go some time after their end, with their history. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const STATEMENTS = [
  `alter table consent add erased_at timestamptz`,
  // What came as a token is remembered as long as the token could be presented again.
  `alter table consent add ended_at timestamptz generated always as (
    case when token_id is null then least(withdrawn_at, valid_until, erased_at) else valid_until end) stored`,
  `create index consent_by_end on consent (ended_at)`,
  `alter table consent_event
    drop constraint consent_event_consent_id_fkey,
    add constraint consent_event_consent_id_fkey foreign key (consent_id) references consent (id) on delete cascade`,
];
