import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { socialProfile } from '../../src/profiles/social.ts';
import { parseGivenConsent } from '../../src/services/consent-request.ts';
import { giveConsent } from '../../src/services/consents.ts';
import type { TermChanges } from '../../src/services/partner-terms.ts';
import { importPersons } from '../support/persons.ts';
import { type Answer, messageBody, post, searchBody, startTestApp, type TestApp, type TestPartner } from '../support/test-app.ts';

/** Which of many identifiers are registered: by every kind of partner, beside what its searches say; and who asks too much. */
type Json = Record<string, unknown>;

interface ExistsItem {
  readonly reference_id: string;
  readonly status: string;
  readonly status_reason_code?: string;
  readonly status_reason_message?: string;
  readonly data?: { readonly identifier_values: readonly string[]; readonly asked_count: number; readonly found_count: number };
}

let test: TestApp;
const uinOf = (index: number): string => `9${String(index).padStart(9, '0')}`;
const REGISTERED = Array.from({ length: 24 }, (_, index) => uinOf(index));
const STRANGERS = ['1111111111', '2222222222', '3333333333'];
/** Not in the order in which they are stored. */
const EVERYBODY = [...REGISTERED.slice(12), ...STRANGERS, ...REGISTERED.slice(0, 12).toReversed()];
const SCOPES = { scopes: ['registry/search', 'registry/exists'] };

beforeAll(async () => {
  test = await startTestApp();
  await importPersons(test.database, 24);
});
afterAll(() => test.close());

const addPartner = (senderId: string, terms: TermChanges = {}): Promise<TestPartner> => test.addPartner(senderId, { ...SCOPES, ...terms });

function existsBody(partner: TestPartner, ...criteria: readonly Json[]): string {
  const items = criteria.map((one, index) => ({ reference_id: `r${index}`, timestamp: new Date().toISOString(), exists_criteria: one }));
  return messageBody(partner, { action: 'exists', total_count: items.length }, { exists_request: items });
}

const send = (partner: TestPartner, body: string, mount = '/social'): Promise<Answer> =>
  post(`${test.base}${mount}/registry/sync/exists`, partner.token, body);

function itemsOf(answer: Answer): readonly ExistsItem[] {
  const items = (answer.body.message as { exists_response?: readonly ExistsItem[] } | undefined)?.exists_response;
  if (items === undefined) throw new Error(answer.text);
  return items;
}

async function ask(partner: TestPartner, criteria: Json): Promise<ExistsItem> {
  const [item] = itemsOf(await send(partner, existsBody(partner, criteria)));
  if (item === undefined) throw new Error('no item');
  return item;
}

const uins = (values: readonly string[], more: Json = {}): Json => ({ identifier_type: 'UIN', identifier_values: values, ...more });

/** The answers of as many searches, one a value; undefined where they are refused. */
async function searchEach(
  partner: TestPartner,
  values: readonly string[],
  criteria: (value: string) => Json,
): Promise<string[] | undefined> {
  const answer = await post(`${test.base}/social/registry/sync/search`, partner.token, searchBody(partner, values.map(criteria)));
  const items = answer.body.message?.search_response ?? [];
  expect(items).toHaveLength(values.length);
  if (items.every(({ status }) => status === 'rjct')) return undefined;
  expect(items.every(({ status }) => status === 'succ')).toBe(true);
  return values.filter((_, index) => (items[index]?.pagination?.total_count ?? 0) > 0);
}

const byIdentifier = (value: string): Json => ({ query_type: 'idtype-value', query: { type: 'UIN', value } });

interface AuditRow {
  readonly query: string;
  readonly records: readonly string[];
  readonly disclosed: readonly { readonly entity: string; readonly consents?: readonly string[] }[];
  readonly outcome: string;
  readonly record_count: number;
}

async function lastRow(partner: TestPartner): Promise<AuditRow> {
  const { rows } = await test.database.pool.query<AuditRow>(
    `select query::text, records, disclosed, outcome, record_count from audit where sender_id = $1 and action = 'exists' order by at desc, seq desc limit 1`,
    [partner.senderId],
  );
  const [row] = rows;
  if (row === undefined) throw new Error('there is no row');
  return row;
}

async function idsOf(values: readonly string[]): Promise<string[]> {
  const { rows } = await test.database.pool.query<{ record_id: string }>('select record_id from identifier where value = any($1)', [
    values,
  ]);
  return rows.map((row) => row.record_id).toSorted();
}

