import { type Kysely, sql } from 'kysely';

/** Fixed tables of the first version. Record tables are the profile reconciler's (`registry/reconcile.ts`). */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const STATEMENTS = [
  `create table profile_applied (
    registry text primary key,
    fingerprint text not null,
    applied_at timestamptz not null default now()
  )`,

  `create table identifier (
    registry text not null,
    type text not null,
    value text collate "C" not null,
    record_type text not null,
    record_id uuid not null,
    is_unique boolean not null,
    valid_from timestamptz not null default now(),
    valid_to timestamptz,
    primary key (registry, type, value, record_id, valid_from)
  )`,
  `create index identifier_current on identifier (registry, type, value) include (record_id, record_type) where valid_to is null`,
  `create unique index identifier_unique on identifier (registry, record_type, type, value) where valid_to is null and is_unique`,
  `create index identifier_of_record on identifier (record_id, type) include (value) where valid_to is null`,

  `create table membership (
    group_id uuid not null,
    member_id uuid not null,
    registry text not null,
    is_head boolean not null,
    position integer not null,
    linked_at timestamptz not null default now(),
    primary key (group_id, member_id)
  )`,
  `create index membership_of_member on membership (member_id, group_id)`,

  `create table change_event (
    seq bigint generated always as identity primary key,
    xid xid8 not null default pg_current_xact_id(),
    registry text not null,
    record_type text not null,
    record_id uuid not null,
    version integer not null,
    kind text not null,
    changed text[] not null default '{}',
    related_id uuid,
    at timestamptz not null default clock_timestamp()
  )`,

  `create table location (
    code text primary key,
    name text not null,
    type text not null,
    parent text,
    updated_at timestamptz not null default now()
  )`,

  `create sequence partner_revision`,
  `create table partner (
    id uuid primary key,
    revision bigint not null default nextval('partner_revision'),
    sender_id text not null unique,
    name text not null,
    active boolean not null default true,
    registries text[] not null,
    scopes text[] not null,
    signature_policy text not null,
    lenient boolean not null default false,
    default_entity text,
    legal_basis text,
    purposes text[] not null default '{}',
    field_rule text,
    limits jsonb not null default '{}',
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
  )`,
  `create table partner_credential (
    client_id text primary key,
    partner_id uuid not null references partner (id) on delete cascade,
    secret_hash text not null,
    created_at timestamptz not null default now(),
    revoked_at timestamptz
  )`,
  `create table partner_key (
    partner_id uuid not null references partner (id) on delete cascade,
    kid text not null,
    algorithm text not null,
    public_jwk jsonb not null,
    created_at timestamptz not null default now(),
    revoked_at timestamptz,
    primary key (partner_id, kid)
  )`,
  `create function partner_changed() returns trigger language plpgsql as $$
  begin
    perform pg_notify('dci_partner', '');
    return null;
  end $$`,
  `create trigger partner_changed after insert or update or delete on partner for each statement execute function partner_changed()`,
  `create trigger partner_changed after insert or update or delete on partner_credential for each statement execute function partner_changed()`,
  `create trigger partner_changed after insert or update or delete on partner_key for each statement execute function partner_changed()`,

  `create table signing_key (
    kid text primary key,
    algorithm text not null,
    public_jwk jsonb not null,
    sealed_private_key bytea,
    created_at timestamptz not null default now(),
    retired_at timestamptz
  )`,

  `create table message_seen (
    partner_id uuid not null,
    message_id text not null,
    expires_at timestamptz not null,
    primary key (partner_id, message_id)
  )`,
  `create index message_seen_expiry on message_seen (expires_at)`,

  `create table audit (
    seq bigint generated always as identity primary key,
    at timestamptz not null default clock_timestamp(),
    partner_id uuid not null,
    sender_id text not null,
    remote_address text not null,
    action text not null,
    registry text not null,
    message_id text not null,
    transaction_id text,
    correlation_id text,
    legal_basis text,
    purposes text[] not null default '{}',
    field_rule text,
    outcome text not null,
    query jsonb,
    item_count integer not null,
    record_count integer not null,
    disclosed jsonb not null default '[]'
  )`,
  `create index audit_of_partner on audit (partner_id, at)`,

  `create unlogged table rate_window (
    subject text not null,
    window_start timestamptz not null,
    points integer not null,
    primary key (subject, window_start)
  )`,
];
