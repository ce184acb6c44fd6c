import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createDciClient } from '@dci/client';
import { addDuplicates } from '../../src/profiles/population/duplicates.ts';
import { generateSocialPopulation } from '../../src/profiles/population/social-population.ts';
import { socialProfile } from '../../src/profiles/social.ts';
import { type Document, readBody } from '../../src/registry/document.ts';
import { keepMatchIndex } from '../../src/registry/matching/keep-match-index.ts';
import { loadMatchBackground } from '../../src/registry/matching/match-background.ts';
import { readMatchSubject } from '../../src/registry/matching/match-subject.ts';
import { weighMatch } from '../../src/registry/matching/weigh-match.ts';
import { refreshStatistics } from '../../src/registry/statistics.ts';
import { putRecords } from '../../src/registry/write.ts';
import { parseGivenConsent } from '../../src/services/consent-request.ts';
import { giveConsent } from '../../src/services/consents.ts';
import { type DuplicatePair, findDuplicates } from '../../src/services/find-duplicates.ts';
import { EXPECTATION, LEAST_BEARERS } from '../../src/services/match.ts';
import type { TermChanges } from '../../src/services/partner-terms.ts';
import { person } from '../records/registry-fixture.ts';
import { type Answer, messageBody, post, startTestApp, type TestApp, type TestPartner } from '../support/test-app.ts';

/** Who a person may be: beside what the operator is told of duplicates, and by partners who may not see all. */
type Json = Record<string, unknown>;

interface MatchItem {
  readonly status: string;
  readonly status_reason_code?: string;
  readonly status_reason_message?: string;
  readonly data?: {
    readonly matches: readonly {
      readonly probability: number;
      readonly evidence: readonly { readonly field: string; readonly agreement: string; readonly weight: number }[];
      readonly record: Json;
    }[];
  };
}

let test: TestApp;
let pairs: DuplicatePair[];
const [persons] = socialProfile.recordTypes;
if (persons === undefined) throw new Error('there are no persons');

const named = (uin: string, given: string, surname: string, born: string, more: Json = {}): Json =>
  person(uin, {}, { name: { given_name: given, surname }, birth_date: born, address: [{ locality: 'Quarry' }], ...more });

const ZOLA = {
  name: { given_name: 'Zolanda', surname: 'Quixwell' },
  birth_date: '1971-02-03',
  sex: 'female',
  address: [{ locality: 'Quarry' }],
};

beforeAll(async () => {
  test = await startTestApp();
  const { db } = test.database;
  const population = generateSocialPopulation({ persons: 400, seed: 'm', referenceDate: '2026-01-01' });
  const twice = addDuplicates(population, { share: 0.1, seed: 'm', persons: 400, tell: () => undefined });
  const crowd = Array.from({ length: 101 }, (_, index) => named(`7${String(index).padStart(9, '0')}`, 'Many', 'Alike', '1980-01-01'));
  const zola = named('700', ZOLA.name.given_name, ZOLA.name.surname, ZOLA.birth_date, { sex: ZOLA.sex });
  const results = await putRecords(db, socialProfile, [...twice, ...crowd, zola]);
  expect(results.filter(({ status }) => status === 'refused')).toEqual([]);
  await refreshStatistics(db, socialProfile);
  await vi.waitFor(
    async () => {
      await keepMatchIndex(test.database, [socialProfile]);
      const { rows } = await test.database.pool.query(
        `select (select count(*) from match_index) as keyed, (select count(*) from record_social_person) as persons`,
      );
      expect(rows[0].keyed).toBe(rows[0].persons);
    },
    { timeout: 60_000, interval: 100 },
  );
  pairs = [];
  const search = { profile: socialProfile, recordType: persons, least: 0.9, tell: () => undefined };
  for await (const pair of findDuplicates(test.database, search)) pairs.push(pair);
}, 120_000);
afterAll(() => test.close());

const SCOPES = { scopes: ['registry/search', 'registry/match'] };
const addPartner = (terms: TermChanges = {}): Promise<TestPartner> => test.addPartner(`${randomUUID()}.match`, { ...SCOPES, ...terms });

