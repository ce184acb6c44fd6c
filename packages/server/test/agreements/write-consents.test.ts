import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadConsents } from '../../src/store/consents.ts';
import { importPersons } from '../support/persons.ts';
import { searchBody, startTestApp, type TestApp, type TestPartner } from '../support/test-app.ts';

type Json = Record<string, unknown>;

let test: TestApp;
let desk: TestPartner;
let clinic: TestPartner;

beforeAll(async () => {
  test = await startTestApp();
  await importPersons(test.database, 4);
  desk = await test.addPartner('desk.test', { scopes: ['consent/write'] });
  clinic = await test.addPartner('clinic.test', { legalBasis: 'consent: form', purposes: ['care'] });
});
afterAll(() => test.close());

interface Written {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Json & { results?: { op: string; consent_id: string; state: string }[]; type?: string; errors?: { pointer: string }[] };
}

async function write(operations: readonly unknown[], key?: string, by = desk): Promise<Written> {
  const response = await fetch(`${test.base}/social/registry/consents`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      authorization: `Bearer ${by.token}`,
      ...(key === undefined ? {} : { 'idempotency-key': key }),
    },
    body: JSON.stringify({ operations }),
  });
  return { status: response.status, headers: response.headers, body: (await response.json()) as Written['body'] };
}

const give = (uin: string, change: Json = {}): Json => ({
  op: 'give',
  subject: { identifier_type: 'UIN', identifier_value: uin },
  recipient: { partner: 'clinic.test' },
  purposes: ['care'],
  covers: ['*'],
  ...change,
});
const count = async (): Promise<number> => (await loadConsents(test.database.db, {}, 1_000)).length;

