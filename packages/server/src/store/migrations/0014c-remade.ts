import { type Kysely, sql } from 'kysely';

/** When a delivery was last made anew: what waits behind it in its lane must not tell an earlier state. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table delivery add column remade_at timestamptz`.execute(db);
  await sql`create index delivery_remade on delivery (lane, remade_at) where remade_at is not null`.execute(db);
}
