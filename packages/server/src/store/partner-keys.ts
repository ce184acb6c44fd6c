import {
  type EncryptionKey,
  importEncryptionKey,
  importPublicKey,
  isEncryptionKey,
  publicEncryptionJwk,
  publicJwk,
  type VerificationKey,
} from '@dci/protocol';
import { type Selectable, sql } from 'kysely';
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
  readonly createdAt: Date;
}

/** Keys that were not revoked. */
export async function loadPartnerKeys(db: Db): Promise<PartnerKey[]> {
  return await selectKeys(db).execute();
}

export async function loadPartnerKeysOf(db: Db, partnerId: string): Promise<PartnerKey[]> {
  return await selectKeys(db).where('partner_id', '=', partnerId).execute();
}

function selectKeys(db: Db) {
  return db
    .selectFrom('partner_key')
    .select(['partner_id as partnerId', 'kid', 'algorithm', 'public_jwk as publicJwk', 'created_at as createdAt'])
    .select((column) => column.ref('use').$castTo<KeyUse>().as('use'))
    .where('revoked_at', 'is', null)
    .orderBy('created_at')
    .orderBy('kid');
}

/** Adds a key, or puts it in place of the one with the same use and id. */
export async function putPartnerKey(db: Db, partnerId: string, key: VerificationKey | EncryptionKey): Promise<void> {
  const stored = {
    algorithm: key.algorithm,
    public_jwk: JSON.stringify(isEncryptionKey(key) ? publicEncryptionJwk(key) : publicJwk(key)),
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

export function useOf(key: VerificationKey | EncryptionKey): KeyUse {
  return isEncryptionKey(key) ? 'enc' : 'sig';
}

export async function revokePartnerKeys(
  db: Db,
  partnerId: string,
  keys: readonly { readonly use: KeyUse; readonly kid: string }[],
): Promise<void> {
  await db
    .updateTable('partner_key')
    .set({ revoked_at: sql<Date>`now()` })
    .where('partner_id', '=', partnerId)
    .where((column) => column.or(keys.map(({ use, kid }) => column.and({ use, kid }))))
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
