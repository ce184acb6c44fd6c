import { type Kysely, sql } from 'kysely';

/** What agreements say beyond a rule's name, and consents with their history and the authorities that may attest them. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const STATEMENTS = [
  `alter table partner
    add legal_basis_kind text not null default 'law',
    add recipient_classes text[] not null default '{}',
    add registry_terms jsonb not null default '{}',
    add own_rule jsonb`,

  // recipient: partner:<id> or class:<name>. fields: classes, .<dotted path>, #<identifier type> or *.
  `create table consent (
    id uuid primary key,
    registry text not null,
    record_type text not null,
    record_id uuid not null,
    recipient text not null,
    purposes text[] not null,
    fields text[] not null,
    valid_from timestamptz not null,
    valid_until timestamptz not null,
    withdrawn_at timestamptz,
    authority text,
    token_id text,
    given_at timestamptz not null default clock_timestamp()
  )`,
  `create index consent_of_record on consent (record_id, recipient)`,
  // An authority's token is one consent for each record of its subject, however often it is presented.
  `create unique index consent_of_token on consent (authority, token_id, record_id) where token_id is not null`,
  `create table consent_event (
    seq bigint generated always as identity primary key,
    consent_id uuid not null references consent (id),
    at timestamptz not null default clock_timestamp(),
    kind text not null,
    by text not null,
    terms jsonb not null
  )`,
  `create index consent_event_of_consent on consent_event (consent_id, seq)`,

  `create table consent_authority (
    name text primary key,
    registries text[] not null,
    keys jsonb not null,
    created_at timestamptz not null default now(),
    removed_at timestamptz
  )`,
];
