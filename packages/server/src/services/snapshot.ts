import type { Database, Db } from '../store/database.ts';
import { listenTo } from '../store/listen.ts';

/**
 * Rows that every request needs, kept in memory. Every change is told by the database and read anew at once; should that
 * word be lost, a look each second finds it. While the database cannot be reached the last known state stands.
 */
export interface Snapshot<T> {
  current(): T;
  /** Reads everything anew; resolves when what was committed before the call is known. */
  refresh(): Promise<void>;
  close(): Promise<void>;
}

export interface SnapshotSource<T> {
  /** What changes are told on. */
  readonly channel: string;
  /** Differs whenever a row was added, changed or removed. */
  readonly loadVersion: (db: Db) => Promise<string>;
  /** In a transaction that sees one moment. */
  readonly read: (db: Db) => Promise<T>;
}

interface Log {
  warn(fields: object, text: string): void;
}

const LOOK_EVERY_MS = 1_000;

/** Listens on a connection of its own beside the pool. */
export async function openSnapshot<T>(database: Database, source: SnapshotSource<T>, log: Log): Promise<Snapshot<T>> {
  const { channel, loadVersion } = source;
  let state = await read(database.db, source);
  let reading: Promise<void> | undefined;
  let waiting: Promise<void> | undefined;

  async function readAnew(): Promise<void> {
    state = await read(database.db, source);
  }

  // A reading under way may have begun before the change that somebody wants to see: the next one is shared by all who wait.
  function refresh(): Promise<void> {
    if (reading === undefined) {
      reading = readAnew().finally(() => {
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
    if ((await loadVersion(database.db)) !== state.version) await refresh();
  }

  function inBackground(work: Promise<void>): void {
    work.catch((error: unknown) => log.warn({ err: error, channel }, 'what is kept in memory could not be read anew'));
  }

  const timer = setInterval(() => inBackground(refreshWhenChanged()), LOOK_EVERY_MS);
  timer.unref();
  const listener = listenTo(database.connection, channel, () => inBackground(refresh()), log);

  return {
    current: () => state.value,
    refresh,
    async close() {
      clearInterval(timer);
      await listener.close();
      await Promise.allSettled([reading, waiting]);
    },
  };
}

async function read<T>(db: Db, { loadVersion, read: readValue }: SnapshotSource<T>): Promise<{ version: string; value: T }> {
  return await db
    .transaction()
    .setIsolationLevel('repeatable read')
    .setAccessMode('read only')
    .execute(async (transaction) => ({ version: await loadVersion(transaction), value: await readValue(transaction) }));
}
