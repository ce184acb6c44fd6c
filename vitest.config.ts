import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['packages/*/{src,test}/**/*.test.ts', 'bench/{src,test}/**/*.test.ts', 'scripts/*.test.mjs'],
    globalSetup: ['packages/server/test/support/global-setup.ts'],
    pool: 'forks',
    maxWorkers: 2,
    // Generous: a hung test is found, a slow machine is not mistaken for one.
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});
