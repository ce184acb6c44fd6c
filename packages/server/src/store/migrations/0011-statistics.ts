import { type Kysely, sql } from 'kysely';

/** Counts that are kept, of which records they are made, and how far they have come. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const STATEMENTS = [
  `create table counted_type (
    registry text not null,
    record_type text not null,
    declared text not null,
    position uuid not null,
    is_done boolean not null default false,
    day date,
    kept_at timestamptz,
    primary key (registry, record_type)
  )`,

  // dims: by the dimensions of the record type in order; due: the day on which they change by themselves.
  `create table counted_record (
    record_id uuid primary key,
    registry text not null,
    record_type text not null,
    dims text[] not null,
    due date
  )`,
  `create index counted_record_due on counted_record (registry, record_type, due) where due is not null`,

  `create table counted_cell (
    registry text not null,
    record_type text not null,
    cube text not null,
    cell text[] not null,
    records bigint not null,
    id_sum numeric not null,
    primary key (registry, record_type, cube, cell)
  )`,

  // From here on no change is missed; what was there before is counted first.
  `insert into event_cursor (name, done_xid, done_seq, until_xid, until_seq, last_seq)
   select 'statistics', done_xid, done_seq, until_xid, until_seq, last_seq from event_cursor where name = 'subscriptions'`,
];
