import { type Kysely, sql } from 'kysely';

/** Requests of ours to other registries, and what they send us: answers to these, and notifications. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const STATEMENTS = [
  `create table own_request (
    id uuid primary key,
    partner_id uuid not null references partner (id) on delete cascade,
    action text not null,
    transaction_id text not null,
    reference_ids text[] not null,
    is_encrypted boolean not null,
    correlation_id text,
    subscription_codes text[] not null default '{}',
    sent_at timestamptz not null,
    unique (partner_id, transaction_id, action)
  )`,
  `create index own_request_subscriptions on own_request using gin (subscription_codes)`,
  `create index own_request_age on own_request (sent_at)`,

  `create table inbox_message (
    id uuid primary key,
    partner_id uuid not null references partner (id) on delete cascade,
    action text not null,
    registry text,
    message_id text not null,
    transaction_id text not null,
    correlation_id text,
    repeat_hash bytea not null,
    request_id uuid references own_request (id) on delete set null,
    status text,
    item_count integer not null,
    kid text not null,
    dialect text not null,
    is_encrypted boolean not null,
    sealed_content bytea not null,
    received_at timestamptz not null,
    read_at timestamptz,
    unique (partner_id, repeat_hash)
  )`,
  `create index inbox_message_age on inbox_message (received_at)`,
  `create index inbox_message_request on inbox_message (request_id)`,
];
