import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { socialProfile } from '../../src/profiles/social.ts';
import { executeSearch } from '../../src/registry/execute.ts';
import { gatherLookUps } from '../../src/registry/gather-look-ups.ts';
import type { CompiledQuery } from '../../src/registry/plan.ts';
import { openReader, type Reader, type Row } from '../../src/registry/reader.ts';
import { planSearch } from '../../src/registry/search.ts';
import type { SearchContext } from '../../src/registry/search-context.ts';
import type { Sight } from '../../src/registry/sight.ts';
import { parseGivenConsent } from '../../src/services/consent-request.ts';
import { giveConsent } from '../../src/services/consents.ts';
import { importPersons } from '../support/persons.ts';
import { type AnswerItem, post, searchBody, startTestApp, type TestApp, type TestPartner } from '../support/test-app.ts';

/** Somebody with a token and a key of his own who wants to know what his agreement does not give him. */
type Json = Record<string, unknown>;

let test: TestApp;
const uinOf = (index: number): string => `9${String(index).padStart(9, '0')}`;

beforeAll(async () => {
  test = await startTestApp();
  await importPersons(test.database, 24);
});
afterAll(() => test.close());

async function ask(partner: TestPartner, criteria: Json): Promise<AnswerItem> {
  const answer = await post(`${test.base}/social/registry/sync/search`, partner.token, searchBody(partner, [criteria]));
  const item = answer.body.message?.search_response?.[0];
  if (item === undefined) throw new Error(answer.text);
  return item;
}

const plain = (item: AnswerItem): string => JSON.stringify({ ...item, timestamp: '' });
const uin = (value: string): Json => ({ query_type: 'idtype-value', query: { type: 'UIN', value } });
const expression = (filter: Json, more: Json = {}): Json => ({
  query_type: 'expression',
  query: { type: 'ns:org:QueryType:NoSql', value: { expression: { query: filter } } },
  ...more,
});

describe('a hidden field', () => {
  let minimal: TestPartner;
  beforeAll(async () => {
    minimal = await test.addPartner('minimal.test', { fields: 'minimal' });
  });

  // Of the person 3: a man, born 1943-03-15, in district D-01, whose household has the score 0. Each with a wrong guess.
  const GUESSES: readonly [string, unknown, unknown][] = [
    ['birth_date', '1943-03-15', '1943-03-16'],
    ['dob', '1943', '1944'],
    ['age', 82, 20],
    ['demographic_info.birth_date', '1943-03-15', '1950-01-01'],
    ['SRPerson.birth_date', '1943-03-15', '1950-01-01'],
    ['sex', 'male', 'female'],
    ['gender', 'M', 'F'],
    ['demographic_info.person.sex', 'male', 'female'],
    ['marital_status', 'M', 'W'],
    ['is_disabled', false, true],
    ['district', 'D-01', 'D-02'],
    ['locality', 'Anytown', 'Othertown'],
    ['postal_code', '12345', '54321'],
    ['poverty_score', 0, 9],
    ['DRN', 'D-1', 'D-2'],
  ];

  it.each(GUESSES)('%s is told by no filter, however it is put, right or wrong', async (name, right, wrong) => {
    const shapes: ((value: unknown) => Json)[] = [
      (value) => ({ $and: [{ UIN: uinOf(3) }, { [name]: value }] }),
      (value) => ({ $or: [{ UIN: uinOf(3) }, { [name]: { $eq: value } }] }),
      (value) => ({ $nor: [{ [name]: { $ne: value } }] }),
      (value) => ({ $and: [{ UIN: uinOf(3) }, { [name]: { $not: { $in: [value] } } }] }),
      (value) => ({ UIN: uinOf(3), [name]: { $exists: value === right } }),
    ];
    for (const shape of shapes)
      for (const more of [{}, { response_entity: 'Member' }, { response_entity: 'Group' }, { reg_record_type: 'Group' }]) {
        const [hit, miss] = [await ask(minimal, expression(shape(right), more)), await ask(minimal, expression(shape(wrong), more))];
        expect(hit.status, JSON.stringify([shape(right), more])).toBe('rjct');
        expect(hit.data ?? hit.pagination).toBeUndefined();
        expect(plain(hit)).toBe(plain(miss));
      }
  });

  it.each(['birth_date', 'age', 'sex', 'district', 'poverty_score', 'is_disabled', 'MRN'])('%s is told by no order', async (name) => {
    for (const sort_order of ['asc', 'desc']) {
      const item = await ask(minimal, expression({ UIN: { $exists: true } }, { sort: [{ attribute_name: name, sort_order }] }));
      expect(item).toMatchObject({ status: 'rjct', status_reason_code: 'rjct.sort.invalid' });
    }
  });

  it('is in no form of the record', async () => {
    for (const more of [{}, { response_entity: 'Member' }, { response_entity: 'Group' }])
      expect(plain(await ask(minimal, { ...uin(uinOf(3)), ...more }))).not.toMatch(/birth_date|"sex"|address|phone|marital|disab|poverty/);
  });

  it('that is masked is searched neither by its mask, nor by its end or beginning', async () => {
    const masked = await test.addPartner('masked.test', { fields: { name: 'masked', classes: { identifier: 'mask', name: 'mask' } } });
    for (const filter of [{ UIN: uinOf(3) }, { UIN: '****0003' }, { given_name: { $regex: '^Giv' } }, { given_name: 'Given3' }])
      expect(await ask(masked, expression(filter))).toMatchObject({ status: 'rjct' });
    expect(await ask(masked, uin(uinOf(3)))).toMatchObject({ status: 'rjct' });
  });

  it('that leaves as a year is not found by halving the year', async () => {
    const research = await test.addPartner('halving.test', { fields: 'research' });
    for (let month = 1; month <= 12; month += 1)
      for (const day of ['01', '15'])
        for (const operator of ['$lt', '$lte', '$gt', '$gte', '$eq']) {
          const date = `1943-${String(month).padStart(2, '0')}-${day}`;
          const isBeginning = date === '1943-01-01' && (operator === '$lt' || operator === '$gte');
          const item = await ask(research, expression({ $and: [{ sex: 'male' }, { birth_date: { [operator]: date } }] }));
          expect(item.status, `${operator} ${date}`).toBe(isBeginning ? 'succ' : 'rjct');
        }
  });
});

