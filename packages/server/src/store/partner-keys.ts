import { importPublicKey, publicJwk, type VerificationKey } from '@dci/protocol';
import { type Selectable, sql } from 'kysely';
import type { Db } from './database.ts';
import { touchPartner } from './partner-revision.ts';
import type { Tables } from './tables.ts';

/** A public key with which a partner signs. */
export interface PartnerKey {
  readonly partnerId: string;
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
    .where('revoked_at', 'is', null)
    .orderBy('created_at')
    .orderBy('kid');
}

/** Adds a key, or puts it in place of the one with the same id. */
export async function putPartnerKey(db: Db, partnerId: string, key: VerificationKey): Promise<void> {
  const stored = { algorithm: key.algorithm, public_jwk: JSON.stringify(publicJwk(key)) };
  await db
    .insertInto('partner_key')
    .values({ partner_id: partnerId, kid: key.kid, ...stored })
    .onConflict((conflict) =>
      conflict.columns(['partner_id', 'use', 'kid']).doUpdateSet({ ...stored, created_at: sql<Date>`now()`, revoked_at: null }),
    )
    .execute();
  await touchPartner(db, partnerId);
}

export async function revokePartnerKeys(db: Db, partnerId: string, kids: readonly string[]): Promise<void> {
  await db
    .updateTable('partner_key')
    .set({ revoked_at: sql<Date>`now()` })
    .where('partner_id', '=', partnerId)
    .where('kid', 'in', kids)
    .execute();
  await touchPartner(db, partnerId);
}

/** By key id. A stored key that cannot be read is left out: what it signed does not verify, and nobody else is affected. */
export function readVerificationKeys(keys: readonly PartnerKey[]): ReadonlyMap<string, VerificationKey> {
  const read = new Map<string, VerificationKey>();
  for (const { kid, publicJwk: jwk } of keys) {
    try {
      read.set(kid, importPublicKey(jwk, { kid }));
    } catch {}
  }
  return read;
}