function matchBody(partner: TestPartner, ...criteria: readonly Json[]): string {
  const items = criteria.map((one, index) => ({ reference_id: `r${index}`, timestamp: new Date().toISOString(), match_criteria: one }));
  return messageBody(partner, { action: 'match', total_count: items.length }, { match_request: items });
}

const send = (partner: TestPartner, body: string, mount = '/social'): Promise<Answer> =>
  post(`${test.base}${mount}/registry/sync/match`, partner.token, body);

async function ask(partner: TestPartner, criteria: Json): Promise<MatchItem> {
  const answer = await send(partner, matchBody(partner, criteria));
  const [item] = (answer.body.message as { match_response?: readonly MatchItem[] } | undefined)?.match_response ?? [];
  if (item === undefined) throw new Error(answer.text);
  return item;
}

async function bodyOf(id: string): Promise<Document> {
  const { rows } = await test.database.pool.query<{ body: string }>('select body from record_social_person where id = $1', [id]);
  return readBody(persons as NonNullable<typeof persons>, rows[0]?.body ?? '{}');
}

/** What a field worker would know of the person of a record. */
function knownOf(document: Document): Json {
  const { name, birth_date, sex, address, phone_number } = document['demographic_info'] as Json;
  const places = (address as Json[] | undefined)?.map(({ locality, sub_region_code, region_code }) => ({
    locality,
    sub_region_code,
    region_code,
  }));
  const { prefix: _, suffix: __, ...names } = (name ?? {}) as Json;
  return JSON.parse(JSON.stringify({ name: names, birth_date, sex, address: places, phone_number })) as Json;
}

async function lastRow(partner: TestPartner): Promise<{ query: string | null; records: string[]; outcome: string; record_count: number }> {
  const { rows } = await test.database.pool.query(
    `select query::text, records, outcome, record_count from audit where sender_id = $1 and action = 'match' order by at desc, seq desc limit 1`,
    [partner.senderId],
  );
  return rows[0];
}

describe('a match', () => {
  it('weighs as the operator’s list of duplicates does', async () => {
    const partner = await addPartner();
    const background = await loadMatchBackground(test.database.db, socialProfile, persons, EXPECTATION, LEAST_BEARERS);
    expect(pairs.length).toBeGreaterThan(10);
    for (const pair of pairs.slice(0, 8)) {
      const [one, other] = await Promise.all(pair.records.map(bodyOf));
      if (one === undefined || other === undefined) throw new Error('a record is gone');
      const { data } = await ask(partner, { person: knownOf(one), least_probability: 0.1, most: 20 });
      const found = data?.matches.find(
        ({ record }) => JSON.stringify(record['identifier']) === JSON.stringify((other['demographic_info'] as Json)['identifier']),
      );
      expect(found?.evidence.map(({ field, agreement }) => [field, agreement])).toEqual(
        pair.evidence.map(({ field, agreement }) => [field, agreement]),
      );
      for (const [index, { field, weight }] of pair.evidence.entries())
        if (!field.endsWith('name')) expect(found?.evidence[index]?.weight).toBe(weight);
      const [left, right] = [readMatchSubject(persons, one), readMatchSubject(persons, other)];
      if (left === undefined || right === undefined) throw new Error('persons are not matched');
      const expected = weighMatch(left, right, background);
      expect(found?.evidence).toEqual(expected.evidence);
      expect(found?.probability).toBeCloseTo(expected.probability, 3);
      const probabilities = data?.matches.map(({ probability }) => probability) ?? [];
      expect(probabilities).toEqual(probabilities.toSorted((first, second) => second - first));
    }
  });

  it('gives each record as a search would, and says so in the audit trail', async () => {
    const partner = await addPartner({ fields: 'minimal' });
    const whole = await addPartner();
    expect((await ask(partner, { person: ZOLA })).status_reason_code).toBe('rjct.filter.invalid');
    const { data } = await ask(whole, { person: ZOLA });
    expect(data?.matches).toHaveLength(1);
    expect(data?.matches[0]?.probability).toBeGreaterThan(0.99);
    expect(data?.matches[0]?.record).toMatchObject({ '@type': 'SRPerson', name: ZOLA.name, birth_date: '1971-02-03T00:00:00Z' });
    const row = await lastRow(whole);
    const { rows } = await test.database.pool.query(`select record_id from identifier where value = '700'`);
    expect(row).toMatchObject({ outcome: 'answered', record_count: 1, records: [rows[0].record_id] });
    expect(row.query).not.toMatch(/Zolanda|Quixwell|1971/);
    expect((await lastRow(partner)).records).toEqual([]);
  });

  it('is made at every mount, in the form of the entity that is asked for', async () => {
    const partner = await addPartner();
    for (const mount of ['', '/social', '/sr']) {
      const answer = await send(partner, matchBody(partner, { person: { demographic_info: ZOLA }, reg_record_type: 'Member' }), mount);
      expect(answer.body.header).toMatchObject({ action: 'on-match', status: 'succ' });
      expect(answer.text).toContain('"@type":"Member"');
    }
  });
});

