import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { socialProfile } from '../../src/profiles/social.ts';
import { putRecords } from '../../src/registry/write.ts';
import { memberDocument } from '../support/persons.ts';
import { type AnswerItem, post, searchBody, startTestApp, type TestApp, type TestPartner } from '../support/test-app.ts';

/** What the field rule `minimal` gives of a widowed person, and what it lets a partner find out by asking. */
type Json = Record<string, unknown>;

let test: TestApp;
let minimal: TestPartner;
let full: TestPartner;

const UIN = '9000000001';
const numbers = (given: Json): Json[] =>
  Object.entries(given).map(([identifier_type, identifier_value]) => ({ identifier_type, identifier_value }));

const member = memberDocument(UIN, 'Ada', 0);
const person: Json = {
  ...member,
  member_identifier: numbers({ MRN: 'M-77', UIN }),
  demographic_info: {
    ...(member['demographic_info'] as Json),
    identifier: numbers({ UIN, BRN: 'B-77', DRN: 'D-77', MRN: 'M-77' }),
    death_date: '2020-01-01T00:00:00Z',
  },
  related_person: [
    {
      relationship_type: 'SELF',
      related_member: { identifier: numbers({ UIN: '9000000099' }), name: { given_name: 'Relative', maiden_name: 'Maiden' } },
    },
  ],
};

beforeAll(async () => {
  test = await startTestApp();
  const group = {
    '@type': 'Group',
    group_identifier: numbers({ HHID: 'H-1' }),
    group_head_info: person,
    member_list: [person, memberDocument('9000000002', 'Bob', 1)],
  };
  const results = await putRecords(test.database.db, socialProfile, [group]);
  expect(results.map((result) => ('problems' in result ? result.problems : []))).toEqual([[]]);
  minimal = await test.addPartner('minimal.test', { fields: 'minimal' });
  full = await test.addPartner('full.test');
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
const SECRETS = /MRN|DRN|M-77|D-77|related_person|Relative|Maiden|9000000099|marital_status|death_date/;

describe('what is given under minimal', () => {
  it('holds no identifier that tells a marriage or a death, and no relative', async () => {
    const item = await ask(minimal, query('Member', { UIN: { $eq: UIN } }, { response_entity: 'Member' }));
    expect(item.data?.reg_records).toMatchObject([
      { member_identifier: numbers({ UIN }), demographic_info: { identifier: numbers({ UIN, BRN: 'B-77' }), name: { given_name: 'Ada' } } },
    ]);
    expect(JSON.stringify(item)).not.toMatch(SECRETS);
  });

  it('holds none in the members and the head of a group, and tells its size', async () => {
    const item = await ask(minimal, query('Group', { group_size: { $eq: 2 } }));
    const [group] = item.data?.reg_records ?? [];
    expect(group).toMatchObject({ group_size: 2, member_list: [{}, {}], group_head_info: { member_identifier: numbers({ UIN }) } });
    expect(JSON.stringify(item)).not.toMatch(SECRETS);
  });

  it('is all there under full', async () => {
    const item = await ask(full, query('Group', { DRN: { $exists: true } }));
    for (const secret of ['M-77', 'D-77', 'Maiden', '9000000099']) expect(JSON.stringify(item)).toContain(secret);
  });
});

describe('what may be asked under minimal', () => {
  it.each(['DRN', 'MRN', 'urn:gov:death-registration'])('is not whether a person has a %s', async (type) => {
    const questions = [
      query('Member', { [type]: { $exists: true } }),
      query('Member', { [type]: { $eq: 'D-77' } }),
      query('Group', { [type]: { $exists: true } }),
      { query_type: 'idtype-value', query: { type, value: 'M-77' } },
      query('Member', { UIN: { $exists: true } }, { sort: [{ attribute_name: type, sort_order: 'asc' }] }),
    ];
    for (const question of questions) {
      const item = await ask(minimal, question);
      expect(item.status, JSON.stringify(question)).toBe('rjct');
      expect(item.status_reason_message).toMatch(/not open|unknown|no such|type/);
      expect((await ask(full, question)).status).toBe('succ');
    }
  });

  it.each(['UIN', 'BRN'])('is whether a person has a %s', async (type) => {
    expect(await ask(minimal, query('Member', { [type]: { $exists: true } }))).toMatchObject({ status: 'succ' });
  });
});
