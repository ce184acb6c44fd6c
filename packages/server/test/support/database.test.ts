import { expect, it } from 'vitest';
import { findSchemaDifference } from '../../src/store/migrate.ts';
import { createTestDatabase } from './database.ts';

it('gives each caller a migrated database of its own', async () => {
  const [first, second] = await Promise.all([createTestDatabase(), createTestDatabase()]);
  await first.database.pool.query(`insert into location (code, name, type) values ('A', 'Alpha', 'district')`);
  const seen = await second.database.pool.query('select code from location');
  expect(seen.rows).toEqual([]);
  expect(await findSchemaDifference(second.database.db)).toEqual({ pending: [], unknown: [] });
  await Promise.all([first.drop(), second.drop()]);
});
