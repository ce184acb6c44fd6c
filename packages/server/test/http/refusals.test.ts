import { randomUUID } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { generateSigningKey } from '@dci/protocol';
import { sql } from 'kysely';
import { changePartner } from '../../src/services/register-partner.ts';
import { BUILT_IN_PROFILES } from '../../src/profiles/index.ts';
import { importPersons, type Person } from '../support/persons.ts';
import { type Answer, post, searchBody, startTestApp, type TestApp, type TestPartner } from '../support/test-app.ts';

let test: TestApp;
let partner: TestPartner;
let other: TestPartner;
let person: Person;
let url: string;

beforeAll(async () => {
  test = await startTestApp();
  [person] = (await importPersons(test.database, 3)) as [Person];
  partner = await test.addPartner('mis.test');
  other = await test.addPartner('other.test');
  url = `${test.base}/social/registry/sync/search`;
});
afterAll(() => test.close());

const byId = (): Record<string, unknown> => ({ query_type: 'idtype-value', query: { type: 'UIN', value: person.uin } });

/** Refused as expected, and nothing of the person in it. */
function expectRefusal(answer: Answer, status: number, code: string): void {
  expect([answer.status, answer.body.error?.code ?? answer.body.message?.error?.code]).toEqual([status, code]);
  expectNothingDisclosed(answer);
}

function expectNothingDisclosed(answer: Answer): void {
  expect(answer.text).not.toContain(person.uin);
  expect(answer.text).not.toContain('reg_records');
}

function expectHeaderRefusal(answer: Answer, code: string): void {
  expect([answer.status, answer.body.header?.status, answer.body.header?.status_reason_code]).toEqual([200, 'rjct', code]);
  expect(answer.body.message).toBeUndefined();
  expect(answer.body.signature).toMatch(/^Signature: namespace="dci"/);
  expectNothingDisclosed(answer);
}

/** 503 means that the change has been seen by the database and not yet by the server's memory. */
async function answerOnceKnown(ask: () => Promise<Answer>): Promise<Answer> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const answer = await ask();
    expectNothingDisclosed(answer);
    if (answer.status !== 503) return answer;
  }
  throw new Error('the change did not become known');
}

async function auditOutcomes(): Promise<string[]> {
  const { rows } = await sql<{ outcome: string }>`select outcome from audit order by seq`.execute(test.database.db);
  return rows.map((row) => row.outcome);
}

