import { type Kysely, sql } from 'kysely';

/** Asynchronous requests that were taken, what is sent for them, and where each partner is reached. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const STATEMENTS = [
  `alter table partner
    add column callback_prefixes text[] not null default '{}',
    add column notify_uri text,
    add column sealed_callback_auth bytea`,

  `create table dci_transaction (
    id uuid primary key,
    partner_id uuid not null,
    action text not null,
    registry text,
    transaction_id text not null,
    correlation_id text not null,
    request_hash bytea not null,
    reference_ids text[] not null,
    subscription_codes text[] not null default '{}',
    request text,
    callback_url text,
    reply_terms json not null,
    kid text,
    remote_address text not null,
    state text not null default 'pending' check (state in ('pending', 'answered', 'refused', 'failed')),
    received_at timestamptz not null,
    ended_at timestamptz,
    unique (partner_id, request_hash)
  )`,
  `create index dci_transaction_of_partner on dci_transaction (partner_id, transaction_id)`,
  `create index dci_transaction_correlation on dci_transaction (partner_id, correlation_id)`,
  `create index dci_transaction_references on dci_transaction using gin (reference_ids)`,
  `create index dci_transaction_subscriptions on dci_transaction using gin (subscription_codes)`,
  `create index dci_transaction_age on dci_transaction (received_at)`,

  `create table delivery (
    id uuid primary key,
    partner_id uuid not null,
    action text not null,
    transaction_id text not null,
    lane text,
    url text not null,
    header json not null,
    content text,
    reply_terms json not null,
    rights text not null,
    remake json,
    state text not null default 'pending' check (state in ('pending', 'delivered', 'dead')),
    attempts integer not null default 0,
    status integer,
    error text,
    created_at timestamptz not null default now(),
    tried_at timestamptz,
    next_at timestamptz,
    ended_at timestamptz
  )`,
  `create index delivery_age on delivery (created_at)`,
  `create index delivery_open on delivery (created_at) where state <> 'delivered'`,

  `create table receiver_trouble (
    owner text primary key,
    failures integer not null,
    since timestamptz not null default now()
  )`,
];