const KINDS: Readonly<Record<string, TermChanges>> = {
  full: {},
  existence: { fields: 'existence' },
  minimal: { fields: 'minimal' },
  'women only': { registryTerms: { social: { rows: { person: { sex: 'female' }, group: 'all' } } } },
  'women only, existence': { fields: 'existence', registryTerms: { social: { rows: { person: { sex: 'female' }, group: 'all' } } } },
  consent: { legalBasis: 'consent: form', purposes: ['care'] },
  research: { fields: 'research' },
  'no identifiers': { fields: { name: 'nameless', extends: 'minimal', classes: { identifier: 'mask' } } },
  'households only': { registryTerms: { social: { recordTypes: ['group'] } } },
};

/** Under which only 3 and 8 can be asked for by their identifier. */
async function giveConsents(senderId: string): Promise<void> {
  for (const [index, covers] of [
    [3, '*'],
    [5, 'name'],
    [8, 'identifier'],
  ] as const) {
    const subject = { identifier_type: 'UIN', identifier_value: uinOf(index) };
    const given = parseGivenConsent({ subject, recipient: { partner: senderId }, purposes: ['care'], covers: [covers] });
    await giveConsent(test.database.db, socialProfile, given, 'operator', Date.now());
  }
}

describe('an existence check', () => {
  it.each(Object.entries(KINDS))('by a partner of the kind "%s" finds what as many searches find', async (name, terms) => {
    const senderId = `${name.replaceAll(/\W+/g, '-')}.exists`;
    const partner = await addPartner(senderId, terms);
    if (name === 'consent') await giveConsents(senderId);
    const item = await ask(partner, uins(EVERYBODY));
    const found = await searchEach(partner, EVERYBODY, byIdentifier);
    if (found === undefined) {
      expect(item).toMatchObject({
        status: 'rjct',
        status_reason_code: expect.stringMatching(/^rjct\.(filter|search_criteria)\.invalid$/),
      });
      expect(item.data).toBeUndefined();
      expect(await lastRow(partner)).toMatchObject({ records: [], record_count: 0, outcome: 'rjct.errors.too_many' });
      return;
    }
    expect(found.length).toBe({ consent: 2, 'women only': 12, 'women only, existence': 12 }[name] ?? 24);
    expect(item).toMatchObject({
      status: 'succ',
      data: { identifier_values: found, asked_count: EVERYBODY.length, found_count: found.length },
    });
    const row = await lastRow(partner);
    expect([...row.records].toSorted()).toEqual(await idsOf(found));
    expect(row).toMatchObject({ outcome: 'answered', record_count: found.length });
    expect(row.disclosed[0]?.consents?.length ?? 0).toBe(name === 'consent' ? 2 : 0);
    for (const value of EVERYBODY) expect(row.query).not.toContain(value);
  });

  it('tells nothing of a record but its identifier, and a hidden one as one that is not there', async () => {
    const partner = await addPartner('women-alike.exists', KINDS['women only']);
    const item = await ask(partner, uins([uinOf(2)]));
    expect(Object.keys(item).toSorted()).toEqual(['data', 'reference_id', 'status', 'timestamp']);
    expect(item.data).toEqual({
      reg_type: 'ns:org:RegistryType:Social',
      reg_record_type: expect.any(String),
      identifier_type: 'UIN',
      identifier_values: [uinOf(2)],
      asked_count: 1,
      found_count: 1,
    });
    const plain = async (value: string): Promise<string> => JSON.stringify({ ...(await ask(partner, uins([value]))), timestamp: '' });
    expect(await plain(uinOf(1))).toBe(await plain(STRANGERS[0] ?? ''));
  });

  it('under a further condition finds what searches find that say both', async () => {
    const partner = await addPartner('further.exists');
    const expression = (query: Json): Json => ({
      query_type: 'expression',
      query: { type: 'ns:org:QueryType:NoSql', value: { expression: { query } } },
    });
    const conditions: readonly Json[] = [
      { sex: 'male' },
      { birth_date: { $gte: '1950' } },
      { $or: [{ marital_status: 'W' }, { $not: { is_disabled: false } }] },
      { poverty_score: { $gte: 3 } },
    ];
    for (const condition of conditions) {
      const both = (value: string): Json => ({ ...expression({ $and: [{ UIN: value }, condition] }), response_entity: 'SRPerson' });
      const found = await searchEach(partner, EVERYBODY, both);
      const item = await ask(partner, uins(EVERYBODY, expression(condition)));
      expect([condition, item.data?.identifier_values]).toEqual([condition, found]);
      expect(found?.length, JSON.stringify(condition)).toBeGreaterThan(0);
      expect(found?.length).toBeLessThan(24);
    }
    const predicate = [{ seq_num: 1, expression1: { attribute_name: 'sex', operator: 'eq', attribute_value: 'female' } }];
    const item = await ask(partner, uins(EVERYBODY, { query_type: 'predicate', query: predicate }));
    expect(item.data?.found_count).toBe(12);
  });

  it('compares under the further condition nothing that the partner is not given', async () => {
    const query = (name: string, value: unknown): Json => ({
      query_type: 'expression',
      query: { type: 'x', value: { expression: { query: { [name]: value } } } },
    });
    const minimal = await addPartner('minimal-further.exists', { fields: 'minimal' });
    const asking = await addPartner('asking-further.exists', {
      fields: { name: 'asking', extends: 'existence', fields: { sex: 'give', marital_status: 'ask' } },
    });
    const refused: readonly [TestPartner, Json][] = [
      [minimal, query('sex', 'male')],
      [minimal, query('poverty_score', 0)],
      // Each of them alone may be asked for; both at once tell what neither does.
      [asking, query('marital_status', 'M')],
      [asking, query('UIN', uinOf(1))],
      [asking, { query_type: 'idtype-value', query: { type: 'UIN', value: uinOf(1) } }],
    ];
    for (const [partner, further] of refused) {
      expect(await ask(partner, uins(EVERYBODY, further))).toMatchObject({ status: 'rjct', status_reason_code: 'rjct.filter.invalid' });
      expect((await lastRow(partner)).records).toEqual([]);
    }
    expect((await ask(asking, uins(EVERYBODY, query('sex', 'male')))).data?.found_count).toBe(12);
  });

  it('answers in the order asked, in the form asked, of current identifiers alone', async () => {
    const partner = await addPartner('order.exists');
    const values = [`  ${uinOf(7)}`, 'unknown', uinOf(3), uinOf(7)];
    expect((await ask(partner, uins(values))).data).toMatchObject({
      identifier_values: [values[0], values[2], values[3]],
      asked_count: 4,
      found_count: 3,
    });
    expect((await ask(partner, { identifier_type: 'HHID', identifier_values: ['H000000', 'H000001', 'H9'] })).data).toMatchObject({
      reg_record_type: 'Group',
      identifier_values: ['H000000', 'H000001'],
    });
    await test.database.pool.query(`update identifier set valid_to = now() where value = 'H000001'`);
    const { data } = await ask(partner, { identifier_type: 'HHID', identifier_values: ['H000001'] });
    expect(data).toMatchObject({ identifier_values: [], asked_count: 1, found_count: 0 });
  });

  it('is answered at every mount, item by item, in a signed envelope', async () => {
    const partner = await addPartner('mounts.exists');
    for (const mount of ['', '/social', '/sr']) {
      const answer = await send(partner, existsBody(partner, uins([uinOf(1)]), uins([uinOf(2)], { reg_type: 'crvs' })), mount);
      expect(answer.status).toBe(200);
      expect(answer.body.header).toMatchObject({ action: 'on-exists', status: 'succ', status_reason_message: '1 of 2 items refused' });
      expect(answer.body.signature).toMatch(/namespace="dci"/);
      expect(itemsOf(answer)).toMatchObject([
        { reference_id: 'r0', status: 'succ', data: { found_count: 1 } },
        { reference_id: 'r1', status: 'rjct', status_reason_code: 'rjct.search_criteria.invalid' },
      ]);
    }
  });

  it('takes ten thousand identifiers by one statement', async () => {
    const partner = await addPartner('many.exists');
    const many = Array.from({ length: 10_000 }, (_, index) => uinOf(index));
    const item = await ask(partner, uins(many));
    expect(item.data).toMatchObject({ identifier_values: REGISTERED, asked_count: 10_000, found_count: 24 });
    expect((await lastRow(partner)).query).toContain('"values":10000');
  });
});

