import type { JsonWebKey } from 'node:crypto';
import { sql } from 'kysely';
import type { Pool } from 'pg';
import type { Db } from './database.ts';
import type { SealedColumn } from './sealed.ts';

/** `sig` signs what we send, `enc` is what others encrypt to for us (RFC 7517, 4.2). */
export type KeyUse = 'sig' | 'enc';

/**
 * A key of ours. The private half is there, sealed, while it may be needed; not at all where it lies in a file of the
 * operator.
 */
export interface StoredKey {
  readonly kid: string;
  readonly use: KeyUse;
  readonly algorithm: string;
  readonly publicJwk: JsonWebKey;
  readonly sealedPrivateKey: Buffer | null;
  readonly createdAt: Date;
  /** From when it signs, or is offered. */
  readonly activeFrom: Date;
  /** From when another takes its place; may lie ahead. */
  readonly retiredAt: Date | null;
  /** Ended by hand, with all it signed and all that was encrypted to it. */
  readonly withdrawnAt: Date | null;
}

/** Where the private halves lie. */
export const OWN_KEY_COLUMN: SealedColumn = { table: 'own_key', column: 'sealed_private_key', id: 'kid', detail: 'use' };

const OWN_KEY_LOCK = 7_310_002;

/** The newest first. */
export async function loadOwnKeys(db: Db): Promise<StoredKey[]> {
  return await db
    .selectFrom('own_key')
    .select([
      'kid',
      'use',
      'algorithm',
      'public_jwk as publicJwk',
      'sealed_private_key as sealedPrivateKey',
      'created_at as createdAt',
      'active_from as activeFrom',
      'retired_at as retiredAt',
      'withdrawn_at as withdrawnAt',
    ])
    .orderBy('active_from', 'desc')
    .orderBy('kid')
    .execute();
}

/** Keeps others from making or retiring keys until the transaction `db` ends. */
export async function lockOwnKeys(db: Db): Promise<void> {
  await sql`select pg_advisory_xact_lock(${OWN_KEY_LOCK})`.execute(db);
}

export interface NewKey {
  readonly kid: string;
  readonly use: KeyUse;
  readonly algorithm: string;
  readonly publicJwk: object;
  /** Null: only its public half is kept. */
  readonly sealedPrivateKey: Buffer | null;
  readonly activeInSeconds: number;
}

/** Adds a key, or takes a retired one back into service; a withdrawn one stays withdrawn. */
export async function putOwnKey(db: Db, key: NewKey): Promise<void> {
  await db
    .insertInto('own_key')
    .values({
      kid: key.kid,
      use: key.use,
      algorithm: key.algorithm,
      public_jwk: JSON.stringify(key.publicJwk),
      sealed_private_key: key.sealedPrivateKey,
      active_from: secondsFromNow(key.activeInSeconds),
    })
    .onConflict((conflict) => conflict.column('kid').doUpdateSet({ retired_at: null }).where('own_key.retired_at', 'is not', null))
    .execute();
}

/** Ends the service of all keys of this use, in so many seconds. */
export async function retireOwnKeys(db: Db, use: KeyUse, inSeconds: number): Promise<void> {
  const at = secondsFromNow(inSeconds);
  await db
    .updateTable('own_key')
    .set({ retired_at: at })
    .where('use', '=', use)
    .where((where) => where.or([where('retired_at', 'is', null), where('retired_at', '>', at)]))
    .execute();
}

/** Ends the service of all keys but `kid` whose private halves are not kept here. */
export async function retireOtherFileKeys(db: Db, kid: string): Promise<void> {
  await db
    .updateTable('own_key')
    .set({ retired_at: sql<Date>`now()` })
    .where('use', '=', 'sig')
    .where('sealed_private_key', 'is', null)
    .where('retired_at', 'is', null)
    .where('kid', '!=', kid)
    .execute();
}

/** Keeps those in service whose place a key that is not in use yet was to take. */
export async function keepInsteadOf(db: Db, { kid, use }: Pick<StoredKey, 'kid' | 'use'>): Promise<void> {
  await db
    .updateTable('own_key')
    .set({ retired_at: null })
    .where('use', '=', use)
    .where('withdrawn_at', 'is', null)
    .where('retired_at', '=', (successor) => successor.selectFrom('own_key').select('active_from').where('kid', '=', kid))
    .execute();
}

/** Ends a key at once and for good; its private half is destroyed. */
export async function withdrawOwnKey(db: Db, kid: string): Promise<void> {
  await db
    .updateTable('own_key')
    .set({ withdrawn_at: sql<Date>`now()`, retired_at: sql<Date>`now()`, sealed_private_key: null })
    .where('kid', '=', kid)
    .where('withdrawn_at', 'is', null)
    .execute();
}

/** Destroys the private halves of keys of `use` that were retired before `retiredBefore`. */
export async function destroyPrivateHalves(pool: Pool, use: KeyUse, retiredBefore: Date): Promise<void> {
  await pool.query('update own_key set sealed_private_key = null where use = $1 and retired_at < $2 and sealed_private_key is not null', [
    use,
    retiredBefore,
  ]);
}

function secondsFromNow(seconds: number) {
  return sql<Date>`now() + make_interval(secs => ${seconds})`;
}
