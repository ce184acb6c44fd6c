import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { verifyCheckpoint } from '../../src/services/audit-checkpoint.ts';
import { createIdentifierHash, ERASED_IDENTIFIER_KEY, erasePerson } from '../../src/services/erase-person.ts';
import { openSealer } from '../../src/services/sealer.ts';
import { BUILT_IN_PROFILES } from '../../src/profiles/index.ts';
import { putRecords } from '../../src/registry/write.ts';
import { changePartner } from '../../src/services/register-partner.ts';
import { memberDocument } from '../support/persons.ts';
import { post, searchBody, startTestApp, type TestApp, type TestPartner } from '../support/test-app.ts';

/** The audit trail over the API: for whom it is, what of it, and that reading it leaves its trace. */

let test: TestApp;
let auditor: TestPartner;
let mis: TestPartner;
let clinic: TestPartner;

const social = BUILT_IN_PROFILES.find(({ registry }) => registry === 'social');
if (social === undefined) throw new Error('there is no social registry');

beforeAll(async () => {
  test = await startTestApp();
  await putRecords(test.database.db, social, [memberDocument('910000001', 'Given1', 1), memberDocument('910000002', 'Given2', 2)]);
  auditor = await test.addPartner('auditor.test', { scopes: ['audit/read'], fields: '' });
  mis = await test.addPartner('mis.test');
  clinic = await test.addPartner('clinic.test', { fields: 'minimal' });
  for (const [partner, uin] of [
    [mis, '910000001'],
    [clinic, '910000001'],
    [mis, '910000002'],
    [mis, 'nobody'],
  ] as const)
    await search(partner, uin);
});
afterAll(() => test.close());

async function search(partner: TestPartner, uin: string): Promise<void> {
  const answer = await post(
    `${test.base}/social/registry/sync/search`,
    partner.token,
    searchBody(partner, [{ query_type: 'idtype-value', query: { type: 'UIN', value: uin } }]),
  );
  expect(answer.status).toBe(200);
}

interface Entry {
  readonly chain: number;
  readonly seq: number;
  readonly sender_id: string;
  readonly action: string;
  readonly outcome: string;
  readonly records: string[];
  readonly query?: unknown;
}

interface Page {
  readonly status: number;
  readonly text: string;
  readonly entries: Entry[];
  readonly next?: string;
}

async function read(path: string, token: string | undefined = auditor.token): Promise<Page> {
  return await toPage(
    await fetch(`${test.base}/audit/${path}`, { headers: token === undefined ? {} : { authorization: `Bearer ${token}` } }),
  );
}

async function askPerson(body: object, token = auditor.token): Promise<Page> {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  return await toPage(await fetch(`${test.base}/audit/person`, { method: 'POST', headers, body: JSON.stringify(body) }));
}

async function toPage(response: Response): Promise<Page> {
  const text = await response.text();
  const { entries = [], next_cursor: next } = JSON.parse(text) as { entries?: Entry[]; next_cursor?: string };
  return { status: response.status, text, entries, ...(next !== undefined && { next }) };
}

/** The server is told of a change of a partner by the database, a moment later. */
const PATIENT = { timeout: 10_000 };

async function countSearches(): Promise<[status: number, count: number]> {
  const { status, entries } = await read('entries?action=search');
  return [status, entries.length];
}

async function rows(): Promise<Record<string, unknown>[]> {
  return await test.database.db.selectFrom('audit').selectAll().orderBy('at').orderBy('seq').execute();
}

const uin = (value: string): object => ({ registry: 'social', identifier_type: 'UIN', identifier_value: value });

