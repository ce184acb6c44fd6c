import { fastify } from 'fastify';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ENDPOINTS } from '../../src/http/endpoints.ts';
import { guardRoutes } from '../../src/http/guard-routes.ts';
import { BUILT_IN_PROFILES } from '../../src/profiles/index.ts';
import { changePartner } from '../../src/services/register-partner.ts';
import { isScope, type Scope, SCOPES } from '../../src/services/scopes.ts';
import { startTestApp, type TestApp, type TestPartner } from '../support/test-app.ts';

/** Scopes and purposes exist but no route checks them. → Each route names its scope; a token without it gets 403. */

let test: TestApp;
const holders = new Map<Scope, TestPartner>();
let all: TestPartner;

beforeAll(async () => {
  test = await startTestApp();
  all = await test.addPartner('all.test', { scopes: SCOPES });
  for (const scope of SCOPES) {
    const senderId = `without-${SCOPES.indexOf(scope)}.test`;
    holders.set(scope, await test.addPartner(senderId, { scopes: SCOPES }));
    // The token has the scope, its partner has it no more.
    await changePartner(test.database.db, BUILT_IN_PROFILES, senderId, { terms: { scopes: others(scope) } });
  }
});
afterAll(() => test.close());

function others(scope: Scope): readonly string[] {
  return SCOPES.filter((other) => other !== scope);
}

const lines = Object.entries(ENDPOINTS).map(([line, endpoint]) => {
  const [method = '', path = ''] = line.split(' ');
  return { line, method, path: path.replace('/docs/*', '/docs/json').replace('/*', '/api/v2/dci'), ...endpoint };
});
const guarded = lines.filter(({ caller }) => isScope(caller));

function ask(method: string, path: string, token?: string): Promise<Response> {
  const headers = { 'content-type': 'application/json', ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) };
  return fetch(`${test.base}${path}`, { method, headers, ...(method === 'GET' ? {} : { body: '{}' }) });
}

async function countTraces(): Promise<number> {
  const { rows } = await sql<{ count: number }>`select count(*)::int as count from audit`.execute(test.database.db);
  return rows[0]?.count ?? -1;
}

describe.each(guarded)('$line', ({ method, path, caller }) => {
  // What is fetched has one address, which names no registry.
  const isFetched = path.includes('/:id');
  const mounts = path.startsWith('/registry/') && !isFetched ? [path, `/social${path}`, `/sr${path}`] : [path];

  it('refuses a token without its scope, at every mount, does nothing, and has it on record', async () => {
    if (!isScope(caller)) throw new Error('not a scope');
    const { token } = holders.get(caller) ?? {};
    await expect.poll(async () => (await ask(method, mounts[0] ?? '', token)).status).toBe(403);
    const before = await countTraces();
    for (const mount of mounts) {
      const answer = await ask(method, mount, token);
      expect([mount, answer.status]).toEqual([mount, 403]);
      // Refusals of records are problem details, all others the standard's.
      expect(await answer.text()).toMatch(/"(err\.request\.forbidden|urn:dci:problem:forbidden)"/);
    }
    expect(await countTraces()).toBe(before + mounts.length);
    const { rows } = await sql`select outcome, record_count from audit where action = ${caller} and outcome <> 'err.request.forbidden'
      and partner_id = (select id from partner where sender_id = ${holders.get(caller)?.senderId ?? ''})`.execute(test.database.db);
    expect(rows).toEqual([]);
  });

  it('refuses whoever has no token', async () => {
    for (const mount of mounts) expect([mount, (await ask(method, mount)).status]).toEqual([mount, 401]);
  });

  it('lets a token with its scope come to the message', async () => {
    for (const mount of mounts) {
      const answer = await ask(method, mount, all.token);
      if (isFetched) expect(await answer.text()).toContain('no extract of yours');
      else expect([mount, [401, 403, 404, 405].includes(answer.status)]).toEqual([mount, false]);
    }
  });
});

describe('the table', () => {
  it('has no line whose route is gone', async () => {
    for (const { line, method, path } of lines) {
      const answers = [await ask(method, path), await fetch(`${test.app.url}${path}`, { method })];
      expect([line, answers.some(({ status }) => status !== 404 && status !== 405)]).toEqual([line, true]);
    }
  });

  it('lets no route be registered that has no line', async () => {
    const app = fastify();
    guardRoutes(app, { gate: { check: async () => undefined }, basePath: '/base', profiles: BUILT_IN_PROFILES });
    expect(() => app.get('/base/secret', async () => 'secret')).toThrow('GET /secret has no line');
    expect(() => app.post('/base/social/registry/everything', async () => 'all')).toThrow('has no line');
    expect(() => app.put('/base/registry/sync/search', async () => 'all')).toThrow('has no line');
    await app.close();
  });

  it('takes a small body for credentials, and messages from nobody but partners', () => {
    for (const { line, body, caller, counted, points } of lines) {
      expect([line, body === 'credentials']).toEqual([line, caller === 'client']);
      if (isScope(caller)) expect([line, points > 0]).toEqual([line, true]);
      else expect([line, body === 'message']).toEqual([line, caller === 'peer']);
      if (caller === 'peer') expect([line, counted]).toEqual([line, true]);
    }
  });

  it('lets peers send without a token, and takes nothing that is not signed', async () => {
    const before = await countTraces();
    for (const { line, method, path, caller } of lines) {
      if (caller !== 'peer') continue;
      for (const mount of [path, `/social${path}`, `/sr${path}`]) {
        expect([line, (await ask(method, mount)).status]).toEqual([line, 400]);
        expect([line, (await ask(method, mount, 'nonsense')).status]).toEqual([line, 401]);
      }
    }
    expect(await countTraces()).toBe(before);
  });
});
