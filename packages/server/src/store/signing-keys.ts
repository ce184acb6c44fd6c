import { type SigningKey, publicJwk } from '@dci/protocol';
import { type Selectable, sql } from 'kysely';
import type { Db } from './database.ts';
import type { Tables } from './tables.ts';

/** A key of ours. The private half is there, sealed, while we sign with it; not at all where it lies in a file of the operator. */
export interface StoredSigningKey {
  readonly kid: string;
  readonly algorithm: string;
  readonly publicJwk: Selectable<Tables['signing_key']>['public_jwk'];
  readonly sealedPrivateKey: Buffer | null;
  readonly createdAt: Date;
  readonly retiredAt: Date | null;
}

const SIGNING_KEY_LOCK = 7_310_002;

/** The newest first. */
export async function loadSigningKeys(db: Db): Promise<StoredSigningKey[]> {
  return await db
    .selectFrom('signing_key')
    .select([
      'kid',
      'algorithm',
      'public_jwk as publicJwk',
      'sealed_private_key as sealedPrivateKey',
      'created_at as createdAt',
      'retired_at as retiredAt',
    ])
    .orderBy('created_at', 'desc')
    .orderBy('kid')
    .execute();
}

/** Keeps others from making or retiring keys until the transaction `db` ends. */
export async function lockSigningKeys(db: Db): Promise<void> {
  await sql`select pg_advisory_xact_lock(${SIGNING_KEY_LOCK})`.execute(db);
}

/** Adds a key, or takes one back into service. Without `sealedPrivateKey` only its public half is kept. */
export async function putSigningKey(db: Db, key: SigningKey, sealedPrivateKey: Buffer | null): Promise<void> {
  await db
    .insertInto('signing_key')
    .values({
      kid: key.kid,
      algorithm: key.algorithm,
      public_jwk: JSON.stringify(publicJwk(key)),
      sealed_private_key: sealedPrivateKey,
      created_at: sql<Date>`clock_timestamp()`,
    })
    .onConflict((conflict) => conflict.column('kid').doUpdateSet({ retired_at: null }).where('signing_key.retired_at', 'is not', null))
    .execute();
}

/** Ends the use of all keys in service; their private halves are destroyed. */
export async function retireSigningKeys(db: Db): Promise<void> {
  await db
    .updateTable('signing_key')
    .set({ retired_at: sql<Date>`now()`, sealed_private_key: null })
    .where('retired_at', 'is', null)
    .execute();
}
