import { type Kysely, sql } from 'kysely';

/** What came of requests to write that carried a key, so that the same request again does nothing and is answered alike. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const STATEMENTS = [
  `create table write_request (
    partner_id uuid not null references partner (id) on delete cascade,
    key text not null,
    request_hash bytea not null,
    answer text,
    expires_at timestamptz not null,
    primary key (partner_id, key)
  )`,
  `create index write_request_expiry on write_request (expires_at)`,
];
