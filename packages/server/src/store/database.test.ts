import { expect, it } from 'vitest';
import { isDatabaseUnavailable } from './database.ts';

const failure = (code: string): Error => Object.assign(new Error('failed'), { code });

it.each(['08000', '08003', '08006', '57P01', '57P03', '53300', 'ECONNREFUSED'])('takes %s for a database that is not there', (code) => {
  expect(isDatabaseUnavailable(failure(code))).toBe(true);
});

it.each(['08P01', '22P02', '23505', '57014', 'EACCES'])('takes %s for a statement that the database refused', (code) => {
  expect(isDatabaseUnavailable(failure(code))).toBe(false);
});

it.each([
  'Connection terminated unexpectedly',
  'timeout exceeded when trying to connect',
  'Client has encountered a connection error and is not queryable',
  'Client was closed and is not queryable',
])('takes "%s" for a database that is not there', (message) => {
  expect(isDatabaseUnavailable(new Error(message))).toBe(true);
});
