import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openEmbeddedPostgres } from '../../src/postgres/embedded.ts';
import { findPlacement } from '../../src/postgres/placement.ts';
import { findPostmaster } from '../../src/postgres/postmaster.ts';
import { BUILT_IN_PROFILES } from '../../src/profiles/index.ts';
import { reconcileProfile } from '../../src/registry/reconcile.ts';
import { type Database, openDatabase } from '../../src/store/database.ts';
import { migrate } from '../../src/store/migrate.ts';

/** A PostgreSQL of this test's own, which starts again by itself when it was killed. */
export interface CrashingPostgres {
  readonly database: Database;
  /** As servers are told of it. */
  readonly url: string;
  /** As a crash ends it: what it has not written to disk is gone. */
  kill(): void;
  close(): Promise<void>;
}

const SILENT = { info: () => undefined, warn: () => undefined };

export async function startCrashingPostgres(): Promise<CrashingPostgres> {
  const dataDir = mkdtempSync(join(tmpdir(), 'dci-crash-'));
  // As root, the user that PostgreSQL runs as must come through.
  chmodSync(dataDir, 0o711);
  const postgres = await openEmbeddedPostgres({ dataDir, log: SILENT });
  const { cluster } = await findPlacement(dataDir, SILENT);
  const database = openDatabase(postgres.connection);
  await migrate(database.db);
  for (const profile of BUILT_IN_PROFILES) await reconcileProfile(database, profile);
  const { host, port, user, database: name } = postgres.connection;
  const kill = (): void => {
    const running = findPostmaster(cluster);
    if (running === undefined) return;
    try {
      process.kill(running.pid, 'SIGKILL');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  };
  // Nothing outlives the test, however that ends.
  process.once('exit', kill);
  return {
    database,
    url: `postgresql:///${name}?host=${host}&port=${port}&user=${user}`,
    kill,
    async close() {
      await database.close();
      await postgres.release();
      process.off('exit', kill);
      rmSync(dataDir, { recursive: true });
    },
  };
}
