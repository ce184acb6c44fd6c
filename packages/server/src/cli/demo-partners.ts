import { generateKeyPairSync } from 'node:crypto';
import {
  type EncryptionKey,
  generateSigningKey,
  importDecryptionKey,
  importEncryptionKey,
  importPublicKey,
  publicEncryptionJwk,
  publicJwk,
} from '@dci/protocol';
import { BUILT_IN_PROFILES } from '../profiles/index.ts';
import { manageSubscription } from '../services/manage-subscription.ts';
import type { TermChanges } from '../services/partner-terms.ts';
import { changePartner, registerPartner, rotateSecret } from '../services/register-partner.ts';
import type { Db } from '../store/database.ts';
import { findPartner } from '../store/partners.ts';
import { listSubscriptions } from '../store/subscriptions.ts';
import { deleteExtract, loadExtracts } from '../store/extracts.ts';
import type { DemoPartner, DemoResearcher } from './demo-step.ts';

/** Who takes part in the demo. */
export interface DemoPartners {
  readonly programme: DemoPartner;
  readonly clinic: DemoPartner;
  readonly office: DemoPartner;
  readonly ministry: DemoPartner;
  readonly university: DemoResearcher;
  /** May send unsigned messages, so that a line of curl can. */
  readonly visitor: DemoPartner;
}

/** `receiver`: the address below which the programme may have itself called. */
export async function registerDemoPartners(db: Db, receiver: string): Promise<DemoPartners> {
  const programme = { scopes: ['registry/search', 'registry/subscribe', 'registry/match'], callbackPrefixes: [receiver], fields: 'full' };
  return {
    programme: await register(db, 'programme.demo', programme),
    clinic: await register(db, 'clinic.demo', { fields: 'minimal' }),
    office: await register(db, 'office.demo', { scopes: ['registry/write'], fields: 'minimal' }),
    ministry: await register(db, 'ministry.demo', { scopes: ['registry/statistics'], fields: 'eligibility' }),
    university: await registerResearcher(db, 'university.demo', receiver),
    visitor: await register(db, 'visitor.demo', { fields: 'minimal', signature: 'optional' }),
  };
}

const USUAL: TermChanges = {
  registries: ['social'],
  scopes: ['registry/search'],
  legalBasis: 'made-up data',
  purposes: ['demo'],
  signature: 'required',
};

async function registerResearcher(db: Db, senderId: string, receiver: string): Promise<DemoResearcher> {
  const decryptionKey = importDecryptionKey(generateKeyPairSync('x25519').privateKey.export({ format: 'jwk' }));
  const terms = { scopes: ['registry/export'], callbackPrefixes: [receiver], fields: 'research' };
  const partner = await register(db, senderId, terms, [importEncryptionKey({ ...publicEncryptionJwk(decryptionKey) })]);
  return { ...partner, decryptionKey };
}

/** New keys and a new secret each time: the demo keeps none. */
async function register(db: Db, senderId: string, own: TermChanges, encryptionKeys: readonly EncryptionKey[] = []): Promise<DemoPartner> {
  const key = generateSigningKey('ES256');
  const keys = [importPublicKey({ ...publicJwk(key) }), ...encryptionKeys];
  const terms = { ...USUAL, ...own };
  const known = await findPartner(db, senderId);
  if (known === undefined) return { ...(await registerPartner(db, BUILT_IN_PROFILES, { senderId, terms, keys })), key };
  await changePartner(db, BUILT_IN_PROFILES, senderId, { terms, keys: { put: keys, replaceAll: true } });
  await endSubscriptions(db, known.id);
  await deleteExtracts(db, known.id);
  return { ...(await rotateSecret(db, senderId)), key };
}

/** Those of an earlier run that was interrupted. */
async function endSubscriptions(db: Db, partnerId: string): Promise<void> {
  for (const { code } of await listSubscriptions(db, { partnerId, state: 'active', most: 100 })) await manageSubscription(db, code, 'end');
}

async function deleteExtracts(db: Db, partnerId: string): Promise<void> {
  for (const extract of await loadExtracts(db)) if (extract.partnerId === partnerId) await deleteExtract(db, extract.id);
}
