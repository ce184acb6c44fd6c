import { type Kysely, sql } from 'kysely';

/** Who gets in beside partners with their secrets: assertions that were used, tokens that were revoked, issuers that are believed. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const STATEMENTS = [
  `create table client_assertion_seen (
    digest text primary key,
    expires_at timestamptz not null
  )`,
  `create index client_assertion_seen_expiry on client_assertion_seen (expires_at)`,

  `create sequence token_trust_revision`,
  `create table token_revoked (
    jti text primary key,
    client_id text not null,
    revision bigint not null default nextval('token_trust_revision'),
    revoked_at timestamptz not null default now(),
    expires_at timestamptz not null
  )`,
  `create index token_revoked_expiry on token_revoked (expires_at)`,

  `create table token_issuer (
    issuer text primary key,
    revision bigint not null default nextval('token_trust_revision'),
    jwks_url text not null,
    audience text not null,
    partner_claim text not null,
    scope_claim text,
    algorithms text[] not null,
    clock_tolerance_seconds integer not null,
    created_at timestamptz not null default now()
  )`,
  `create table token_issuer_partner (
    issuer text not null references token_issuer (issuer) on delete cascade,
    claim_value text not null,
    partner_id uuid not null references partner (id) on delete cascade,
    primary key (issuer, claim_value)
  )`,

  `create function token_trust_changed() returns trigger language plpgsql as $$
  begin
    perform pg_notify('dci_token_trust', '');
    return null;
  end $$`,
  `create trigger token_trust_changed after insert on token_revoked for each statement execute function token_trust_changed()`,
  `create trigger token_trust_changed after insert or update or delete on token_issuer for each statement execute function token_trust_changed()`,
];
