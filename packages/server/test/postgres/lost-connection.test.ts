import { expect, it } from 'vitest';
import { createTestDatabase } from '../support/database.ts';

it('a connection that is lost between two statements costs its user the next one, and nobody else anything', async () => {
  const test = await createTestDatabase();
  const { pool } = test.database;
  const client = await pool.connect();
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
  const ended = new Promise((resolve) => client.once('end', resolve));
  await pool.query('select pg_terminate_backend($1)', [rows[0]?.pid]);
  await ended;
  await expect(client.query('select 1')).rejects.toThrow();
  client.release(true);
  expect((await pool.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
  await test.drop();
});
