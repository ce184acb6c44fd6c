import { type Credential, loadCredentials } from '../store/credentials.ts';
import type { Database, Db } from '../store/database.ts';
import { loadPartnersVersion } from '../store/partner-revision.ts';
import { loadPartners, type Partner } from '../store/partners.ts';
import { openSnapshot } from './snapshot.ts';

/**
 * All partners in memory, so that knowing who asks costs nothing. Every change is told by the database and read anew at
 * once; should that word be lost, a look each second finds it. It also knows partners that are not active: who asks
 * decides what that means. While the database cannot be reached the last known state stands.
 */
export interface PartnerDirectory {
  findById(id: string): Partner | undefined;
  findBySenderId(senderId: string): Partner | undefined;
  /** The partner that signs in as `clientId`, unless that credential was revoked. */
  findByClientId(clientId: string): Client | undefined;
  /** All of them, active or not. */
  list(): readonly Partner[];
  /** Reads everything anew; resolves when what was committed before the call is known. */
  refresh(): Promise<void>;
  close(): Promise<void>;
}

export interface Client {
  readonly partner: Partner;
  readonly credential: Credential;
}

interface Known {
  readonly byId: ReadonlyMap<string, Partner>;
  readonly bySenderId: ReadonlyMap<string, Partner>;
  readonly byClientId: ReadonlyMap<string, Client>;
}

interface Log {
  warn(fields: object, text: string): void;
}

/** Opens the directory on a connection of its own beside the pool. */
export async function openPartnerDirectory(database: Database, log: Log): Promise<PartnerDirectory> {
  const source = { channel: 'dci_partner', loadVersion: loadPartnersVersion, read: readPartners };
  const { current, refresh, close } = await openSnapshot(database, source, log);
  return {
    findById: (id) => current().byId.get(id),
    findBySenderId: (senderId) => current().bySenderId.get(senderId),
    findByClientId: (clientId) => current().byClientId.get(clientId),
    list: () => [...current().byId.values()],
    refresh,
    close,
  };
}

async function readPartners(db: Db): Promise<Known> {
  const partners = await loadPartners(db);
  const byId = new Map(partners.map((partner) => [partner.id, partner]));
  const byClientId = new Map<string, Client>();
  for (const credential of await loadCredentials(db)) {
    const partner = byId.get(credential.partnerId);
    if (partner !== undefined) byClientId.set(credential.clientId, { partner, credential });
  }
  return { byId, bySenderId: new Map(partners.map((partner) => [partner.senderId, partner])), byClientId };
}
