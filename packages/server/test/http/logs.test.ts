import { Writable } from 'node:stream';
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { importPersons } from '../support/persons.ts';
import { post, searchBody, startTestApp, type TestApp, type TestPartner } from '../support/test-app.ts';

/** Nothing that points at a person, and nothing that opens a door, reaches the log, whatever is sent. */
type Json = Record<string, unknown>;

let test: TestApp;
let signing: TestPartner;
let lenient: TestPartner;
let minimal: TestPartner;
let written = '';
let everything = '';

const UIN = '9000000003';
const NAME = 'Given3';

beforeAll(async () => {
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      written += chunk.toString();
      everything += chunk.toString();
      done();
    },
  });
  test = await startTestApp({ log: pino({ level: 'trace' }, sink) });
  await importPersons(test.database, 8);
  signing = await test.addPartner('signing.test');
  lenient = await test.addPartner('lenient.test', { lenient: true });
  minimal = await test.addPartner('minimal.test', { fields: 'minimal' });
});
afterAll(async () => {
  await test.close();
  for (const { token, clientSecret } of [signing, lenient, minimal])
    for (const secret of [token, clientSecret]) expect(everything).not.toContain(secret);
});
beforeEach(() => {
  written = '';
});

async function send(partner: TestPartner, body: string, token = partner.token): Promise<number> {
  const { status } = await post(`${test.base}/social/registry/sync/search`, token, body);
  const signature = /"signature":"((?:[^"\\]|\\.)*)"/.exec(body)?.[1];
  if (signature !== undefined)
    for (const part of signature.split('\\"').filter((text) => text.length > 40)) expect(written).not.toContain(part);
  expect(written).not.toMatch(new RegExp(`${UIN}|${NAME}|Testé|"signature":"[^"]|Bearer |1943-03-15`));
  expect(written).not.toContain(token);
  for (const line of written.split('\n')) expect(line.length).toBeLessThan(4_000);
  return status;
}

const query = (filter: Json, more: Json = {}): Json => ({
  query_type: 'expression',
  query: { type: 'ns:org:QueryType:NoSql', value: { expression: { collection: 'Member', query: filter } } },
  ...more,
});
const byId: Json = { query_type: 'idtype-value', query: { type: 'UIN', value: UIN } };
const QUESTIONS: [string, Json][] = [
  ['an identifier', byId],
  ['a name and a date', query({ $and: [{ given_name: { $eq: NAME } }, { birth_date: { $eq: '1943-03-15' } }] })],
  ['an identifier as the name of an attribute', query({ [UIN]: { ge: 1 } })],
  ['an identifier as the name of an operator', query({ [`$${UIN}`]: [{ age: { [UIN]: 1, le: 2 } }] })],
  ['an identifier as the name of a type', { query_type: 'idtype-value', query: { type: UIN, value: NAME } }],
  ['an identifier to sort by', query({ age: { $ge: 1 } }, { sort: { attribute_name: UIN, sort_order: '' } })],
  [
    'an identifier in many places',
    { ...byId, [UIN]: '', locale: UIN, reg_type: UIN, response_entity: NAME, pagination: { page_size: '5', [UIN]: '' } },
  ],
  [
    'a predicate',
    {
      query_type: 'predicate',
      query: { seq_num: '', [`expression${UIN}`]: '', expression1: { attribute_name: NAME, operator: 'gte', attribute_value: UIN } },
    },
  ],
];

describe('the log', () => {
  it.each(QUESTIONS)('holds nothing of %s', async (_name, criteria) => {
    for (const partner of [signing, minimal, lenient]) expect(await send(partner, searchBody(partner, [criteria]))).toBeLessThan(500);
  });

  it('says what lenient mode changed, up to ten places, once the signature is verified', async () => {
    const items = Array.from({ length: 40 }, () => query({ ['x'.repeat(50_000)]: { ge: 1 } }, { consent: '' }));
    expect(await send(lenient, searchBody(lenient, items))).toBe(200);
    const line = JSON.parse(written.split('\n').find((text) => text.includes('message normalised')) ?? '{}') as { changes: string[] };
    expect(line.changes).toHaveLength(11);
    expect(line.changes.at(-1)).toBe('and 70 more');
    for (const signature of [null, 'nonsense', 'unsigned']) {
      written = '';
      expect(await send(lenient, searchBody(lenient, items, { signature }))).toBe(401);
      expect(written).not.toContain('message normalised');
    }
  });

  it('holds nothing of a message that is refused', async () => {
    const header = (change: Json): string => searchBody(signing, [byId], { header: change });
    const good = searchBody(signing, [byId]);
    const bodies = [
      searchBody({ ...signing, key: minimal.key }, [byId]),
      searchBody(signing, [byId], { signature: null }),
      searchBody(signing, [byId], { created: 1, expires: 2 }),
      header({ sender_id: NAME }),
      header({ receiver_id: UIN }),
      header({ action: UIN }),
      header({ message_ts: NAME }),
      header({ total_count: 7 }),
      header({ version: UIN }),
      header({ is_msg_encrypted: true }),
      good.replace(NAME, ''),
      good.slice(0, -20),
      `${good}${UIN}`,
      `"${UIN}"`,
      `{"header":{"sender_id":"${UIN}"}}`,
      NAME,
      '',
    ];
    for (const body of bodies) expect(await send(signing, body)).toBeLessThan(500);
    expect(await send(signing, good)).toBe(200);
    expect(await send(signing, good)).toBeLessThan(500);
  });

  it('holds no token and no secret', async () => {
    const wrong = `wrong-${UIN}-token`;
    expect(await send(signing, searchBody(signing, [byId]), wrong)).toBe(401);
    for (const body of [
      { grant_type: 'client_credentials', client_id: signing.clientId, client_secret: `${wrong}-secret` },
      { grant_type: 'client_credentials', client_id: `${wrong}-client`, client_secret: signing.clientSecret },
      { grant_type: `${wrong}-grant`, client_id: signing.clientId, client_secret: signing.clientSecret },
    ])
      await fetch(`${test.base}/oauth2/client/token`, { method: 'POST', body: new URLSearchParams(body) });
    await fetch(`${test.base}/social/registry/sync/search?token=${wrong}`, {
      method: 'POST',
      headers: { 'content-type': 'text/plain' },
      body: NAME,
    });
    expect(written).toMatch(/refused/);
    expect(written).not.toContain(wrong);
    expect(written).not.toContain(signing.clientSecret);
  });
});
