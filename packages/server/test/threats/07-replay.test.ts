import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Answer, startTestApp } from '../support/test-app.ts';
import { threaten, type Threatened } from './fixture.ts';

/** No replay store, no upper bound on signature lifetime, created > expires. → Refused. */

let threatened: Threatened;
beforeAll(async () => {
  threatened = await threaten();
});
afterAll(() => threatened.close());

it('a message that was answered is not answered again, and discloses nothing', async () => {
  const { partner, ask, send, person } = threatened;
  const body = ask();
  expect((await send(partner.token, body)).text).toContain(person.uin);
  const again = await send(partner.token, body);
  expect([again.status, again.body.header?.status_reason_code]).toEqual([200, 'rjct.message_id.duplicate']);
  expect(again.text).not.toContain(person.given);
});

it('nor by another server on the same database, nor when it comes to both at once', async () => {
  const { partner, ask, send, test, person } = threatened;
  const second = await startTestApp({}, { DCI_DATABASE_URL: test.config.databaseUrl ?? '', DCI_DATA_DIR: test.config.dataDir });
  const elsewhere = { ...threatened, url: `${second.base}/social/registry/sync/search` };
  const body = ask();
  const answers = await Promise.all([send(partner.token, body), sendTo(elsewhere.url, partner.token, body), send(partner.token, body)]);
  expect(answers.filter(({ text }) => text.includes(person.given))).toHaveLength(1);
  await second.close();
});

async function sendTo(url: string, token: string, body: string): Promise<Answer> {
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
  const response = await fetch(url, { method: 'POST', headers, body });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, body: JSON.parse(text) as Answer['body'] };
}

it.each([
  ['lives longer than a day', 0, 86_460],
  ['has ended', -600, -300],
  ['begins later', 120, 300],
])('a signature that %s is refused', async (_name, from, to) => {
  const { partner, ask, send, expectRefused } = threatened;
  const now = Math.floor(Date.now() / 1000);
  await expectRefused(await send(partner.token, ask(partner, { created: now + from, expires: now + to })), 401, 'err.signature.invalid');
});

it('a message of an hour ago with a signature that still lives is refused', async () => {
  const { partner, ask, send } = threatened;
  const header = { message_id: randomUUID(), message_ts: new Date(Date.now() - 3_600_000).toISOString() };
  const now = Math.floor(Date.now() / 1000);
  const answer = await send(partner.token, ask(partner, { header, created: now - 3_600, expires: now + 3_600 }));
  expect(answer.body.header?.status_reason_code).toBe('rjct.message_ts.invalid');
  expect(answer.text).not.toContain(threatened.person.given);
});
