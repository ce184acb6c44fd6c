import type { JsonWebKey } from 'node:crypto';
import { sql } from 'kysely';
import type { Db } from './database.ts';

/** Who may attest consents in tokens, with which keys, and of which registries. */
export interface ConsentAuthority {
  readonly name: string;
  readonly registries: readonly string[];
  /** Public keys, each with its `kid`. */
  readonly keys: readonly JsonWebKey[];
  readonly createdAt: Date;
}

/** Puts an authority in place of the one of that name, if there was one. */
export async function putAuthority(db: Db, { name, registries, keys }: Omit<ConsentAuthority, 'createdAt'>): Promise<void> {
  const values = { registries: [...registries], keys: JSON.stringify(keys), removed_at: null };
  await db
    .insertInto('consent_authority')
    .values({ name, ...values })
    .onConflict((conflict) => conflict.column('name').doUpdateSet({ ...values, created_at: sql<Date>`now()` }))
    .execute();
}

/** False where there is none of that name. */
export async function removeAuthority(db: Db, name: string): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('consent_authority')
    .set({ removed_at: sql<Date>`now()` })
    .where('name', '=', name)
    .where('removed_at', 'is', null)
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

export async function loadAuthorities(db: Db): Promise<ConsentAuthority[]> {
  const rows = await db.selectFrom('consent_authority').selectAll().where('removed_at', 'is', null).orderBy('name').execute();
  return rows.map(({ name, registries, keys, created_at: createdAt }) => ({ name, registries, keys, createdAt }));
}
