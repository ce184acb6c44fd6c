import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { post, searchBody, startTestApp } from '../support/test-app.ts';
import { threaten, type Threatened } from './fixture.ts';

/**
 * Rate counters in memory per process, updated non-atomically, after the expensive work. → Shared, atomic, before crypto,
 * per address before authentication; weighted by cost.
 */

let threatened: Threatened;
beforeAll(async () => {
  threatened = await threaten();
});
afterAll(() => threatened.close());

const query = { expression: { collection: 'Person', query: { age: { $gte: 18 } } } };
const broad = { query_type: 'expression', query: { type: 'ns:org:QueryType:NoSql', value: query } };

describe('the limit of a partner', () => {
  it('holds over two servers together, and what is beyond is not even read', async () => {
    const { test, ask } = threatened;
    const second = await startTestApp({}, { DCI_DATABASE_URL: test.config.databaseUrl ?? '', DCI_DATA_DIR: test.config.dataDir });
    const busy = await test.addPartner('busy.test', { limits: { pointsPerMinute: 10 } });
    const statuses: number[] = [];
    for (let count = 0; count < 60; count += 1) {
      const base = count % 2 === 0 ? test.base : second.base;
      const headers = { 'content-type': 'application/json', authorization: `Bearer ${busy.token}` };
      const body = count < 40 ? ask(busy) : 'not even a message';
      statuses.push((await fetch(`${base}/social/registry/sync/search`, { method: 'POST', headers, body })).status);
    }
    // Sixty in well under a minute meet at most two windows of ten.
    expect(statuses.filter((status) => status !== 429).length).toBeLessThanOrEqual(20);
    expect(statuses.filter((status) => status === 429).length).toBeGreaterThanOrEqual(40);
    await second.close();
  });

  it('takes more for a question that costs more, tells what is left, and does nothing beyond it', async () => {
    const { test } = threatened;
    const asking = await test.addPartner('asking.test', { limits: { pointsPerMinute: 12 } });
    const url = `${test.base}/social/registry/sync/search`;
    const left = async (criteria: Record<string, unknown>): Promise<[number, number]> => {
      const answer = await post(url, asking.token, searchBody(asking, [criteria]));
      return [answer.status, Number(/;r=(\d+)/.exec(answer.headers.get('ratelimit') ?? '')?.[1])];
    };
    const [status, remaining] = await left(broad);
    expect(status).toBe(200);
    const [next, after] = await left({ query_type: 'idtype-value', query: { type: 'UIN', value: '1' } });
    // Unless the minute has turned between the two.
    if (after < remaining) expect([next, remaining, after]).toEqual([200, 7, 6]);
    const wide = await post(
      url,
      asking.token,
      searchBody(
        asking,
        Array.from({ length: 3 }, () => broad),
      ),
    );
    expect([wide.status, wide.body.error?.code]).toEqual([429, 'err.request.too_many_requests']);
    expect(Number(wide.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(wide.text).not.toContain('reg_records');
  });
});

describe('the limit of an address', () => {
  it('comes before the token is looked at', async () => {
    const test = await startTestApp({}, { DCI_ADDRESS_LIMIT_PER_MINUTE: '5' });
    const statuses: number[] = [];
    for (let count = 0; count < 20; count += 1) {
      const headers = { 'content-type': 'application/json', authorization: 'Bearer nonsense' };
      statuses.push((await fetch(`${test.base}/registry/sync/search`, { method: 'POST', headers, body: '{}' })).status);
    }
    expect(statuses[0]).toBe(401);
    expect(statuses.filter((status) => status === 429).length).toBeGreaterThanOrEqual(10);
    await test.close();
  });

  it('is told at the token endpoint as the grant tells its refusals', async () => {
    const test = await startTestApp({}, { DCI_ADDRESS_LIMIT_PER_MINUTE: '5' });
    const refused: unknown[] = [];
    for (let count = 0; count < 20; count += 1) {
      const answer = await fetch(`${test.base}/oauth2/client/token`, { method: 'POST' });
      expect([400, 401, 429]).toContain(answer.status);
      if (answer.status === 429) refused.push(await answer.json());
    }
    expect(refused.length).toBeGreaterThanOrEqual(10);
    for (const body of refused)
      expect(body).toEqual({ error: 'invalid_request', error_description: 'too many requests from this address' });
    await test.close();
  });
});