describe('a check that cannot be made', () => {
  const refusals: readonly [string, Json, string][] = [
    ['of an unknown type', { identifier_type: 'NOPE', identifier_values: ['1'] }, 'rjct.search_criteria.invalid'],
    [
      'of households by persons',
      { identifier_type: 'UIN', identifier_values: ['1'], reg_record_type: 'Group' },
      'rjct.search_criteria.invalid',
    ],
    ['of an empty identifier', uins(['1', ' ']), 'rjct.filter.invalid'],
    ['with a query of no type', uins(['1'], { query: { type: 'UIN', value: '1' } }), 'rjct.search_criteria.invalid'],
    ['with a type of no query', uins(['1'], { query_type: 'predicate' }), 'rjct.search_criteria.invalid'],
    ['with an empty condition', uins(['1'], { query_type: 'predicate', query: [] }), 'rjct.filter.invalid'],
    ['for a purpose that is not agreed', uins(['1'], { consent: { purpose: { code: 'theft' } } }), 'rjct.search_criteria.invalid'],
  ];

  it.each(refusals)('%s is refused by its code', async (_name, criteria, code) => {
    const partner = await addPartner(`${randomUUID()}.exists`);
    const answer = await send(partner, existsBody(partner, criteria, uins([uinOf(1)])));
    const [item, other] = itemsOf(answer);
    expect(item).toMatchObject({ status: 'rjct', status_reason_code: code });
    expect(item).not.toHaveProperty('data');
    expect(other).toMatchObject({ status: 'succ', data: { found_count: 1 } });
    expect((await lastRow(partner)).records).toEqual(await idsOf([uinOf(1)]));
  });

  it.each([
    ['asks for nothing', uins([])],
    ['asks twice', uins(['1', '1'])],
    ['asks for too many', uins(Array.from({ length: 10_001 }, (_, index) => String(index)))],
    ['has a member that is not known', uins(['1'], { filter: {} })],
  ])('is refused with its message where it %s', async (_name, criteria) => {
    const partner = await addPartner(`${randomUUID()}.exists`);
    const answer = await send(partner, existsBody(partner, uins([uinOf(1)]), criteria));
    expect([answer.status, answer.body.error?.code, answer.body.header?.['action']]).toEqual([400, 'err.request.bad', 'on-exists']);
    expect(answer.body.message).toBeUndefined();
    expect(await lastRow(partner)).toMatchObject({ outcome: 'err.request.bad', records: [] });
  });

  it('tells a repeated message nothing', async () => {
    const partner = await addPartner('replay.exists');
    const body = existsBody(partner, uins([uinOf(1)]));
    expect((await send(partner, body)).body.header?.status).toBe('succ');
    const again = await send(partner, body);
    expect(again.body).toMatchObject({ header: { action: 'on-exists', status: 'rjct', status_reason_code: 'rjct.message_id.duplicate' } });
    expect(again.body.message).toBeUndefined();
  });

  it('tells nothing to who may search only', async () => {
    const partner = await addPartner('searcher.exists', { scopes: ['registry/search'] });
    const answer = await send(partner, existsBody(partner, uins([uinOf(1)])));
    expect([answer.status, answer.body.errors?.[0]?.code]).toEqual([403, 'err.request.forbidden']);
  });

  it('tells nothing on a path of another action', async () => {
    const partner = await addPartner('path.exists');
    const answer = await post(`${test.base}/social/registry/sync/search`, partner.token, existsBody(partner, uins([uinOf(1)])));
    expect(answer.body).toMatchObject({ header: { status: 'rjct', status_reason_code: 'rjct.action.invalid' } });
    expect(answer.body.message).toBeUndefined();
  });
});

