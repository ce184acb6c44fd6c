import type { ClientConfig } from 'pg';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  export interface ProvidedContext {
    /** How to reach the PostgreSQL of this test run; the database is each test's own. */
    testPostgres: ClientConfig;
  }
}

/** One PostgreSQL for the whole run: the one in the socket folder `DCI_TEST_POSTGRES`. */
export function setup(project: TestProject): void {
  const socketFolder = process.env.DCI_TEST_POSTGRES;
  if (socketFolder === undefined || socketFolder === '') throw new Error('DCI_TEST_POSTGRES names no socket folder');
  project.provide('testPostgres', { host: socketFolder, user: 'dci' });
}
