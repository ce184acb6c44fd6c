import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { generateSigningKey, importPublicKey, publicJwk } from '@dci/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BUILT_IN_PROFILES } from '../../src/profiles/index.ts';
import { changePartner } from '../../src/services/register-partner.ts';
import type { Answer, TestPartner } from '../support/test-app.ts';
import { threaten, type Threatened } from './fixture.ts';

/**
 * 3. Token of one partner, `sender_id` of another; `kid` of one, signature by another. → Bound.
 * 4. A deactivated partner or revoked key still works until a cache ends. → At once.
 * 5. The key is fetched from a URL inside the unverified message. → Keys come from the partner record only.
 * 6. A missing signature passes; a failed signing sends unsigned. → Policy decides; never unsigned.
 */

let threatened: Threatened;
let other: TestPartner;

beforeAll(async () => {
  threatened = await threaten();
  other = await threatened.test.addPartner('other.test');
});
afterAll(() => threatened.close());

async function refused(token: string, body: string, code = 'err.signature.invalid'): Promise<Answer> {
  const answer = await threatened.send(token, body);
  await threatened.expectRefused(answer, 401, code);
  return answer;
}

describe('token, sender and key (3)', () => {
  it('must be of one partner', async () => {
    const { partner, ask } = threatened;
    await refused(partner.token, ask(other), 'err.sender_id.invalid');
    await refused(other.token, ask(partner), 'err.sender_id.invalid');
    await refused(partner.token, ask({ ...partner, key: other.key }));
    await refused(partner.token, ask({ ...partner, key: { ...other.key, kid: partner.key.kid } }));
    await refused(partner.token, ask(partner).replaceAll(`${partner.senderId}|`, `${other.senderId}|`));
  });
});

describe('what was taken away (4)', () => {
  async function soon(ask: () => Promise<Answer>, code: string): Promise<void> {
    // 503: the database knows of the change and the server's memory does not yet; nothing was disclosed.
    await expect.poll(async () => (await ask()).status, { interval: 5 }).not.toBe(503);
    await threatened.expectRefused(await ask(), 401, code);
  }

  it('a key signs nothing any more', async () => {
    const { test, ask, send } = threatened;
    const leaving = await test.addPartner('leaving-key.test');
    expect((await send(leaving.token, ask(leaving))).status).toBe(200);
    const kept = importPublicKey({ ...publicJwk(generateSigningKey('EdDSA')) });
    const keys = { put: [kept], revoke: [leaving.key.kid] };
    await changePartner(test.database.db, BUILT_IN_PROFILES, leaving.senderId, { keys });
    await soon(() => send(leaving.token, ask(leaving)), 'err.signature.invalid');
  });

  it('a partner is not let in any more, and gets no token', async () => {
    const { test, ask, send } = threatened;
    const leaving = await test.addPartner('leaving.test');
    expect((await send(leaving.token, ask(leaving))).status).toBe(200);
    await changePartner(test.database.db, BUILT_IN_PROFILES, leaving.senderId, { terms: { active: false } });
    await soon(() => send(leaving.token, ask(leaving)), 'err.request.unauthorized');
    const body = new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: leaving.clientId,
      client_secret: leaving.clientSecret,
    });
    expect((await fetch(`${test.base}/oauth2/client/token`, { method: 'POST', body })).status).toBe(401);
  });
});

describe('keys that a message brings along (5)', () => {
  it('are not looked at, and nothing is fetched', async () => {
    let fetched = 0;
    const forger = generateSigningKey('ES256');
    const server = createServer((_request, response) => {
      fetched += 1;
      response.end(JSON.stringify({ keys: [publicJwk(forger)] }));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const jwks = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks.json`;
    const { partner, ask } = threatened;
    const forging = { ...partner, key: forger };
    const header = { sender_uri: jwks, meta: { jwks_uri: jwks, public_key: publicJwk(forger) } };
    await refused(partner.token, ask(forging, { header }));
    await refused(partner.token, ask({ ...partner, key: { ...forger, kid: jwks } }, { header }));
    await refused(partner.token, ask({ ...partner, key: { ...forger, kid: partner.key.kid } }, { header }));
    expect(fetched).toBe(0);
    await new Promise((resolve) => server.close(resolve));
  });
});

describe('a missing signature (6)', () => {
  it.each([null, '', 'unsigned', 'unsigned: for testing'])('as %j is refused where one is required', async (signature) => {
    await refused(threatened.partner.token, threatened.ask(threatened.partner, { signature }), 'err.signature.missing');
  });

  it('passes where the operator chose so, and a forged one never', async () => {
    const { test, ask, send } = threatened;
    const free = await test.addPartner('free.test', { signature: 'optional' });
    const answer = await send(free.token, ask(free, { signature: null }));
    expect([answer.status, answer.body.signature?.length]).toEqual([200, expect.any(Number)]);
    await refused(free.token, ask({ ...free, key: other.key }));
    await refused(free.token, ask(free).replace('"idtype-value"', '"predicate"'));
  });

  it('never comes from us: every envelope is signed, refusals too', async () => {
    const { partner, ask, send } = threatened;
    for (const body of [ask(), ask(partner, { header: { version: '9.9.9' } }), 'nonsense'])
      expect((await send(partner.token, body)).body.signature).toMatch(/signature="[^"]+"/);
  });
});