async function found(value: string): Promise<number> {
  const body = searchBody(clinic, [{ query_type: 'idtype-value', query: { type: 'UIN', value } }]);
  const response = await fetch(`${test.base}/social/registry/sync/search`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${clinic.token}` },
    body,
  });
  const answer = (await response.json()) as { message: { search_response: { pagination: { total_count: number } }[] } };
  return answer.message.search_response[0]?.pagination.total_count ?? -1;
}

describe('POST registry/consents', () => {
  it('takes none of whoever would profit from it, by name or by class', async () => {
    const judge = await test.addPartner('judge.test', {
      legalBasis: 'consent: form',
      purposes: ['care'],
      scopes: ['consent/write', 'registry/search'],
      recipientClasses: ['clinics'],
    });
    const before = await count();
    for (const recipient of [{ partner: 'judge.test' }, { class: 'clinics' }])
      expect(await write([give('9000000000'), give('9000000000', { recipient })], undefined, judge)).toMatchObject({
        status: 403,
        body: { errors: [{ pointer: '/operations/1/recipient' }] },
      });
    expect(await count()).toBe(before);
  });

  it('renews none of them either, whoever wrote it down', async () => {
    const both = await test.addPartner('both.test', {
      scopes: ['registry/search', 'consent/write'],
      legalBasis: 'consent: form',
      purposes: ['care'],
      recipientClasses: ['clinics'],
    });
    const until = new Date(Date.now() + 60_000).toISOString();
    for (const recipient of [{ partner: 'both.test' }, { class: 'clinics' }]) {
      const given = await write([give('9000000000', { recipient, valid_until: until })]);
      const id = given.body.results?.[0]?.consent_id ?? '';
      const refused = await write([{ op: 'renew', id }], undefined, both);
      expect([refused.status, refused.body.errors]).toEqual([403, [expect.objectContaining({ pointer: '/operations/0/id' })]]);
      const [kept] = await loadConsents(test.database.db, { id }, 1);
      expect(kept?.validUntil?.toISOString()).toBe(until);
      expect((await write([{ op: 'withdraw', id }], undefined, both)).status).toBe(200);
    }
  });

  it('gives, renews and withdraws, at once', async () => {
    const given = await write([give('9000000000', { valid_until: '2090-01-01' })]);
    expect(given).toMatchObject({ status: 200, body: { results: [{ op: 'give', state: 'valid' }] } });
    const id = given.body.results?.[0]?.consent_id;
    expect(await found('9000000000')).toBe(1);
    expect(await write([{ op: 'renew', id, valid_until: '2095-01-01' }])).toMatchObject({ status: 200 });
    expect(await write([{ op: 'withdraw', id, reason: 'asked' }])).toMatchObject({
      body: { results: [{ consent_id: id, state: 'withdrawn' }] },
    });
    expect(await found('9000000000')).toBe(0);
    const { rows } = await test.database.pool.query('select kind, by from consent_event where consent_id = $1 order by seq', [id]);
    expect(rows).toEqual(['given', 'renewed', 'withdrawn'].map((kind) => ({ kind, by: 'partner:desk.test' })));
    const { rows: audited } = await test.database.pool.query(
      `select action, outcome, item_count from audit where sender_id = 'desk.test' order by seq desc limit 1`,
    );
    expect(audited).toEqual([{ action: 'consent', outcome: 'written', item_count: 1 }]);
  });

  it('carries out a request with a key once', async () => {
    const key = randomUUID();
    const before = await count();
    const [one, two] = [await write([give('9000000001')], key), await write([give('9000000001')], key)];
    expect(two.body).toEqual(one.body);
    expect(two.headers.get('idempotency-replayed')).toBe('true');
    expect(await count()).toBe(before + 1);
    expect(await write([give('9000000002')], key)).toMatchObject({ status: 409, body: { type: 'urn:dci:problem:key-reused' } });
    expect(await count()).toBe(before + 1);
  });

  it.each<[string, readonly unknown[], number, string]>([
    ['an unknown subject', [give('9000000003'), give('nobody')], 404, '/operations/1/subject'],
    ['an unknown consent', [{ op: 'withdraw', id: randomUUID() }], 404, '/operations/0/id'],
    ['an id that is none', [{ op: 'withdraw', id: "' or true" }], 404, '/operations/0/id'],
    ['an unknown field', [give('9000000003', { covers: ['colour'] })], 400, '/operations/0/covers/0'],
    ['an unknown operation', [{ op: 'seize' }], 400, '/operations/0/op'],
    ['an unknown member', [give('9000000003', { colour: 'red' })], 400, '/operations/0'],
    ['nothing', [], 400, '/operations'],
  ])('writes nothing of a request with %s', async (_name, operations, status, pointer) => {
    const before = await count();
    const answer = await write(operations);
    expect(answer.status, JSON.stringify(answer.body)).toBe(status);
    expect(answer.headers.get('content-type')).toContain('application/problem+json');
    expect(answer.body.errors?.[0]?.pointer).toContain(pointer);
    expect(await count()).toBe(before);
  });

  it('is for those whose agreement covers the whole registry, for it tells whether somebody is in it', async () => {
    const id = (await write([give('9000000003')])).body.results?.[0]?.consent_id ?? '';
    const before = await count();
    for (const [senderId, part] of [
      ['district-desk.test', { rows: { person: { district: { $eq: 'XZ-0302' } }, group: 'all' } }],
      ['persons-desk.test', { recordTypes: ['person'] }],
    ] as const) {
      const local = await test.addPartner(senderId, { scopes: ['consent/write'], registryTerms: { social: part } });
      for (const operation of [give('9000000003'), give('nobody'), { op: 'withdraw', id }]) {
        const answer = await write([operation], undefined, local);
        expect(answer).toMatchObject({ status: 403, body: { type: 'urn:dci:problem:forbidden' } });
        expect(answer.body.errors ?? []).toEqual([]);
      }
    }
    expect(await count()).toBe(before);
    expect(await loadConsents(test.database.db, { id }, 1)).toMatchObject([{ withdrawnAt: undefined }]);
  });

  it('is for those who have the scope', async () => {
    const before = await count();
    expect((await write([give('9000000003')], undefined, clinic)).status).toBe(403);
    expect(await count()).toBe(before);
  });
});