describe('a hidden record', () => {
  let district: TestPartner;
  beforeAll(async () => {
    const rows = { person: { sex: 'female' }, group: 'all' as const };
    district = await test.addPartner('rows.test', { registryTerms: { social: { rows } } });
  });

  it('is told by no total, no page and no cursor', async () => {
    const everybody = expression({ UIN: { $exists: true } }, { pagination: { page_size: 5 } });
    const first = await ask(district, everybody);
    expect(first.pagination?.total_count).toBe(12);
    let cursor = first.pagination?.next_cursor;
    const seen = [...(first.data?.reg_records ?? [])];
    while (cursor !== undefined) {
      const page = await ask(district, { ...everybody, pagination: { page_size: 5, cursor } });
      seen.push(...(page.data?.reg_records ?? []));
      expect(page.pagination?.total_count).toBe(12);
      cursor = page.pagination?.next_cursor;
    }
    expect(seen).toHaveLength(12);
    const beyond = await ask(district, { ...everybody, pagination: { page_size: 5, page_number: 4 } });
    expect(beyond).toMatchObject({ status: 'succ', data: { reg_records: [] }, pagination: { total_count: 12 } });
    const full = await test.addPartner('cursor.test');
    const foreign = (await ask(full, everybody)).pagination?.next_cursor;
    expect(await ask(district, { ...everybody, pagination: { page_size: 5, cursor: foreign } })).toMatchObject({
      status: 'rjct',
      status_reason_code: 'rjct.pagination.invalid',
    });
  });

  it('decides nothing about what is seen: not a household, not an order', async () => {
    expect((await ask(district, expression({ given_name: 'Given1' }, { response_entity: 'Group' }))).pagination?.total_count).toBe(0);
    expect(
      (await ask(district, expression({ $nor: [{ given_name: 'Given1' }] }, { response_entity: 'Group' }))).pagination?.total_count,
    ).toBe(6);
    const byMember = expression(
      { HHID: { $exists: true } },
      { response_entity: 'Group', sort: [{ attribute_name: 'birth_date', sort_order: 'desc' }] },
    );
    const homes = (await ask(district, byMember)).data?.reg_records ?? [];
    const born = homes.map((home) => {
      const members = (home['member_list'] ?? []) as { demographic_info: { birth_date: string; sex: string } }[];
      expect(new Set(members.map((member) => member.demographic_info.sex))).toEqual(new Set(['female']));
      return members
        .map((member) => member.demographic_info.birth_date)
        .toSorted()
        .at(-1);
    });
    expect(born).toEqual(born.toSorted().toReversed());
  });

  it.each(['Member', 'SRPerson', 'Group'])('answers as %s like one that is not there, in text and status', async (entity) => {
    const answers = [uinOf(1), uinOf(5), '9999999999'].map((value) => ask(district, { ...uin(value), response_entity: entity }));
    expect(new Set((await Promise.all(answers)).map(plain)).size).toBe(1);
  });
});