describe('who goes through all numbers', () => {
  it('is stopped at the limit of the day, whatever the size of the messages, and told when it ends', async () => {
    const partner = await addPartner('enumerator.exists', { fields: 'existence', limits: { identifiersPerDay: 50 } });
    let told = 0;
    for (const size of [20, 1, 9, 15]) {
      const numbers = Array.from({ length: size }, (_, index) => uinOf(told + index));
      expect((await ask(partner, uins(numbers))).data?.asked_count).toBe(size);
      told += size;
    }
    for (const body of [
      existsBody(partner, uins(EVERYBODY.slice(0, 6))),
      existsBody(partner, uins(['1', '2', '3']), uins(['4', '5', '6'])),
    ]) {
      const answer = await send(partner, body);
      expect([answer.status, answer.body.error?.code]).toEqual([429, 'err.request.too_many_requests']);
      expect(answer.body.error?.message).toMatch(/50 identifiers .* 5 are left/);
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
      expect(answer.headers.get('ratelimit-policy')).toBe('"identifiers";q=50;w=86400');
      expect(answer.body.message).toBeUndefined();
      expect(await lastRow(partner)).toMatchObject({ outcome: 'err.request.too_many_requests', records: [] });
    }
    expect((await ask(partner, uins(REGISTERED.slice(0, 5)))).data?.found_count).toBe(5);
    expect((await send(partner, existsBody(partner, uins([uinOf(1)])))).status).toBe(429);
    const other = await addPartner('neighbour.exists', { limits: { identifiersPerDay: 50 } });
    expect((await ask(other, uins([uinOf(1)]))).data?.found_count).toBe(1);
  });

  it('pays a point for ten identifiers', async () => {
    const partner = await addPartner('payer.exists', { limits: { pointsPerMinute: 10 } });
    const numbers = Array.from({ length: 101 }, (_, index) => String(index));
    expect((await send(partner, existsBody(partner, uins(numbers)))).status).toBe(429);
    expect((await send(partner, existsBody(partner, uins(numbers.slice(0, 81))))).status).toBe(200);
    expect((await send(partner, existsBody(partner, uins([uinOf(1)])))).status).toBe(429);
  });
});
