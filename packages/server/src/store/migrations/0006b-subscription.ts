import { type Kysely, sql } from 'kysely';

/** Who wants to be told of which changes, how far the changes have been read, and what is still to be told. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const STATEMENTS = [
  // What was in a record that is gone, until everybody was told: who may know of it depends on it.
  `alter table change_event add column body text`,
  `create index change_event_xid on change_event (xid, seq)`,
  `create index change_event_body on change_event (seq) where body is not null`,
  `create table event_cursor (
    name text primary key,
    done_xid xid8 not null,
    done_seq bigint not null,
    until_xid xid8 not null,
    until_seq bigint not null,
    last_seq bigint not null
  )`,
  // From here on nothing is missed, whoever subscribes first.
  `insert into event_cursor (name, done_xid, done_seq, until_xid, until_seq, last_seq)
   select 'subscriptions', now.xid, now.seq, now.xid, now.seq, now.seq
   from (select pg_snapshot_xmin(pg_current_snapshot()) as xid, (select coalesce(max(seq), 0) + 1 from change_event) as seq) as now`,

  `create table subscription_filter (
    id bigint generated always as identity primary key,
    registry text not null,
    record_type text not null,
    hash bytea not null,
    filter json not null,
    is_exact boolean not null,
    unique (registry, record_type, hash)
  )`,
  `create table subscription_filter_key (
    registry text not null,
    record_type text not null,
    field text not null,
    value text collate "C" not null,
    filter_id bigint not null references subscription_filter (id) on delete cascade,
    primary key (registry, record_type, field, value, filter_id)
  )`,
  `create index subscription_filter_key_filter on subscription_filter_key (filter_id)`,

  `create table subscription (
    id uuid primary key,
    code text not null unique,
    partner_id uuid not null references partner (id) on delete cascade,
    registry text not null,
    entity text not null,
    event_type text not null,
    filter_id bigint not null references subscription_filter (id),
    criteria json not null,
    locale text,
    schedule text,
    starts_at timestamptz not null,
    ends_at timestamptz,
    notify_uri text,
    state text not null check (state in ('pending', 'active', 'suspended', 'ended')),
    reason text,
    gathering_until timestamptz,
    failing_since timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
  )`,
  `create index subscription_of_filter on subscription (filter_id, event_type) where state in ('active', 'suspended')`,
  `create unique index subscription_once on subscription (partner_id, registry, entity, event_type, filter_id)
    where state in ('pending', 'active', 'suspended')`,
  `create index subscription_end on subscription (ends_at) where state <> 'ended' and ends_at is not null`,

  `create table pending_event (
    subscription_id uuid not null references subscription (id) on delete cascade,
    seq bigint not null,
    record_type text not null,
    record_id uuid not null,
    version integer not null,
    kind text not null,
    changed text[] not null,
    at timestamptz not null,
    primary key (subscription_id, seq)
  )`,
  `create index pending_event_seq on pending_event (seq)`,
];