describe('who may ask', () => {
  it('answers a registered partner, so that the refusals below mean something', async () => {
    const answer = await post(url, partner.token, searchBody(partner, [byId()]));
    expect(answer.status).toBe(200);
    expect(answer.text).toContain(person.uin);
  });

  it.each([
    ['no token', undefined],
    ['an empty token', ''],
    ['a made-up token', 'abc'],
    ['a token of odd characters', 'a b=c;"'],
    ['a huge token', 'x'.repeat(9_000)],
  ])('refuses %s', async (_name, token) => {
    const answer = await post(url, token, searchBody(partner, [byId()]));
    expectRefusal(answer, 401, 'err.request.unauthorized');
    expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer/);
    expect(answer.body.message?.ack_status).toBe('ERR');
  });

  it('refuses a non-ASCII token on the wire', async () => {
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const outgoing = httpRequest(
        url,
        { method: 'POST', headers: { 'content-type': 'application/json', authorization: 'Bearer t\u00f6k\u00e9n' } },
        (response) => {
          response.resume();
          resolve(response.statusCode);
        },
      );
      outgoing.on('error', reject);
      outgoing.end(searchBody(partner, [byId()]));
    });
    expect(status).toBe(401);
  });

  it("refuses one partner's token with another's sender_id", async () => {
    expectRefusal(await post(url, partner.token, searchBody(other, [byId()])), 401, 'err.sender_id.invalid');
  });

  it("refuses another's key under one's own name", async () => {
    const body = searchBody({ ...partner, key: other.key }, [byId()]);
    expectRefusal(await post(url, partner.token, body), 401, 'err.signature.invalid');
  });

  it('refuses a signature by a key that claims the registered key id', async () => {
    const forged = { ...generateSigningKey('ES256'), kid: partner.key.kid };
    expectRefusal(await post(url, partner.token, searchBody({ ...partner, key: forged }, [byId()])), 401, 'err.signature.invalid');
  });

  it('refuses a message without a signature, and says how it differs from a bad one', async () => {
    expectRefusal(await post(url, partner.token, searchBody(partner, [byId()], { signature: null })), 401, 'err.signature.missing');
    expectRefusal(await post(url, partner.token, searchBody(partner, [byId()], { signature: 'unsigned' })), 401, 'err.signature.missing');
    expectRefusal(await post(url, partner.token, searchBody(partner, [byId()], { signature: 'nonsense' })), 401, 'err.signature.invalid');
  });

  it('refuses a message changed after it was signed', async () => {
    const body = searchBody(partner, [byId()]).replace('"idtype-value"', '"predicate"');
    expectRefusal(await post(url, partner.token, body), 401, 'err.signature.invalid');
  });

  it.each([
    ['expired', -1_000, -500],
    ['not yet valid', 500, 900],
    ['over-long', 0, 90_000],
  ])('refuses a signature that is %s', async (_name, from, to) => {
    const now = Math.floor(Date.now() / 1000);
    const body = searchBody(partner, [byId()], { created: now + from, expires: now + to });
    expectRefusal(await post(url, partner.token, body), 401, 'err.signature.invalid');
  });

  it('refuses a signature that ends before it begins', async () => {
    const body = searchBody(partner, [byId()]).replace(/expires=\\"\d+\\"/, 'expires=\\"1600000000\\"');
    expect(body).toContain('1600000000');
    expectRefusal(await post(url, partner.token, body), 401, 'err.signature.invalid');
  });

  it('refuses a registry that is not open to the partner', async () => {
    const elsewhere = await test.addPartner('elsewhere.test', { registries: [] });
    expectRefusal(await post(url, elsewhere.token, searchBody(elsewhere, [byId()])), 403, 'err.request.forbidden');
  });

  it('refuses a token whose scope was taken from its partner', async () => {
    const narrowed = await test.addPartner('narrowed.test');
    await changePartner(test.database.db, BUILT_IN_PROFILES, 'narrowed.test', { terms: { scopes: [] } });
    const answer = await answerOnceKnown(() => post(url, narrowed.token, searchBody(narrowed, [byId()])));
    expectRefusal(answer, 403, 'err.request.forbidden');
  });

  it.each([
    ['legal basis', { legalBasis: '' }],
    ['field rule', { fields: '' }],
  ])('gives nothing to a partner without a %s', async (name, terms) => {
    const none = await test.addPartner(`none-${randomUUID().slice(0, 8)}`, terms);
    const answer = await post(url, none.token, searchBody(none, [byId()]));
    expectRefusal(answer, 403, 'err.request.forbidden');
    expect(answer.body.message?.error?.message).toContain(name);
  });

  it('stops a deactivated partner at once, token in hand', async () => {
    const leaving = await test.addPartner('leaving.test');
    expect((await post(url, leaving.token, searchBody(leaving, [byId()]))).status).toBe(200);
    await changePartner(test.database.db, BUILT_IN_PROFILES, 'leaving.test', { terms: { active: false } });
    const answer = await answerOnceKnown(() => post(url, leaving.token, searchBody(leaving, [byId()])));
    expectRefusal(answer, 401, 'err.request.unauthorized');
  });
});

describe('repeats and times', () => {
  it('refuses a message that it has answered before', async () => {
    const body = searchBody(partner, [byId()]);
    expect((await post(url, partner.token, body)).body.header?.status).toBe('succ');
    expectHeaderRefusal(await post(url, partner.token, body), 'rjct.message_id.duplicate');
  });

  it('answers one of many identical messages that arrive together', async () => {
    const body = searchBody(partner, [byId()]);
    const answers = await Promise.all(Array.from({ length: 12 }, () => post(url, partner.token, body)));
    expect(answers.filter((answer) => answer.body.header?.status === 'succ')).toHaveLength(1);
    for (const answer of answers.filter((candidate) => candidate.body.header?.status !== 'succ'))
      expectHeaderRefusal(answer, 'rjct.message_id.duplicate');
  });

  it('lets another partner use the same message_id', async () => {
    const id = randomUUID();
    for (const sender of [partner, other])
      expect((await post(url, sender.token, searchBody(sender, [byId()], { header: { message_id: id } }))).body.header?.status).toBe(
        'succ',
      );
  });

  it.each([
    ['rjct.message_ts.invalid', { message_ts: new Date(Date.now() - 3_600_000).toISOString() }],
    ['rjct.message_ts.invalid', { message_ts: new Date(Date.now() + 3_600_000).toISOString() }],
    ['rjct.version.invalid', { version: '2.0.0' }],
    ['rjct.action.invalid', { action: 'subscribe' }],
    ['rjct.action.not_supported', { action: 'dance' }],
    ['rjct.total_count.invalid', { total_count: 7 }],
  ])('answers %s with a signed header and no message', async (code, header) => {
    expectHeaderRefusal(await post(url, partner.token, searchBody(partner, [byId()], { header })), code);
  });

  it('refuses more items than a message may hold', async () => {
    const body = searchBody(partner, Array.from({ length: 1_001 }, byId));
    expectHeaderRefusal(await post(url, partner.token, body), 'rjct.total_count.limit_exceeded');
  });

  it('refuses a message for another receiver', async () => {
    const body = searchBody(partner, [byId()], { header: { receiver_id: 'somebody.else' } });
    expectRefusal(await post(url, partner.token, body), 400, 'err.receiver_id.invalid');
  });

  it('refuses an encrypted message while it cannot read one', async () => {
    const body = searchBody(partner, [byId()], { header: { is_msg_encrypted: true } });
    expectRefusal(await post(url, partner.token, body), 400, 'err.encryption.invalid');
  });
});

