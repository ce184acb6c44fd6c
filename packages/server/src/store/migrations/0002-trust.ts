import { type Kysely, sql } from 'kysely';

/** How partners sign and encrypt, and the keys that they are encrypted to. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const STATEMENTS = [
  `alter table partner
    add column dialect text not null default 'as-asked',
    add column encryption_policy text not null default 'optional'`,

  // One id may name a key that signs and another that is encrypted to.
  `alter table partner_key
    add column use text not null default 'sig',
    drop constraint partner_key_pkey,
    add primary key (partner_id, use, kid)`,
];