it('and an existence check are asked for by the client', async () => {
  const { senderId, clientId, clientSecret, key } = await addPartner({ scopes: ['registry/exists', 'registry/match'] });
  const client = createDciClient({ baseUrl: test.base, senderId, credentials: { clientId, clientSecret }, signingKey: key });
  const { items, signedBy } = await client.match({ person: ZOLA, most: 1 }, { registry: 'social' });
  expect(signedBy).toEqual(expect.any(String));
  expect(items[0]?.data?.matches[0]?.record['name']).toEqual(ZOLA.name);
  const found = await client.exists([{ identifier_type: 'UIN', identifier_values: ['699', '700'] }]);
  expect(found.items[0]?.data).toMatchObject({ identifier_values: ['700'], asked_count: 2, found_count: 1 });
  await expect(client.match({ person: {} })).rejects.toMatchObject({ name: 'DciRefusal', code: 'rjct.search_criteria.invalid' });
});

describe('what a partner may not see', () => {
  const NAMES_AND_PLACES = { name: 'placed', classes: { name: 'give', location: 'give', identifier: 'give' } } as const;

  it('is refused to be compared by, and tells nothing', async () => {
    const placed = await addPartner({ fields: NAMES_AND_PLACES });
    const yearly = await addPartner({ fields: { name: 'yearly', extends: 'full', dates: 'year' } });
    const existence = await addPartner({ fields: 'existence' });
    for (const partner of [placed, existence, yearly]) {
      for (const born of ['1971-02-03', '1971-02-04']) {
        const item = await ask(partner, { person: { ...ZOLA, birth_date: born } });
        expect(item).toMatchObject({ status: 'rjct', status_reason_code: 'rjct.filter.invalid' });
        expect(item.data).toBeUndefined();
        expect((await lastRow(partner)).records).toEqual([]);
      }
    }
    const { name, address } = ZOLA;
    const { data } = await ask(placed, { person: { name, address } });
    expect(data?.matches[0]?.evidence.map(({ field }) => field)).toEqual(['given_name', 'family_name', 'place']);
    expect(JSON.stringify(data)).not.toMatch(/1971|female/);
  });

  it('is not found by what hides it, and looks like nobody', async () => {
    const men = await addPartner({ registryTerms: { social: { rows: { person: { sex: 'male' }, group: 'all' } } } });
    const hidden = await ask(men, { person: ZOLA, least_probability: 0.1 });
    expect(hidden.data?.matches).toEqual([]);
    const nobody = await ask(men, { person: { ...ZOLA, name: { given_name: 'Nobody', surname: 'Atall' } }, least_probability: 0.1 });
    expect(JSON.stringify({ ...hidden, timestamp: '' })).toBe(JSON.stringify({ ...nobody, timestamp: '' }));
    expect((await lastRow(men)).records).toEqual([]);
  });

  it('is neither compared nor found by where a consent does not cover it', async () => {
    const partner = await addPartner({ legalBasis: 'consent: form', purposes: ['care'] });
    expect((await ask(partner, { person: ZOLA, least_probability: 0.1 })).data?.matches).toEqual([]);
    const subject = { identifier_type: 'UIN', identifier_value: '700' };
    const given = parseGivenConsent({
      subject,
      recipient: { partner: partner.senderId },
      purposes: ['care'],
      covers: ['name', 'location'],
    });
    await giveConsent(test.database.db, socialProfile, given, 'operator', Date.now());
    const answers = await Promise.all(
      ['1971-02-03', '1971-02-04', '1950-12-31'].flatMap((born) => [
        ask(partner, { person: { ...ZOLA, birth_date: born }, least_probability: 0.1 }),
        ask(partner, { person: { name: ZOLA.name, birth_date: born }, least_probability: 0.1 }),
      ]),
    );
    const told = answers.map(({ data }) => data?.matches.map(({ probability, evidence }) => [probability, evidence]));
    expect(told[0]?.[0]?.[1]).toMatchObject([{ field: 'given_name' }, { field: 'family_name' }, { field: 'place' }]);
    // Right or wrong, the date decides nothing: not how likely it is, and not whether it is found.
    expect([told[2], told[4]]).toEqual([told[0], told[0]]);
    expect([told[1], told[3], told[5]]).toEqual([[], [], []]);
    expect(JSON.stringify(answers)).not.toContain('1971-02-03T');
  });
});

