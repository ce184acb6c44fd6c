import { type Credential, loadCredentials } from '../store/credentials.ts';
import type { Database, Db } from '../store/database.ts';
import { listenTo } from '../store/listen.ts';
import { loadPartnersVersion } from '../store/partner-revision.ts';
import { loadPartners, type Partner } from '../store/partners.ts';

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

interface Snapshot {
  readonly version: string;
  readonly byId: ReadonlyMap<string, Partner>;
  readonly bySenderId: ReadonlyMap<string, Partner>;
  readonly byClientId: ReadonlyMap<string, Client>;
}

interface Log {
  warn(fields: object, text: string): void;
}

const CHANNEL = 'dci_partner';
const LOOK_EVERY_MS = 1_000;

/** Opens the directory on a connection of its own beside the pool. */
export async function openPartnerDirectory(database: Database, log: Log): Promise<PartnerDirectory> {
  let snapshot = await readSnapshot(database.db);
  let reading: Promise<void> | undefined;
  let waiting: Promise<void> | undefined;

  async function read(): Promise<void> {
    snapshot = await readSnapshot(database.db);
  }

  // A reading under way may have begun before the change that somebody wants to see: the next one is shared by all who wait.
  function refresh(): Promise<void> {
    if (reading === undefined) {
      reading = read().finally(() => {
        reading = undefined;
      });
      return reading;
    }
    waiting ??= reading
      .catch(() => undefined)
      .then(() => {
        waiting = undefined;
        return refresh();
      });
    return waiting;
  }

  async function refreshWhenChanged(): Promise<void> {
    if ((await loadPartnersVersion(database.db)) !== snapshot.version) await refresh();
  }

  function inBackground(work: Promise<void>): void {
    work.catch((error: unknown) => log.warn({ err: error }, 'partners could not be read anew'));
  }

  const timer = setInterval(() => inBackground(refreshWhenChanged()), LOOK_EVERY_MS);
  timer.unref();
  const listener = listenTo(database.connection, CHANNEL, () => inBackground(refresh()), log);

  return {
    findById: (id) => snapshot.byId.get(id),
    findBySenderId: (senderId) => snapshot.bySenderId.get(senderId),
    findByClientId: (clientId) => snapshot.byClientId.get(clientId),
    list: () => [...snapshot.byId.values()],
    refresh,
    async close() {
      clearInterval(timer);
      await listener.close();
      await Promise.allSettled([reading, waiting]);
    },
  };
}

async function readSnapshot(db: Db): Promise<Snapshot> {
  return await db
    .transaction()
    .setIsolationLevel('repeatable read')
    .setAccessMode('read only')
    .execute(async (transaction) => {
      const version = await loadPartnersVersion(transaction);
      const partners = await loadPartners(transaction);
      return index(version, partners, await loadCredentials(transaction));
    });
}

function index(version: string, partners: readonly Partner[], credentials: readonly Credential[]): Snapshot {
  const byId = new Map(partners.map((partner) => [partner.id, partner]));
  const byClientId = new Map<string, Client>();
  for (const credential of credentials) {
    const partner = byId.get(credential.partnerId);
    if (partner !== undefined) byClientId.set(credential.clientId, { partner, credential });
  }
  return { version, byId, bySenderId: new Map(partners.map((partner) => [partner.senderId, partner])), byClientId };
}
