import { type Kysely, sql } from 'kysely';

/** Under which keys records of one person meet, how far that was worked out for what is there, and for what changes. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const STATEMENTS = [
  `create table match_index (
    record_id uuid primary key,
    registry text not null,
    record_type text not null,
    keys bigint[] not null
  )`,
  `create index match_index_keys on match_index using gin (keys)`,

  `create table match_fill (
    registry text not null,
    record_type text not null,
    position uuid not null,
    is_done boolean not null default false,
    primary key (registry, record_type)
  )`,

  // From here on no change is missed; what was there before is filled in.
  `insert into event_cursor (name, done_xid, done_seq, until_xid, until_seq, last_seq)
   select 'matches', done_xid, done_seq, until_xid, until_seq, last_seq from event_cursor where name = 'subscriptions'`,
];
