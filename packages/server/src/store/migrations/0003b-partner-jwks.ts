import { type Kysely, sql } from 'kysely';

/** Addresses where partners publish their keys, and which of the kept keys came from there. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const STATEMENTS = [
  `create table partner_jwks (
    partner_id uuid primary key references partner (id) on delete cascade,
    url text not null,
    revision bigint not null default nextval('partner_revision'),
    attempted_at timestamptz,
    finished_at timestamptz,
    fetched_at timestamptz,
    usable_until timestamptz,
    error text
  )`,
  `create trigger partner_changed after insert or delete or update of revision on partner_jwks
    for each statement execute function partner_changed()`,
  `alter table partner_key add column source text not null default 'operator' check (source in ('operator', 'jwks'))`,
];