describe('entries', () => {
  it('are read the newest first, and by what is asked', async () => {
    const all = await read('entries?action=search');
    expect(all.status).toBe(200);
    expect(all.entries.map(({ sender_id: sender }) => sender)).toEqual(['mis.test', 'mis.test', 'clinic.test', 'mis.test']);
    expect((await read('entries?partner=clinic.test')).entries).toHaveLength(1);
    expect((await read('entries?outcome=nothing')).entries).toEqual([]);
    expect((await read(`entries?until=${new Date(0).toISOString()}`)).entries).toEqual([]);
    expect((await read(`entries?action=search&since=${new Date(0).toISOString()}`)).entries).toHaveLength(4);
    const record = all.entries[1]?.records[0] ?? '';
    expect((await read(`entries?record=${record}`)).entries.map(({ sender_id: sender }) => sender)).toEqual(['mis.test']);
  });

  it('come in pages whose cursor is good for its question and partner only', async () => {
    const first = await read('entries?action=search&limit=3');
    expect([first.entries.length, first.next !== undefined]).toEqual([3, true]);
    const second = await read(`entries?action=search&limit=3&cursor=${first.next}`);
    expect([second.entries.length, second.next]).toEqual([1, undefined]);
    const seen = [...first.entries, ...second.entries].map(({ seq }) => seq);
    expect(new Set(seen).size).toBe(4);
    const other = await test.addPartner('other-auditor.test', { scopes: ['audit/read'] });
    for (const [path, token] of [
      [`entries?limit=3&cursor=${first.next}`, auditor.token],
      [`entries?action=search&limit=3&cursor=${first.next}`, other.token],
      ['entries?cursor=AAAA', auditor.token],
    ] as const) {
      const refused = await read(path, token);
      expect([path, refused.status, refused.entries]).toEqual([path, 400, []]);
    }
  });

  it('hold ids of records and no personal data', async () => {
    const { text } = await read('entries');
    expect(text).not.toMatch(/91000000|Given|Testé/i);
  });

  it('are those of registries that are open to the auditor', async () => {
    await changePartner(test.database.db, BUILT_IN_PROFILES, 'auditor.test', { terms: { registries: [] } });
    await expect.poll(countSearches, PATIENT).toEqual([200, 0]);
    expect((await askPerson(uin('910000001'))).status).toBe(403);
    await changePartner(test.database.db, BUILT_IN_PROFILES, 'auditor.test', { terms: { registries: ['social'] } });
    await expect.poll(countSearches, PATIENT).toEqual([200, 4]);
  });

  it('are those of registries whose records are all open to the auditor', async () => {
    for (const [senderId, part] of [
      ['district-auditor.test', { rows: { person: { district: { $eq: 'XZ-0302' } }, group: 'all' } }],
      ['persons-auditor.test', { recordTypes: ['person'] }],
    ] as const) {
      const { token } = await test.addPartner(senderId, { scopes: ['audit/read'], registryTerms: { social: part } });
      for (const ask of [() => read('entries', token), () => askPerson(uin('910000001'), token), () => askPerson(uin('nobody'), token)]) {
        const { status, entries, text } = await ask();
        expect([status, entries]).toEqual([403, []]);
        expect(text).toContain('open to the whole only');
        expect((await rows()).at(-1)).toMatchObject({ sender_id: senderId, outcome: 'err.request.forbidden', records: [] });
      }
    }
    const whole = await test.addPartner('whole-auditor.test', {
      scopes: ['audit/read'],
      registryTerms: { social: { rows: { person: 'all', group: 'all' } } },
    });
    expect((await read('entries?action=search', whole.token)).entries).toHaveLength(4);
  });

  it.each(['since=yesterday', 'limit=0', 'limit=501', 'limit=x', 'record=1', 'everything=1', 'partner=a&partner=b', 'partner='])(
    'are not given to a question that is not understood: %s',
    async (parameters) => {
      const { status, entries, text } = await read(`entries?${parameters}`);
      expect([status, entries]).toEqual([400, []]);
      expect(text).toContain('err.request.bad');
      expect((await rows()).at(-1)).toMatchObject({
        sender_id: 'auditor.test',
        action: 'audit/read',
        outcome: 'err.request.bad',
        records: [],
      });
    },
  );
});

