import { type Kysely, sql } from 'kysely';

/**
 * The audit trail, chained by hash, in partitions by month, to be added to only. Rows of the unchained trail before it are
 * given up: no version that wrote them was released.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const STATEMENTS = [
  `drop table audit`,
  `create table audit (
    chain smallint not null,
    seq bigint not null,
    at timestamptz not null,
    partner_id uuid not null,
    sender_id text not null,
    remote_address text not null,
    action text not null,
    registry text not null,
    message_id text not null,
    transaction_id text,
    correlation_id text,
    legal_basis text,
    purposes text[] not null,
    field_rule text,
    outcome text not null,
    query json,
    item_count integer not null,
    record_count integer not null,
    records uuid[] not null,
    disclosed json not null,
    link bytea not null,
    primary key (at, chain, seq)
  ) partition by range (at)`,
  `create index audit_of_partner on audit (partner_id, at)`,
  // Rows wait in the index's list of pending entries, which a task of the ticker works off: a commit never does.
  `create index audit_of_record on audit using gin (records) with (fastupdate = on, gin_pending_list_limit = 65536)`,
  // Takes rows of months for which nobody has made a partition: none is ever turned away.
  `create table audit_rest partition of audit default`,

  `create function audit_is_kept() returns trigger language plpgsql as $$
  begin
    raise exception 'the audit trail is added to only; % is refused', lower(tg_op) using errcode = 'insufficient_privilege';
  end $$`,
  `create trigger audit_is_kept before update or delete on audit for each row execute function audit_is_kept()`,
  `create trigger audit_is_kept_whole before truncate on audit for each statement execute function audit_is_kept()`,
  `create trigger audit_is_kept_whole before truncate on audit_rest for each statement execute function audit_is_kept()`,
  `revoke update, delete, truncate on audit, audit_rest from public, current_user`,

  // The heads of the chains. A writer keeps to one, so that writers do not wait for each other.
  `create table audit_chain (
    chain smallint primary key,
    seq bigint not null,
    at_ms bigint not null,
    link bytea not null,
    taken_at timestamptz
  ) with (fillfactor = 20)`,
  `insert into audit_chain (chain, seq, at_ms, link)
   select chain, 0, 0, sha256(convert_to('dci audit chain ' || chain, 'UTF8')) from generate_series(1, 16) chain`,
  `create function audit_link(link bytea, start bytea, content bytea) returns bytea language sql immutable parallel safe
   as $$ select sha256(coalesce(link, start) || content) $$`,
  `create aggregate audit_links(bytea, bytea) (sfunc = audit_link, stype = bytea)`,

  `create table audit_checkpoint (
    number bigint primary key,
    at timestamptz not null,
    is_drop boolean not null,
    jws text not null,
    mac bytea not null
  )`,
  `create index audit_checkpoint_drop on audit_checkpoint (number) where is_drop`,
  `create table audit_verified (
    only_one boolean primary key default true check (only_one),
    number bigint not null,
    at timestamptz not null,
    mac bytea not null
  )`,
  `create trigger audit_is_kept before update or delete on audit_checkpoint for each row execute function audit_is_kept()`,
  `create trigger audit_is_kept_whole before truncate on audit_checkpoint for each statement execute function audit_is_kept()`,
  `revoke update, delete, truncate on audit_checkpoint from public, current_user`,

  // Who an erased identifier had pointed at, by a keyed hash of it: a person may still ask who saw the record.
  `create table erased_identifier (
    registry text not null,
    hash bytea not null,
    record_id uuid not null,
    erased_at timestamptz not null default now(),
    primary key (registry, hash, record_id)
  )`,
];