describe('what is not a message', () => {
  it.each([
    ['no JSON', 'hello'],
    ['nothing', ''],
    ['a list', '[]'],
    ['a duplicate member', '{"header":{},"header":{},"message":{}}'],
    ['a lone surrogate', '{"header":{"message_id":"\\ud800"},"message":{}}'],
    ['a NUL', '{"header":{"message_id":"a\\u0000b"},"message":{}}'],
    ['a huge number', '{"header":{"total_count":1e999},"message":{}}'],
    ['deep nesting', `{"header":${'['.repeat(10_000)}${']'.repeat(10_000)},"message":{}}`],
    ['no header', '{"message":{}}'],
  ])('refuses %s with a signed header', async (_name, body) => {
    const answer = await post(url, partner.token, body);
    expectRefusal(answer, 400, 'err.request.bad');
    expect(answer.body.header?.status).toBe('rjct');
    expect(answer.body.signature).toMatch(/^Signature: namespace="dci"/);
    expect(answer.body.message).toBeUndefined();
  });

  it('refuses bytes that are not UTF-8', async () => {
    const body = new Uint8Array(Buffer.concat([Buffer.from('{"header":"'), Buffer.from([0xff, 0xfe]), Buffer.from('"}')]));
    expectRefusal(await post(url, partner.token, body), 400, 'err.request.bad');
  });

  it('refuses 10 MB without reading them', async () => {
    const answer = await post(url, partner.token, `{"header":"${'x'.repeat(10_000_000)}"}`).catch(() => undefined);
    if (answer !== undefined) expectRefusal(answer, 413, 'err.request.bad');
    expect((await fetch(`${test.app.url}/health/live`)).status).toBe(200);
  });

  it.each(['text/plain', 'application/xml', 'multipart/form-data; boundary=x', 'application/json; charset=latin1'])(
    'refuses the content type %s',
    async (type) => {
      const answer = await post(url, partner.token, searchBody(partner, [byId()]), { 'content-type': type });
      expectRefusal(answer, 415, 'err.request.bad');
    },
  );

  it('refuses compressed bodies', async () => {
    const answer = await post(url, partner.token, searchBody(partner, [byId()]), { 'content-encoding': 'gzip' });
    expectRefusal(answer, 415, 'err.request.bad');
  });

  it('names the methods of a path, and knows no other paths', async () => {
    const wrongMethod = await fetch(url);
    expect([wrongMethod.status, wrongMethod.headers.get('allow')]).toEqual([405, 'POST']);
    expectRefusal(await post(`${test.base}/nowhere/registry/sync/search`, partner.token, '{}'), 404, 'err.request.not_found');
  });
});

describe('limits', () => {
  it('tells a partner what is left, and refuses what is beyond', async () => {
    const busy = await test.addPartner('busy.test', { limits: { pointsPerMinute: 5 } });
    const answers: Answer[] = [];
    // Twenty in well under a minute meet at most two windows of five.
    for (let count = 0; count < 20; count += 1) answers.push(await post(url, busy.token, searchBody(busy, [byId()])));
    const refused = answers.filter((answer) => answer.status === 429);
    expect(refused.length).toBeGreaterThanOrEqual(10);
    expect(answers[0]?.headers.get('ratelimit')).toMatch(/r=4/);
    expect(Number(refused[0]?.headers.get('retry-after'))).toBeGreaterThan(0);
    expectRefusal(refused[0] as Answer, 429, 'err.request.too_many_requests');
  });

  it('counts every item of a message', async () => {
    const batch = await test.addPartner('batch.test', { limits: { pointsPerMinute: 5 } });
    expectRefusal(await post(url, batch.token, searchBody(batch, Array.from({ length: 6 }, byId))), 429, 'err.request.too_many_requests');
  });
});

describe('what stays', () => {
  it('keeps an audit row for every refusal of a known partner', async () => {
    const before = (await auditOutcomes()).length;
    await post(url, partner.token, searchBody(partner, [byId()], { signature: 'nonsense' }));
    await post(url, partner.token, searchBody(partner, [byId()], { header: { version: '9.9.9' } }));
    expect((await auditOutcomes()).slice(before)).toEqual(['err.signature.invalid', 'rjct.version.invalid']);
  });
});