describe('who saw a person', () => {
  it('is told by an identifier, in a body', async () => {
    const { status, entries } = await askPerson(uin('910000001'));
    expect(status).toBe(200);
    const searches = entries.filter(({ action }) => action === 'search');
    expect(searches.map(({ sender_id: sender }) => sender)).toEqual(['clinic.test', 'mis.test']);
  });

  it('is nobody where nobody has the identifier', async () => {
    expect(await askPerson(uin('nobody'))).toMatchObject({ status: 200, entries: [] });
  });

  it.each([
    [{ ...uin('910000001'), identifier_type: 'SHOE' }],
    [{ ...uin('910000001'), registry: 'moon' }],
    [{ ...uin('910000001'), more: 1 }],
    [{ registry: 'social', identifier_type: 'UIN' }],
    [[]],
  ])('is refused where the question is not understood: %j', async (body) => {
    expect(await askPerson(body)).toMatchObject({ status: 400, entries: [] });
  });

  it('is still told when the record was erased, and of him nothing else is left', async () => {
    const key = openSealer(test.config, () => undefined).deriveKey(ERASED_IDENTIFIER_KEY);
    const order = { reference: { recordType: 'person', type: 'UIN', value: '910000002' }, reason: 'his request' };
    const terms = { hash: createIdentifierHash(key), now: Date.now() };
    const erased = await erasePerson(test.database, social, order, terms);
    expect(erased.status).toBe('erased');
    const { pool } = test.database;
    for (const statement of [
      `select 1 from identifier where value = '910000002'`,
      `select 1 from record_social_person where body like '%910000002%'`,
      `select 1 from change_event where kind <> 'DELETE' and record_id not in (select id from record_social_person)`,
    ])
      expect([statement, (await pool.query(statement)).rowCount]).toEqual([statement, 0]);
    const { entries } = await askPerson(uin('910000002'));
    expect(entries.map(({ action }) => action)).toEqual(expect.arrayContaining(['erase', 'search']));
    expect(await erasePerson(test.database, social, order, terms)).toEqual(erased);
    const unknown = { ...order, reference: { ...order.reference, value: 'nobody' } };
    expect(await erasePerson(test.database, social, unknown, terms)).toEqual({ status: 'not-found' });
  });
});

describe('reading the trail', () => {
  it('is a row of the trail, with what was asked and no identifier in clear', async () => {
    await askPerson(uin('910000001'));
    const last = (await rows()).at(-1);
    expect(last).toMatchObject({
      sender_id: 'auditor.test',
      action: 'audit/read',
      registry: 'social',
      legal_basis: 'law',
      outcome: 'answered',
    });
    expect(last?.['records']).toHaveLength(1);
    expect(JSON.stringify(last)).not.toContain('910000001');
  });

  it.each(['entries', 'checkpoints', 'person'])('needs the scope audit/read: %s', async (path) => {
    const before = (await rows()).length;
    const answer = path === 'person' ? await askPerson(uin('910000001'), mis.token) : await read(path, mis.token);
    expect([answer.status, answer.entries]).toEqual([403, []]);
    const anonymous = path === 'person' ? await askPerson(uin('910000001'), 'x') : await read(path, 'x');
    expect([anonymous.status, anonymous.entries]).toEqual([401, []]);
    const since = (await rows()).slice(before);
    expect(since).toMatchObject([{ sender_id: mis.senderId, action: 'audit/read', outcome: 'err.request.forbidden' }]);
  });

  it('needs a legal basis', async () => {
    const { token } = await test.addPartner('nobody.test', { scopes: ['audit/read'], legalBasis: '' });
    const { status, entries } = await read('entries', token);
    expect([status, entries]).toEqual([403, []]);
    expect((await rows()).at(-1)).toMatchObject({ sender_id: 'nobody.test', outcome: 'err.request.forbidden' });
  });

  it('counts against the limit of the auditor', async () => {
    const { token } = await test.addPartner('hasty.test', { scopes: ['audit/read'], limits: { pointsPerMinute: 10 } });
    const statuses = [];
    for (let count = 0; count < 3; count += 1) statuses.push((await read('entries?limit=1', token)).status);
    expect(statuses).toContain(429);
  });
});

it('checkpoints are given as they were signed', async () => {
  const { app } = test;
  const response = await fetch(`${app.url}${app.basePath}/audit/checkpoints`, { headers: { authorization: `Bearer ${auditor.token}` } });
  const { checkpoints } = (await response.json()) as { checkpoints: { number: number; jws: string }[] };
  const stored = await test.database.db.selectFrom('audit_checkpoint').select('jws').orderBy('number').execute();
  expect(checkpoints.map(({ jws }) => jws)).toEqual(stored.map(({ jws }) => jws));
  for (const { number, jws } of checkpoints) expect(await verifyCheckpoint(jws)).toMatchObject({ number });
});
