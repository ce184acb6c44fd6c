import { importPublicKey } from '@dci/protocol';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type App, startApp } from '../../src/app.ts';
import { rotateOwnKeys } from '../../src/services/own-keys.ts';
import { openSealer } from '../../src/services/sealer.ts';
import { post, searchBody, startTestApp, type TestApp } from '../support/test-app.ts';

let first: TestApp;
let second: App;

beforeAll(async () => {
  first = await startTestApp();
  second = await startApp(first.config, { log: pino({ level: 'silent' }) });
});
afterAll(async () => {
  await second.close();
  await first.close();
});

interface PublishedKey {
  readonly kid: string;
  readonly use: string;
}

async function fetchJwks(url: string): Promise<PublishedKey[]> {
  const response = await fetch(`${url}/.well-known/jwks.json`);
  expect(response.headers.get('cache-control')).toBe('public, max-age=300');
  expect(response.headers.get('etag')).toMatch(/^"/);
  return ((await response.json()) as { keys: PublishedKey[] }).keys;
}

it('two servers on one database have the same keys, and both follow a rotation', async () => {
  const before = await fetchJwks(first.app.url);
  expect(await fetchJwks(second.url)).toEqual(before);
  expect(before.map(({ use }) => use)).toEqual(['sig', 'enc', 'enc']);
  const sealer = openSealer(first.config, () => undefined);
  const made = [
    ...(await rotateOwnKeys(first.database.db, sealer, 'sig', { atOnce: true })),
    ...(await rotateOwnKeys(first.database.db, sealer, 'enc', { atOnce: true })),
  ].map(({ kid }) => kid);
  const partner = await first.addPartner('mis.example.org');
  for (const url of [first.app.url, second.url]) {
    await expect
      .poll(async () => (await fetchJwks(url)).map(({ kid }) => kid), { timeout: 20_000 })
      .toEqual([made[0], before[0]?.kid, ...made.slice(1)]);
    const answer = await post(
      `${url}/api/v2/dci/social/registry/sync/search`,
      partner.token,
      searchBody(partner, [{ query_type: 'idtype-value', query: { type: 'UIN', value: '900000000' } }]),
    );
    expect(answer.status).toBe(200);
    expect(answer.body.signature).toContain(`|${made[0]}|ES256`);
  }
  const [published] = await fetchJwks(second.url);
  expect(importPublicKey({ ...published }).kid).toBe(made[0]);
});
