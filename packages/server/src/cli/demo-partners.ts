import { generateSigningKey, importPublicKey, publicJwk } from '@dci/protocol';
import { BUILT_IN_PROFILES } from '../profiles/index.ts';
import { manageSubscription } from '../services/manage-subscription.ts';
import type { TermChanges } from '../services/partner-terms.ts';
import { changePartner, registerPartner, rotateSecret } from '../services/register-partner.ts';
import type { Db } from '../store/database.ts';
import { findPartner } from '../store/partners.ts';
import { listSubscriptions } from '../store/subscriptions.ts';
import type { DemoPartner } from './demo-step.ts';

/** Who takes part in the demo. */
export interface DemoPartners {
  readonly programme: DemoPartner;
  readonly clinic: DemoPartner;
  readonly office: DemoPartner;
  /** May send unsigned messages, so that a line of curl can. */
  readonly visitor: DemoPartner;
}

/** `receiver`: the address below which the programme may have itself called. */
export async function registerDemoPartners(db: Db, receiver: string): Promise<DemoPartners> {
  const programme = { scopes: ['registry/search', 'registry/subscribe'], callbackPrefixes: [receiver], fields: 'full' };
  return {
    programme: await register(db, 'programme.demo', programme),
    clinic: await register(db, 'clinic.demo', { fields: 'minimal' }),
    office: await register(db, 'office.demo', { scopes: ['registry/write'], fields: 'minimal' }),
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

/** New keys and a new secret each time: the demo keeps none. */
async function register(db: Db, senderId: string, own: TermChanges): Promise<DemoPartner> {
  const key = generateSigningKey('ES256');
  const keys = [importPublicKey({ ...publicJwk(key) })];
  const terms = { ...USUAL, ...own };
  const known = await findPartner(db, senderId);
  if (known === undefined) return { ...(await registerPartner(db, BUILT_IN_PROFILES, { senderId, terms, keys })), key };
  await changePartner(db, BUILT_IN_PROFILES, senderId, { terms, keys: { put: keys, replaceAll: true } });
  await endSubscriptions(db, known.id);
  return { ...(await rotateSecret(db, senderId)), key };
}

/** Those of an earlier run that was interrupted. */
async function endSubscriptions(db: Db, partnerId: string): Promise<void> {
  for (const { code } of await listSubscriptions(db, { partnerId, state: 'active', most: 100 })) await manageSubscription(db, code, 'end');
}