describe('a match that cannot be made', () => {
  const refusals: readonly [string, Json, string][] = [
    ['of nobody', { person: {} }, 'rjct.search_criteria.invalid'],
    ['by a name alone', { person: { name: ZOLA.name } }, 'rjct.search_criteria.invalid'],
    ['by a field that no record has', { person: { ...ZOLA, shoe_size: 40 } }, 'rjct.search_criteria.invalid'],
    [
      'by a field that is not compared',
      { person: { ...ZOLA, identifier: [{ identifier_type: 'UIN', identifier_value: '700' }] } },
      'rjct.search_criteria.invalid',
    ],
    ['by a date that is none', { person: { ...ZOLA, birth_date: 'spring' } }, 'rjct.search_criteria.invalid'],
    ['by a sex that is no code', { person: { ...ZOLA, sex: 'x?' } }, 'rjct.search_criteria.invalid'],
    ['of a household', { person: { group_type: '1' }, reg_record_type: 'Group' }, 'rjct.search_criteria.invalid'],
    [
      'of one of very many',
      { person: { ...ZOLA, name: { given_name: 'Many', surname: 'Alike' }, birth_date: '1980-01-01' } },
      'rjct.search.too_many_records_found',
    ],
  ];

  it.each(refusals)('%s is refused by its code', async (_name, criteria, code) => {
    const partner = await addPartner();
    const item = await ask(partner, criteria);
    expect(item).toMatchObject({ status: 'rjct', status_reason_code: code });
    expect(item.data).toBeUndefined();
    expect(await lastRow(partner)).toMatchObject({ records: [], record_count: 0 });
  });

  it.each([
    ['a probability of nothing', { person: ZOLA, least_probability: 0 }],
    ['more than twenty records', { person: ZOLA, most: 21 }],
    ['a member that is not known', { person: ZOLA, filter: {} }],
    ['no person', {}],
  ])('is refused with its message where it asks for %s', async (_name, criteria) => {
    const partner = await addPartner();
    const answer = await send(partner, matchBody(partner, criteria));
    expect([answer.status, answer.body.error?.code, answer.body.header?.['action']]).toEqual([400, 'err.request.bad', 'on-match']);
    expect(await lastRow(partner)).toMatchObject({ outcome: 'err.request.bad', records: [] });
  });

  it('is refused to who may search only, and beyond the limits', async () => {
    const searcher = await addPartner({ scopes: ['registry/search'] });
    expect((await send(searcher, matchBody(searcher, { person: ZOLA }))).status).toBe(403);
    const limited = await addPartner({ limits: { identifiersPerDay: 2 } });
    expect((await send(limited, matchBody(limited, { person: ZOLA }, { person: ZOLA }, { person: ZOLA }))).status).toBe(429);
    expect((await send(limited, matchBody(limited, { person: ZOLA }, { person: ZOLA }))).status).toBe(200);
    expect((await send(limited, matchBody(limited, { person: ZOLA }))).status).toBe(429);
    expect(await lastRow(limited)).toMatchObject({ outcome: 'err.request.too_many_requests', records: [] });
    const poor = await addPartner({ limits: { pointsPerMinute: 15 } });
    expect((await send(poor, matchBody(poor, { person: ZOLA }, { person: ZOLA }))).status).toBe(429);
  });
});
