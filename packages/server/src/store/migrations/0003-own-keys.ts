import { type Kysely, sql } from 'kysely';

/** Keys of ours that sign and keys that others encrypt to, in one table, each with the times of its life. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const STATEMENTS = [
  `alter table signing_key rename to own_key`,
  `alter table own_key
    add column use text not null default 'sig' check (use in ('sig', 'enc')),
    add column active_from timestamptz,
    add column withdrawn_at timestamptz`,
  `update own_key set active_from = created_at`,
  `alter table own_key
    alter column use drop default,
    alter column active_from set not null`,
];
