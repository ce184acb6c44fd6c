import { Writable } from 'node:stream';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { keepRowsOut } from '../../src/log.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

/** PostgreSQL quotes the row that it refuses: that must not reach the log. */

let test: TestDatabase;
let written = '';

beforeAll(async () => {
  test = await createTestDatabase();
});
afterAll(() => test.drop());

it.each<[string, string]>([
  [
    'a key that is there already',
    `insert into location (code, name, type) values ('Lovelace', 'Ada', 'district'), ('Lovelace', 'Ada', 'district')`,
  ],
  ['a check that fails', `insert into job_hold (kind, owner, reason) values ('Lovelace', null, 'Ada')`],
])('logs an error of the database without the row: %s', async (_name, statement) => {
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      written += chunk.toString();
      done();
    },
  });
  written = '';
  const error = await test.database.pool.query(statement).catch((caught: unknown) => caught);
  expect(JSON.stringify(error)).toContain('Lovelace');
  keepRowsOut(pino(sink)).error({ err: error, nested: 1 }, 'it failed');
  keepRowsOut(pino(sink)).error({ err: new AggregateError([error], 'several') }, 'they failed');
  expect(written).toContain('it failed');
  expect(written).toMatch(/"code":"23\d{3}"/);
  expect(written).not.toContain('Lovelace');
});
