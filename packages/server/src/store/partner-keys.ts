import {
  type EncryptionKey,
  importEncryptionKey,
  importPublicKey,
  isEncryptionKey,
  publicEncryptionJwk,
  publicJwk,
  type VerificationKey,
} from '@dci/protocol';
import { type ExpressionBuilder, type Selectable, sql } from 'kysely';
import type { Db } from './database.ts';
import { touchPartner } from './partner-revision.ts';
import type { Tables } from './tables.ts';

/** What a partner's public key is for: its signatures, or encrypting to it. */
export type KeyUse = 'sig' | 'enc';

export interface PartnerKey {
  readonly partnerId: string;
  readonly use: KeyUse;
  readonly kid: string;
  readonly algorithm: string;
  readonly publicJwk: Selectable<Tables['partner_key']>['public_jwk'];
  /** An operator, or the address where the partner publishes its keys. */
  readonly source: 'operator' | 'jwks';
  readonly createdAt: Date;
}

/** Keys that may be used: not revoked, and not from an address that has been silent for too long. */
export async function loadPartnerKeys(db: Db): Promise<PartnerKey[]> {
  return await selectKeys(db).execute();
}

export async function loadPartnerKeysOf(db: Db, partnerId: string): Promise<PartnerKey[]> {
  return await selectKeys(db).where('partner_id', '=', partnerId).execute();
}

function selectKeys(db: Db) {
  return db
    .selectFrom('partner_key')
    .select(['partner_id as partnerId', 'kid', 'algorithm', 'public_jwk as publicJwk', 'source', 'created_at as createdAt'])
    .select((column) => column.ref('use').$castTo<KeyUse>().as('use'))
    .where('revoked_at', 'is', null)
    .where((where) =>
      where.or([
        where('source', '=', 'operator'),
        where.exists(
          where
            .selectFrom('partner_jwks')
            .select('url')
            .whereRef('partner_jwks.partner_id', '=', 'partner_key.partner_id')
            .where('usable_until', '>', sql<Date>`clock_timestamp()`),
        ),
      ]),
    )
    .orderBy('created_at')
    .orderBy('kid');
}

/** Adds a key, or puts it in place of the one with the same use and id. */
export async function putPartnerKey(db: Db, partnerId: string, key: VerificationKey | EncryptionKey): Promise<void> {
  const stored = {
    algorithm: key.algorithm,
    public_jwk: JSON.stringify(writeJwk(key)),
    source: 'operator' as const,
  };
  await db
    .insertInto('partner_key')
    .values({ partner_id: partnerId, use: useOf(key), kid: key.kid, ...stored })
    .onConflict((conflict) =>
      conflict.columns(['partner_id', 'use', 'kid']).doUpdateSet({ ...stored, created_at: sql<Date>`now()`, revoked_at: null }),
    )
    .execute();
  await touchPartner(db, partnerId);
}

/** The key as it is published. */
export function writeJwk(key: VerificationKey | EncryptionKey): object {
  return isEncryptionKey(key) ? publicEncryptionJwk(key) : publicJwk(key);
}

/** Keys that came from the partner's address and were not revoked, also where that has been silent for too long. */
export async function loadFetchedKeys(db: Db, partnerId: string): Promise<(KeyName & Pick<PartnerKey, 'publicJwk'>)[]> {
  return await db
    .selectFrom('partner_key')
    .select(['kid', 'public_jwk as publicJwk'])
    .select((column) => column.ref('use').$castTo<KeyUse>().as('use'))
    .where('partner_id', '=', partnerId)
    .where('source', '=', 'jwks')
    .where('revoked_at', 'is', null)
    .execute();
}

/** False where a key of that use and id is registered or was revoked: that stands. */
export async function insertFetchedKey(db: Db, partnerId: string, key: VerificationKey | EncryptionKey): Promise<boolean> {
  const { numInsertedOrUpdatedRows } = await db
    .insertInto('partner_key')
    .values({
      partner_id: partnerId,
      use: useOf(key),
      kid: key.kid,
      algorithm: key.algorithm,
      public_jwk: JSON.stringify(writeJwk(key)),
      source: 'jwks',
    })
    .onConflict((conflict) => conflict.columns(['partner_id', 'use', 'kid']).doNothing())
    .executeTakeFirstOrThrow();
  return numInsertedOrUpdatedRows === 1n;
}

export async function deleteFetchedKeys(db: Db, partnerId: string, keys: readonly KeyName[]): Promise<void> {
  if (keys.length === 0) return;
  await db.deleteFrom('partner_key').where('partner_id', '=', partnerId).where('source', '=', 'jwks').where(isOneOf(keys)).execute();
}

/** Takes away every key that was not revoked; where its id turns up again, it may be another. */
export async function deletePartnerKeys(db: Db, partnerId: string): Promise<void> {
  await db.deleteFrom('partner_key').where('partner_id', '=', partnerId).where('revoked_at', 'is', null).execute();
  await touchPartner(db, partnerId);
}

/** What tells a partner's keys apart. */
export interface KeyName {
  readonly use: KeyUse;
  readonly kid: string;
}

function isOneOf(keys: readonly KeyName[]) {
  return (column: ExpressionBuilder<Tables, 'partner_key'>) => column.or(keys.map(({ use, kid }) => column.and({ use, kid })));
}

export function useOf(key: VerificationKey | EncryptionKey): KeyUse {
  return isEncryptionKey(key) ? 'enc' : 'sig';
}

export async function revokePartnerKeys(db: Db, partnerId: string, keys: readonly KeyName[]): Promise<void> {
  await db
    .updateTable('partner_key')
    .set({ revoked_at: sql<Date>`now()` })
    .where('partner_id', '=', partnerId)
    .where(isOneOf(keys))
    .execute();
  await touchPartner(db, partnerId);
}

/** The keys that a partner signs with, by key id. */
export function readVerificationKeys(keys: readonly PartnerKey[]): ReadonlyMap<string, VerificationKey> {
  return readKeys(keys, 'sig', importPublicKey);
}

/** The keys to which a partner is encrypted to, by key id, the newest last. */
export function readEncryptionKeys(keys: readonly PartnerKey[]): ReadonlyMap<string, EncryptionKey> {
  return readKeys(keys, 'enc', importEncryptionKey);
}

/** A stored key that cannot be read is left out: it is as if it were not registered, and nobody else is affected. */
function readKeys<K>(
  keys: readonly PartnerKey[],
  use: KeyUse,
  read: (jwk: PartnerKey['publicJwk'], options: { kid: string }) => K,
): ReadonlyMap<string, K> {
  const found = new Map<string, K>();
  for (const key of keys) {
    if (key.use !== use) continue;
    try {
      found.set(key.kid, read(key.publicJwk, { kid: key.kid }));
    } catch {}
  }
  return found;
}
