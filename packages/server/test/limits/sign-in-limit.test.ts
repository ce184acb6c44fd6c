import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addressSubject } from '../../src/services/address-subject.ts';
import type { Registered } from '../../src/services/register-partner.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { formOf, MANY, startTokenServer, type TokenServer } from '../token/token-server.ts';

let test: TestDatabase;
const servers: TokenServer[] = [];
const now = (): number => Date.UTC(2026, 10, 3, 12, 0, 10);

beforeAll(async () => {
  test = await createTestDatabase();
});
afterAll(async () => {
  for (const server of servers) await server.close();
  await test.drop();
});

async function start(limits: Partial<typeof MANY>): Promise<TokenServer> {
  const server = await startTokenServer(test, { limits: { ...MANY, ...limits }, now, sealer: servers[0]?.sealer });
  servers.push(server);
  return server;
}

function ask(server: TokenServer, { clientId, clientSecret }: Pick<Registered, 'clientId' | 'clientSecret'>): Promise<Response> {
  const members = { grant_type: 'client_credentials', client_id: clientId, client_secret: clientSecret };
  return fetch(`${server.origin}/oauth2/client/token`, formOf(members));
}

describe('sign-in', () => {
  it('is limited for each client, over all processes, whether the secret is right or not', async () => {
    const first = await start({ perClient: 3 });
    const second = await start({ perClient: 3 });
    const partner = await first.register('mis.example.org');
    await second.directory.refresh();
    expect((await ask(first, partner)).headers.get('ratelimit-policy')).toBe('"sign-in-client";q=3;w=60');
    expect((await ask(second, { ...partner, clientSecret: 'guess' })).status).toBe(401);
    expect((await ask(first, { ...partner, clientSecret: 'guess' })).status).toBe(401);
    for (const server of [first, second]) {
      const refused = await ask(server, partner);
      expect(refused.status).toBe(429);
      expect(refused.headers.get('retry-after')).toBe('50');
      expect(refused.headers.get('ratelimit')).toBe('"sign-in-client";r=0;t=50');
      expect(await refused.json()).toEqual({ error: 'invalid_request', error_description: expect.any(String) });
    }
    const other = await first.register('other.example.org');
    expect((await ask(first, other)).status).toBe(200);
  });

  it('is limited for clients that do not exist as well', async () => {
    const server = await start({ perClient: 2 });
    const nobody = { clientId: 'nobody\u0000', clientSecret: 'x' };
    const statuses = [await ask(server, nobody), await ask(server, nobody), await ask(server, nobody)].map((response) => response.status);
    expect(statuses).toEqual([401, 401, 429]);
  });

  it('is limited for each address, before anything is read', async () => {
    const server = await start({ perAddress: 2 });
    await test.database.pool.query(`delete from rate_window`);
    const statuses: number[] = [];
    for (const body of ['x', 'x', 'x'])
      statuses.push((await fetch(`${server.origin}/oauth2/client/token`, { method: 'POST', body })).status);
    expect(statuses).toEqual([400, 400, 429]);
  });
});

describe('addressSubject', () => {
  it.each([
    ['203.0.113.5', 'address:203.0.113.5'],
    ['::ffff:203.0.113.5', 'address:203.0.113.5'],
    ['2001:db8:1:2:3:4:5:6', 'address:2001:db8:1:2::/64'],
    ['2001:DB8:1:2::9', 'address:2001:db8:1:2::/64'],
    ['2001:db8::1', 'address:2001:db8:0:0::/64'],
    ['2001:0db8:0000:0002::', 'address:2001:db8:0:2::/64'],
    ['fe80::1%eth0', 'address:fe80:0:0:0::/64'],
    ['::1', 'address:0:0:0:0::/64'],
  ])('counts %s as %s', (address, subject) => {
    expect(addressSubject(address)).toBe(subject);
  });
});
