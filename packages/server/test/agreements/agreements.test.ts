import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { importPersons } from '../support/persons.ts';
import { type AnswerItem, post, searchBody, startTestApp, type TestApp, type TestPartner } from '../support/test-app.ts';

/** What agreements let through the door of the synchronous search. */
type Json = Record<string, unknown>;

let test: TestApp;
let whole: TestPartner;

beforeAll(async () => {
  test = await startTestApp();
  await importPersons(test.database, 12);
  whole = await test.addPartner('whole.test');
});
afterAll(() => test.close());

async function ask(partner: TestPartner, criteria: Json): Promise<AnswerItem> {
  const answer = await post(`${test.base}/social/registry/sync/search`, partner.token, searchBody(partner, [criteria]));
  const item = answer.body.message?.search_response?.[0];
  if (item === undefined) throw new Error(answer.text);
  return item;
}

const query = (collection: string, filter: Json, more: Json = {}): Json => ({
  query_type: 'expression',
  query: { type: 'ns:org:QueryType:NoSql', value: { expression: { collection, query: filter } } },
  ...more,
});
const uin = (value: string): Json => ({ query_type: 'idtype-value', query: { type: 'UIN', value } });
const hhid = (value: string): Json => ({ query_type: 'idtype-value', query: { type: 'HHID', value } });
const records = (item: AnswerItem): Json[] => [...(item.data?.reg_records ?? [])];
const refused = (code: string): object => ({ status: 'rjct', status_reason_code: code });

describe('rows that an agreement does not cover', () => {
  let women: TestPartner;
  const rows = { person: { sex: { $eq: 'female' } }, group: { group_size: { $gte: 1 } } };
  beforeAll(async () => {
    women = await test.addPartner('women.test', { registryTerms: { social: { rows } } });
  });

  it('are not found, counted, paged through or written as members, and decide nothing', async () => {
    const all = await ask(women, query('SRPerson', { UIN: { $exists: true } }, { pagination: { page_size: 4 } }));
    expect(all.pagination).toMatchObject({ total_count: 6 });
    expect(records(all).map(({ sex }) => sex)).toEqual(['female', 'female', 'female', 'female']);
    const next = await ask(
      women,
      query('SRPerson', { UIN: { $exists: true } }, { pagination: { page_size: 4, cursor: all.pagination?.next_cursor } }),
    );
    expect(records(next).map(({ sex }) => sex)).toEqual(['female', 'female']);
    const [household] = records(await ask(women, hhid('H000000')));
    expect((household?.['member_list'] as Json[] | undefined)?.map((member) => (member['demographic_info'] as Json)['sex'])).toEqual([
      'female',
      'female',
    ]);
    const [unsorted] = records(await ask(women, query('Group', { HHID: 'H000000' })));
    expect(unsorted).toEqual(household);
    expect(records(await ask(whole, query('Group', { given_name: 'Given1' })))).toHaveLength(1);
    expect(await ask(women, query('Group', { given_name: 'Given1' }))).toMatchObject({ status: 'succ', pagination: { total_count: 0 } });
    expect(await ask(women, query('Group', { $not: { given_name: 'Given1' } }))).toMatchObject({ pagination: { total_count: 3 } });
  });

  it('look like records that are not there', async () => {
    const [hidden, unknown] = [await ask(women, uin('9000000001')), await ask(women, uin('9999999999'))];
    const plain = (item: AnswerItem): object => ({ ...item, timestamp: '' });
    expect(plain(hidden)).toEqual(plain(unknown));
    expect(hidden).toMatchObject({ status: 'succ', pagination: { total_count: 0 } });
    expect(records(await ask(women, uin('9000000000')))).toHaveLength(1);
  });
});

describe('record types that an agreement does not cover', () => {
  it('are not answered, not written as members, and not asked about', async () => {
    const groups = await test.addPartner('groups.test', { registryTerms: { social: { recordTypes: ['group'] } } });
    expect(await ask(groups, uin('9000000000'))).toMatchObject(refused('rjct.filter.invalid'));
    expect(await ask(groups, { ...hhid('H000000'), response_entity: 'Member' })).toMatchObject(refused('rjct.search_criteria.invalid'));
    expect(await ask(groups, query('Group', { given_name: 'Given1' }))).toMatchObject(refused('rjct.filter.invalid'));
    const [household] = records(await ask(groups, hhid('H000000')));
    expect(household).toMatchObject({ group_identifier: [{ identifier_value: 'H000000' }] });
    expect(JSON.stringify(household)).not.toMatch(/member_list|group_head_info|Given/);
  });
});

