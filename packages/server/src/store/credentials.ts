import type { Db } from './database.ts';
import { touchPartner } from './partner-revision.ts';

/** What a partner signs in with. Of the secret only a hash is here. */
export interface Credential {
  readonly clientId: string;
  readonly partnerId: string;
  readonly secretHash: string;
}

/** Credentials that were not revoked. */
export async function loadCredentials(db: Db): Promise<Credential[]> {
  return await selectCredentials(db).execute();
}

export async function loadCredentialsOf(db: Db, partnerId: string): Promise<Credential[]> {
  return await selectCredentials(db).where('partner_id', '=', partnerId).execute();
}

function selectCredentials(db: Db) {
  return db
    .selectFrom('partner_credential')
    .select(['client_id as clientId', 'partner_id as partnerId', 'secret_hash as secretHash'])
    .where('revoked_at', 'is', null)
    .orderBy('created_at');
}

export async function insertCredential(db: Db, credential: Credential): Promise<void> {
  const { clientId, partnerId, secretHash } = credential;
  await db.insertInto('partner_credential').values({ client_id: clientId, partner_id: partnerId, secret_hash: secretHash }).execute();
  await touchPartner(db, partnerId);
}

/** Puts another secret in place of the present one, which ends at once. */
export async function replaceSecret(db: Db, { clientId, partnerId, secretHash }: Credential): Promise<void> {
  await db
    .updateTable('partner_credential')
    .set({ secret_hash: secretHash, created_at: new Date() })
    .where('client_id', '=', clientId)
    .where('partner_id', '=', partnerId)
    .execute();
  await touchPartner(db, partnerId);
}
