import { randomUUID } from 'node:crypto';
import type { EncryptionKey, VerificationKey } from '@dci/protocol';
import { v7 as uuidV7 } from 'uuid';
import type { Profile } from '../profiles/profile.ts';
import { insertCredential, loadCredentialsOf, replaceSecret } from '../store/credentials.ts';
import type { Db } from '../store/database.ts';
import { deletePartnerJwks, putPartnerJwks, recordKeys, type UsableKeys } from '../store/partner-jwks.ts';
import { deletePartnerKeys, putPartnerKey, revokePartnerKeys, useOf } from '../store/partner-keys.ts';
import { findPartner, insertPartner, lockPartner, type StoredPartner, updatePartner } from '../store/partners.ts';
import { hashSecret, makeSecret } from './client-secret.ts';
import { changeTerms, NO_TERMS, RegistrationError, type TermChanges } from './partner-terms.ts';

/**
 * Who may call us is decided here: registering a partner, changing what it may do, its keys and its secret. Refuses names
 * that a signature could not carry, and registries, scopes, rules and entities that do not exist. Every change takes
 * effect at once, on every node.
 */
export interface Registered {
  readonly senderId: string;
  readonly clientId: string;
  /** In clear, this once. */
  readonly clientSecret: string;
}

/** Changes of a partner's keys; `replaceAll` takes away every key that is not among `put`. */
export interface KeyChanges {
  readonly put?: readonly (VerificationKey | EncryptionKey)[];
  readonly replaceAll?: boolean;
  readonly revoke?: readonly string[];
  /** Keys at an address, in place of all others; null: no address any more. */
  readonly published?: PublishedAt | null;
}

/** What a partner's address holds. */
export interface PublishedAt extends UsableKeys {
  readonly url: string;
}

/** There is no such partner or key, or there is one already. */
export class PartnerStateError extends Error {
  override readonly name = 'PartnerStateError';
}

// No "|" and no quotes: a sender id is the first part of the quoted key id of a signature.
const SENDER_ID = /^[!#-&(-{}~]{1,99}$/;

/** Throws a `RegistrationError` or a `PartnerStateError`. */
export async function registerPartner(
  db: Db,
  profiles: readonly Profile[],
  registration: {
    readonly senderId: string;
    readonly terms: TermChanges;
    readonly keys: readonly (VerificationKey | EncryptionKey)[];
    readonly published?: PublishedAt;
  },
): Promise<Registered> {
  const { senderId, keys } = registration;
  if (!SENDER_ID.test(senderId))
    throw new RegistrationError([`the sender id must be 1 to 99 printable ASCII characters, without blanks, quotes and "|"`]);
  const terms = changeTerms(profiles, { ...NO_TERMS, name: senderId }, registration.terms);
  const credential = { clientId: randomUUID(), partnerId: uuidV7() };
  const clientSecret = makeSecret();
  const secretHash = await hashSecret(clientSecret);
  await db.transaction().execute(async (transaction) => {
    if (!(await insertPartner(transaction, { id: credential.partnerId, senderId, ...terms })))
      throw new PartnerStateError(`the sender id "${senderId}" is registered already`);
    await insertCredential(transaction, { ...credential, secretHash });
    if (registration.published !== undefined) await publish(transaction, credential.partnerId, registration.published);
    for (const key of keys) await putPartnerKey(transaction, credential.partnerId, key);
  });
  return { senderId, clientId: credential.clientId, clientSecret };
}

/** Throws a `RegistrationError` or a `PartnerStateError`. */
export async function changePartner(
  db: Db,
  profiles: readonly Profile[],
  senderId: string,
  changes: { readonly terms?: TermChanges; readonly keys?: KeyChanges },
): Promise<void> {
  await db.transaction().execute(async (transaction) => {
    await lockPartner(transaction, senderId);
    const partner = await getPartner(transaction, senderId);
    await updatePartner(transaction, partner.id, changeTerms(profiles, partner, changes.terms ?? {}));
    await changeKeys(transaction, partner, changes.keys ?? {});
  });
}

async function publish(db: Db, partnerId: string, published: PublishedAt): Promise<void> {
  const attempt = { partnerId, url: published.url };
  await deletePartnerKeys(db, partnerId);
  await putPartnerJwks(db, attempt);
  await recordKeys(db, attempt, published);
}

async function changeKeys(db: Db, partner: StoredPartner, changes: KeyChanges): Promise<void> {
  const { put = [], replaceAll = false, revoke = [], published } = changes;
  if (published === null || replaceAll) await deletePartnerJwks(db, partner.id);
  else if (published !== undefined) await publish(db, partner.id, published);
  const present = [...partner.keys.values(), ...partner.encryptionKeys.values()].map((key) => ({ use: useOf(key), kid: key.kid }));
  const unknown = revoke.find((kid) => !present.some((key) => key.kid === kid));
  if (unknown !== undefined) throw new PartnerStateError(`${partner.senderId} has no key "${unknown}"`);
  const isKept = ({ use, kid }: (typeof present)[number]): boolean => put.some((key) => key.kid === kid && useOf(key) === use);
  const gone = present.filter((key) => (replaceAll ? !isKept(key) : revoke.includes(key.kid)));
  if (gone.length > 0) await revokePartnerKeys(db, partner.id, gone);
  for (const key of put) await putPartnerKey(db, partner.id, key);
}

/** Puts a new secret in place of the old one, which ends at once together with the tokens it was exchanged for. */
export async function rotateSecret(db: Db, senderId: string): Promise<Registered> {
  const clientSecret = makeSecret();
  const secretHash = await hashSecret(clientSecret);
  return await db.transaction().execute(async (transaction) => {
    await lockPartner(transaction, senderId);
    const partner = await getPartner(transaction, senderId);
    const [credential] = await loadCredentialsOf(transaction, partner.id);
    const clientId = credential?.clientId ?? randomUUID();
    const changed = { clientId, partnerId: partner.id, secretHash };
    await (credential === undefined ? insertCredential(transaction, changed) : replaceSecret(transaction, changed));
    return { senderId, clientId, clientSecret };
  });
}

/** Throws a `PartnerStateError` where there is no such partner. */
export async function getPartner(db: Db, senderId: string): Promise<StoredPartner> {
  const partner = await findPartner(db, senderId);
  if (partner === undefined) throw new PartnerStateError(`no partner is registered as "${senderId}"`);
  return partner;
}