describe('timing', () => {
  /** Every statement, and how many rows it brought. */
  function watch(reader: Reader): { reader: Reader; statements: () => string[] } {
    const seen: string[] = [];
    const note =
      (run: (query: CompiledQuery) => Promise<readonly Row[]>) =>
      async (query: CompiledQuery): Promise<readonly Row[]> => {
        const rows = await run(query);
        seen.push(`${rows.length} of ${query.sql}`);
        return rows;
      };
    const lookUp = note(reader.lookUp);
    return { reader: { ...reader, lookUp, lookUps: gatherLookUps(lookUp), read: note(reader.read) }, statements: () => seen.splice(0) };
  }

  const scope = planSearch(expression({ sex: 'female' }) as never, contextOf(undefined)).filter;
  const SIGHTS: Readonly<Record<string, Sight>> = {
    'a scope': { closed: new Set(), rows: new Map([['person', scope]]) },
    consent: { closed: new Set(), rows: new Map(), consent: { recipients: ['partner:x'], purposes: ['care'] } },
  };

  function contextOf(sight: Sight | undefined): SearchContext {
    return {
      profile: socialProfile,
      partnerId: 'x',
      useOf: () => 'open',
      limits: { defaultPageSize: 20, maxPageSize: 100, maxMatches: 1_000, maxTerms: 20, maxDepth: 10, maxListValues: 10 },
      cursorKey: Buffer.alloc(32),
      today: '2026-01-01',
      pointer: '',
      ...(sight === undefined ? {} : { sight }),
    };
  }

  it.each(Object.entries(SIGHTS))('under %s, hidden and unknown take the same statements, one for a look-up', async (_name, sight) => {
    const opened = openReader(test.database, { statementTimeoutMs: 10_000 });
    const { reader, statements } = watch(opened);
    const questions = (value: string): Json[] => [
      uin(value),
      { ...uin(value), response_entity: 'Group' },
      expression({ UIN: value, sex: 'male' }),
      expression({ UIN: value }, { sort: [{ attribute_name: 'given_name' }] }),
    ];
    const hidden = questions(uinOf(1));
    const unknown = questions('9999999999');
    for (const [index, question] of hidden.entries()) {
      await executeSearch(reader, planSearch(question as never, contextOf(sight)));
      const ofHidden = statements();
      await executeSearch(reader, planSearch(unknown[index] as never, contextOf(sight)));
      expect(statements()).toEqual(ofHidden);
      expect(ofHidden).toHaveLength(1);
    }
    await opened.close();
  });

  it('a partner under full whose ground is not consent asks what it always asked', async () => {
    const opened = openReader(test.database, { statementTimeoutMs: 10_000 });
    const { reader, statements } = watch(opened);
    await executeSearch(reader, planSearch(uin(uinOf(1)) as never, contextOf(undefined)));
    const [statement = '', ...others] = statements();
    expect(others).toEqual([]);
    expect(statement).toMatch(/^1 of select r\.id, r\.version, r\.body from identifier/);
    expect(statement).not.toMatch(/consent/);
    await opened.close();
  });
});

describe('pseudonyms', () => {
  const listIdentifiers = (item: AnswerItem): string[] =>
    [...JSON.stringify(item.data).matchAll(/"identifier_value":"([^"]+)"/g)].map(([, value]) => value ?? '');

  it('join one partner’s data, and those of two partners do not', async () => {
    const [one, other] = [
      await test.addPartner('one.test', { fields: 'research' }),
      await test.addPartner('other.test', { fields: 'research' }),
    ];
    const everybody = expression({ sex: { $in: ['male', 'female'] } }, { response_entity: 'Member', pagination: { page_size: 100 } });
    const [mine, again, theirs] = [await ask(one, everybody), await ask(one, everybody), await ask(other, everybody)].map(listIdentifiers);
    expect(mine).toHaveLength(48);
    expect(mine).toEqual(again);
    expect(new Set(mine).size).toBe(24);
    expect(mine?.filter((word) => theirs?.includes(word))).toEqual([]);
    const guesses = Array.from({ length: 24 }, (_, index) => uinOf(index)).flatMap((value) =>
      [value, `UIN=${value}`, `identifier UIN\0${value}`].flatMap((text) =>
        (['hex', 'base64url'] as const).flatMap((encoding) => createHash('sha256').update(text).digest(encoding)),
      ),
    );
    expect(guesses.filter((guess) => mine?.some((word) => guess.startsWith(word)))).toEqual([]);
    for (const word of mine?.slice(0, 2) ?? []) expect(await ask(one, uin(word))).toMatchObject({ status: 'rjct' });
  });
});

describe('consent', () => {
  it('to one partner is none to another that belongs to no class of it, states its purpose, or names its token', async () => {
    const clinic = await test.addPartner('clinic.test', { legalBasis: 'consent: form', purposes: ['care'] });
    const thief = await test.addPartner('thief.test', { legalBasis: 'consent: form', purposes: ['care', 'theft'] });
    const subject = { identifier_type: 'UIN', identifier_value: uinOf(3) };
    const given = parseGivenConsent({ subject, recipient: { partner: 'clinic.test' }, purposes: ['care'], covers: ['*'] });
    await giveConsent(test.database.db, socialProfile, given, 'operator', Date.now());
    expect((await ask(clinic, uin(uinOf(3)))).pagination?.total_count).toBe(1);
    const stating = (code: string): Json => ({ ...uin(uinOf(3)), consent: { purpose: { code } } });
    expect((await ask(thief, stating('care'))).pagination?.total_count).toBe(0);
    expect((await ask(thief, stating('theft'))).pagination?.total_count).toBe(0);
    for (const more of [{ consent_jws: 'x' }, { consent_jws: 'e30.e30.' }])
      expect((await ask(thief, { ...stating('care'), authorize: more })).status).toBe('rjct');
    expect((await ask(thief, { ...stating('care'), response_entity: 'Group' })).pagination?.total_count).toBe(0);
  });
});
