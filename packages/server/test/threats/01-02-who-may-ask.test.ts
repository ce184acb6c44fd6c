import { randomBytes } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApp } from '../support/test-app.ts';
import { threaten, type Threatened } from './fixture.ts';

/**
 * 1. An empty or unset credential list accepts anyone. → Nothing configured = nobody gets in; the server says so.
 * 2. Odd tokens crash into a 500; secrets compared by `===`, or `timingSafeEqual` on unequal lengths. → 401.
 */

describe('a server with no partner', () => {
  it('lets nobody in, and says so', async () => {
    const test = await startTestApp();
    const url = `${test.base}/social/registry/sync/search`;
    for (const authorization of [undefined, 'Bearer ', 'Bearer null', 'Bearer undefined', 'Basic Og==', `Basic ${btoa('admin:admin')}`]) {
      const headers = { 'content-type': 'application/json', ...(authorization === undefined ? {} : { authorization }) };
      expect((await fetch(url, { method: 'POST', headers, body: '{}' })).status).toBe(401);
    }
    for (const form of [
      '',
      'client_id=&client_secret=',
      'client_id=null&client_secret=null',
      'client_id=undefined&client_secret=undefined',
    ]) {
      const body = new URLSearchParams(`grant_type=client_credentials&${form}`);
      expect((await fetch(`${test.base}/oauth2/client/token`, { method: 'POST', body })).status).toBe(401);
    }
    const ready = (await (await fetch(`${test.app.url}/health/ready`)).json()) as { warnings: string[] };
    expect(ready.warnings).toContainEqual(expect.stringContaining('nobody gets in'));
    const { rows } = await test.database.pool.query('select 1 from audit');
    expect(rows).toEqual([]);
    await test.close();
  });
});

describe('odd tokens and secrets', () => {
  let threatened: Threatened;
  beforeAll(async () => {
    threatened = await threaten();
  });
  afterAll(() => threatened.close());

  /** As bytes on the wire: `fetch` would not send them. */
  function sendRaw(authorization: string): Promise<number | undefined> {
    return new Promise((resolve, reject) => {
      const headers = { 'content-type': 'application/json', authorization };
      const outgoing = httpRequest(threatened.url, { method: 'POST', headers }, (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      outgoing.on('error', reject);
      outgoing.end(threatened.ask());
    });
  }

  it.each([
    ['letters outside ASCII', 'Bearer tökén'],
    ['bytes that are no UTF-8', 'Bearer \u00ff\u00fe\u0080'],
    ['another scheme', 'Negotiate abc'],
    ['only the scheme', 'Bearer'],
    ['nine thousand letters', `Bearer ${'x'.repeat(9_000)}`],
    ['dots', `Bearer ${'.'.repeat(2_000)}`],
    ['commas', 'Bearer a,Bearer b'],
    ['a tab', 'Bearer\tabc'],
  ])('%s are refused, not failed at', async (_name, authorization) => {
    expect(await sendRaw(authorization)).toBe(401);
  });

  it.each(['', 'x', '\u{1F511}', '\u0000', 'x'.repeat(5_000)])('the secret %j is refused whatever its length', async (secret) => {
    const { clientId, clientSecret } = threatened.partner;
    for (const wrong of [secret, clientSecret.slice(0, -1), `${clientSecret}x`, clientSecret.toLowerCase()]) {
      const body = new URLSearchParams({ grant_type: 'client_credentials', client_id: clientId, client_secret: wrong });
      const answer = await fetch(`${threatened.test.base}/oauth2/client/token`, { method: 'POST', body });
      expect([answer.status, await answer.text()]).toEqual([401, expect.not.stringContaining('access_token') as string]);
    }
  });

  it('the good token is let in all the same', async () => {
    const answer = await threatened.send(threatened.partner.token, threatened.ask());
    expect([answer.status, answer.text.includes(threatened.person.uin)]).toEqual([200, true]);
    await threatened.expectRefused(
      await threatened.send(randomBytes(40).toString('base64url'), threatened.ask()),
      401,
      'err.request.unauthorized',
    );
  });
});
