import { type Kysely, sql } from 'kysely';

/** Research extracts: what each is, and its content, sealed to the partner that asked for it, segment by segment. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const STATEMENTS = [
  `create table extract (
    id uuid primary key,
    -- Of the request; no more than one of each.
    transaction_id uuid not null unique,
    partner_id uuid not null references partner (id),
    registry text not null,
    state text not null default 'making' check (state in ('making', 'ready')),
    -- Digest of the terms under which it was made: under others it is not handed out.
    terms text not null,
    kid text not null,
    by_consent boolean not null,
    -- Of the snapshot.
    made_at timestamptz not null,
    expires_at timestamptz not null,
    expected bigint not null,
    written bigint not null default 0,
    bytes bigint,
    sha256 text,
    segments integer,
    manifest text,
    created_at timestamptz not null default now(),
    check (state = 'making' or (bytes is not null and sha256 is not null and segments is not null and manifest is not null))
  )`,
  `create index extract_by_partner on extract (partner_id)`,
  `create index extract_by_expiry on extract (expires_at)`,
  `create table extract_segment (
    extract_id uuid not null references extract (id) on delete cascade,
    number integer not null,
    sealed bytea not null,
    primary key (extract_id, number)
  )`,
  // Nothing of it can be compressed.
  `alter table extract_segment alter column sealed set storage external`,
];