describe('a partner under existence', () => {
  it('learns by an identifier that there is a record, and nothing more', async () => {
    const partner = await test.addPartner('existence.test', { fields: 'existence' });
    const bare = { '@context': expect.any(Object), '@type': 'SRPerson' };
    expect(records(await ask(partner, uin('9000000001')))).toEqual([bare]);
    expect(records(await ask(partner, query('SRPerson', { UIN: '9000000001' })))).toEqual([bare]);
    expect(records(await ask(partner, hhid('H000000')))).toEqual([{ '@context': expect.any(Object), '@type': 'Group' }]);
    expect(await ask(partner, uin('9999999999'))).toMatchObject({ pagination: { total_count: 0 } });
    for (const criteria of [
      query('SRPerson', { UIN: { $exists: true } }),
      query('SRPerson', { UIN: { $ne: '9000000001' } }),
      query('SRPerson', { UIN: { $in: ['9000000001', '9000000002'] } }),
      query('SRPerson', { $not: { UIN: '9000000001' } }),
      query('SRPerson', { $or: [{ UIN: '9000000001' }, { UIN: '9000000002' }] }),
      query('SRPerson', { $and: [{ UIN: '9000000001' }, { sex: 'female' }] }),
      query('SRPerson', { sex: 'female' }),
      { ...uin('9000000001'), sort: [{ attribute_name: 'UIN' }] },
    ]) {
      const item = await ask(partner, criteria);
      expect(item.status, JSON.stringify(criteria)).toBe('rjct');
      expect(item.data).toBeUndefined();
    }
  });
});

describe('a researcher', () => {
  it('compares dates by the year only, and sorts by none', async () => {
    const partner = await test.addPartner('research.test', { fields: 'research' });
    const count = async (filter: Json): Promise<number | undefined> =>
      (await ask(partner, query('SRPerson', filter))).pagination?.total_count;
    expect(await count({ birth_date: '1943' })).toBe(1);
    expect(await count({ birth_date: { $gte: '1943-01-01', $lt: '1945' } })).toBe(2);
    expect(await count({ $not: { birth_date: { $lt: '1943' } } })).toBe(9);
    for (const filter of [
      { birth_date: '1943-03-15' },
      { birth_date: { $gte: '1943-03-15' } },
      { birth_date: { $gt: '1943-01-01' } },
      { birth_date: { $in: ['1943-03-15'] } },
      { birth_date: { $nin: ['1943', '1943-03-15'] } },
      { age: { $gt: 30 } },
      { locality: 'Anytown' },
      { UIN: '9000000001' },
    ])
      expect(await ask(partner, query('SRPerson', filter)), JSON.stringify(filter)).toMatchObject(refused('rjct.filter.invalid'));
    expect(await ask(partner, query('SRPerson', { sex: 'male' }, { sort: [{ attribute_name: 'birth_date' }] }))).toMatchObject(
      refused('rjct.sort.invalid'),
    );
    expect(records(await ask(partner, query('SRPerson', { birth_date: '1943' })))).toMatchObject([
      { birth_date: '1943-01-01T00:00:00Z', address: [{ sub_region_code: 'D-01', region_code: 'R-1', country_code: 'XX' }] },
    ]);
  });
});

describe('a purpose', () => {
  const stating = (code: unknown, member = 'consent'): Json => ({ ...uin('9000000001'), [member]: { purpose: { code } } });
  it('that a request states must be in the agreement, and is what the audit says', async () => {
    const partner = await test.addPartner('purposes.test', { purposes: ['targeting', 'payment'] });
    expect(await ask(partner, stating('payment'))).toMatchObject({ status: 'succ' });
    const { rows } = await test.database.pool.query<{ purposes: string[]; legal_basis: string }>(
      `select purposes, legal_basis from audit where sender_id = 'purposes.test' order by seq desc limit 1`,
    );
    expect(rows).toEqual([{ purposes: ['payment'], legal_basis: 'law' }]);
    for (const criteria of [
      stating('marketing'),
      stating('marketing', 'authorize'),
      stating(7),
      stating(''),
      { ...stating('payment'), authorize: { purpose: { code: 'targeting' } } },
    ])
      expect(await ask(partner, criteria)).toMatchObject(refused('rjct.search_criteria.invalid'));
  });
});
