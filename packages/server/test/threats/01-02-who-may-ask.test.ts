import { randomBytes } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { text } from 'node:stream/consumers';
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
  async function sendRaw(authorization: string): Promise<number | undefined> {
    return (await sendHeaders(threatened.url, ['content-type', 'application/json', 'authorization', authorization], threatened.ask()))
      .status;
  }

  function sendHeaders(url: string, headers: string[], body: string, method = 'POST'): Promise<{ status?: number; text: string }> {
    return new Promise((resolve, reject) => {
      const outgoing = httpRequest(url, { method, headers: ['host', new URL(url).host, ...headers] }, (response) => {
        text(response).then((answer) => resolve({ status: response.statusCode, text: answer }), reject);
      });
      outgoing.on('error', reject);
      outgoing.end(body);
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

  describe('a repeated Authorization header is refused, whichever of them is good', () => {
    const good = (): string => `Bearer ${threatened.partner.token}`;
    const basic = (): string => `Basic ${btoa(`${threatened.partner.clientId}:${threatened.partner.clientSecret}`)}`;

    it.each([
      ['the first', () => ['Authorization', good(), 'Authorization', 'Bearer x']],
      ['the last, in other letters', () => ['AUTHORIZATION', 'Bearer x', 'x-between', '1', 'authorization', good()]],
      ['both', () => ['authorization', good(), 'authorization', good()]],
      ['one beside an empty one', () => ['authorization', '', 'authorization', good()]],
      ['neither', () => ['authorization', 'Bearer x', 'authorization', 'Bearer x']],
    ])('%s', async (_name, authorizations) => {
      const headers = ['content-type', 'application/json', ...authorizations()];
      for (const path of ['social/registry/sync/search', 'registry/search', 'registry/on-search', 'registry/records', 'audit/person']) {
        const refused = await sendHeaders(`${threatened.test.base}/${path}`, headers, threatened.ask());
        expect([path, refused.status, refused.text]).toEqual([path, 400, expect.stringContaining('the Authorization header is repeated')]);
        expect(refused.text).not.toContain(threatened.person.uin);
      }
      const listing = await sendHeaders(`${threatened.test.base}/audit/entries`, authorizations(), '', 'GET');
      expect(listing.status).toBe(400);
    });

    it('at the token endpoint too', async () => {
      const form = ['content-type', 'application/x-www-form-urlencoded'];
      const ask = (...authorizations: string[]) =>
        sendHeaders(`${threatened.test.base}/oauth2/client/token`, [...form, ...authorizations], 'grant_type=client_credentials');
      expect((await ask('authorization', basic())).status).toBe(200);
      const refused = await ask('authorization', basic(), 'authorization', 'Basic eDp5');
      expect([refused.status, JSON.parse(refused.text)]).toEqual([
        400,
        { error: 'invalid_request', error_description: 'the Authorization header is repeated; send one' },
      ]);
    });
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
