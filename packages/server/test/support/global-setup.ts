import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ClientConfig } from 'pg';
import type { TestProject } from 'vitest/node';
import { openEmbeddedPostgres } from '../../src/postgres/embedded.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** How to reach the PostgreSQL of this test run; the database is each test's own. */
    testPostgres: ClientConfig;
  }
}

/** One PostgreSQL for the whole run: the one in the socket folder `DCI_TEST_POSTGRES`, else one that ends with the run. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const socketFolder = process.env.DCI_TEST_POSTGRES ?? '';
  if (socketFolder !== '') {
    project.provide('testPostgres', { host: socketFolder, user: 'dci' });
    return async () => undefined;
  }
  const dataDir = mkdtempSync(join(tmpdir(), 'dci-test-'));
  // As root, the user that PostgreSQL runs as must come through.
  chmodSync(dataDir, 0o711);
  const postgres = await openEmbeddedPostgres({ dataDir, log: { info: () => undefined, warn: () => undefined } });
  project.provide('testPostgres', postgres.connection);
  return async () => {
    await postgres.release();
    rmSync(dataDir, { recursive: true });
  };
}
