import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { importPublicKey, type PublicJwk, parseCallbackEnvelope, readJson, verifyMessage } from '@dci/protocol';
import { sql } from 'kysely';
import { publishedSchema } from '../../../protocol/test/support/published-schema.ts';
import { importPersons, type Person } from '../support/persons.ts';
import {
  type Answer,
  type AnswerItem,
  post,
  SERVER_ID,
  searchBody,
  startTestApp,
  type TestApp,
  type TestPartner,
} from '../support/test-app.ts';

let test: TestApp;
let partner: TestPartner;
let persons: Person[];

beforeAll(async () => {
  test = await startTestApp();
  persons = await importPersons(test.database, 40);
  partner = await test.addPartner('mis.test');
});
afterAll(() => test.close());

type Json = Record<string, unknown>;

async function search(criteria: Json | Json[], as = partner, path = '/social/registry/sync/search'): Promise<Answer> {
  return await post(`${test.base}${path}`, as.token, searchBody(as, Array.isArray(criteria) ? criteria : [criteria]));
}

async function searchItem(criteria: Json, as = partner): Promise<AnswerItem> {
  const answer = await search(criteria, as);
  expect(answer.status).toBe(200);
  const item = answer.body.message?.search_response?.[0];
  if (item === undefined) throw new Error(answer.text);
  return item;
}

const byId = (uin: string): Json => ({ query_type: 'idtype-value', query: { type: 'UIN', value: uin } });
const uinOf = (index: number): string => persons[index]?.uin ?? '';
const expression = (collection: string, query: Json, more: Json = {}): Json => ({
  query_type: 'expression',
  query: { type: 'ns:org:QueryType:NoSql', value: { expression: { collection, query } } },
  ...more,
});
const records = (item: AnswerItem): readonly Json[] => item.data?.reg_records ?? [];

async function audits(): Promise<Record<string, unknown>[]> {
  return (await sql<Record<string, unknown>>`select * from audit order by seq`.execute(test.database.db)).rows;
}

describe('an answer', () => {
  it('is signed by a published key over exactly what was sent, and answers this message', async () => {
    const answer = await search(byId(uinOf(0)));
    const jwks = (await (await fetch(`${test.base}/.well-known/jwks.json`)).json()) as { keys: PublicJwk[] };
    const keys = new Map(jwks.keys.filter(({ use }) => use === 'sig').map((jwk) => [jwk.kid, importPublicKey({ ...jwk })]));
    const received = readJson(answer.text);
    const { header, message, signature } = parseCallbackEnvelope(received.value);
    const verified = verifyMessage({
      received,
      envelope: {
        signature,
        header: { ...header, sender_id: header.sender_id ?? '', total_count: header.total_count ?? 0 },
        message: message ?? {},
      },
      policy: 'required',
      findKey: (kid) => keys.get(kid),
      now: Math.floor(Date.now() / 1000),
    });
    expect(verified.signedBy?.form).toBe('jcs');
    expect(header).toMatchObject({
      action: 'on-search',
      status: 'succ',
      sender_id: SERVER_ID,
      receiver_id: 'mis.test',
      total_count: 1,
      completed_count: 1,
    });
  });

  it('keeps one audit row, committed, that names what was disclosed and no identifier in clear', async () => {
    const before = (await audits()).length;
    await search(byId(uinOf(3)));
    const rows = (await audits()).slice(before);
    expect(rows).toHaveLength(1);
    expect(rows[0]).toMatchObject({
      sender_id: 'mis.test',
      action: 'search',
      registry: 'social',
      legal_basis: 'law',
      purposes: ['enrolment'],
      field_rule: 'full',
      outcome: 'answered',
      item_count: 1,
      record_count: 1,
    });
    expect(JSON.stringify(rows[0])).not.toContain(uinOf(3));
    expect(rows[0]?.['disclosed']).toMatchObject([{ entity: 'SRPerson', records: [expect.stringMatching(/^[0-9a-f-]{36}$/)] }]);
  });

  it('holds nothing internal', async () => {
    const answer = await search([byId(uinOf(1)), expression('Group', { group_size: { $eq: 4 } })]);
    expect(answer.text).not.toMatch(/"@id"|"id":|record_id|\\u0001/);
    const ids = await sql<{ id: string }>`select id from record_social_person`.execute(test.database.db);
    for (const { id } of ids.rows) expect(answer.text).not.toContain(id);
  });
});

describe('every mount', () => {
  it.each(['/registry/sync/search', '/social/registry/sync/search', '/sr/registry/sync/search'])('answers at %s', async (path) => {
    const answer = await search(byId(uinOf(2)), partner, path);
    expect(answer.body.message?.search_response?.[0]).toMatchObject({ status: 'succ', data: { reg_type: 'ns:org:RegistryType:Social' } });
  });

  it('takes the registry of an item from its reg_type, and refuses one it does not serve', async () => {
    const answer = await search(
      [
        { ...byId(uinOf(2)), reg_type: 'ns:org:RegistryType:Social' },
        { ...byId(uinOf(2)), reg_type: 'ns:org:RegistryType:Moon' },
      ],
      partner,
      '/registry/sync/search',
    );
    expect(answer.body.message?.search_response?.map((item) => item.status_reason_code ?? item.status)).toEqual([
      'succ',
      'rjct.search_criteria.invalid',
    ]);
  });
});

describe('kinds of search', () => {
  it('finds a person by identifier code, name or namespace', async () => {
    for (const type of ['UIN', 'urn:gov:national-id', 'National ID']) {
      const item = await searchItem({ query_type: 'idtype-value', query: { type, value: uinOf(5) } });
      expect(records(item)[0]).toMatchObject({
        '@type': 'SRPerson',
        name: { given_name: 'Given5' },
        identifier: [{ identifier_value: uinOf(5) }],
      });
    }
  });

  it('finds nothing for an unknown identifier, and says so as for anything not found', async () => {
    const item = await searchItem(byId('000'));
    expect(item).toMatchObject({ status: 'succ', data: { reg_records: [] }, pagination: { total_count: 0 } });
  });

  it('answers the group in which a member matches, members and head inside', async () => {
    const item = await searchItem({ ...byId(uinOf(6)), response_entity: 'Group' });
    expect(records(item)).toHaveLength(1);
    expect(records(item)[0]).toMatchObject({
      '@type': 'Group',
      group_size: 4,
      group_head_info: { demographic_info: { name: { given_name: 'Given4' } } },
    });
    expect(records(item)[0]?.['member_list']).toHaveLength(4);
  });

  it('wraps the person where a Member is asked for', async () => {
    const item = await searchItem({ ...byId(uinOf(6)), response_entity: 'Member' });
    expect(item.data?.reg_record_type).toBe('Member');
    expect(records(item)[0]).toMatchObject({ '@type': 'Member', marital_status: 'W', demographic_info: { '@type': 'SRPerson' } });
  });

  it('answers predicates, sorted and by pages that do not overlap', async () => {
    const query = [{ seq_num: 1, expression1: { attribute_name: 'gender', operator: 'eq', attribute_value: 'F' } }];
    const seen: unknown[] = [];
    for (const page_number of [1, 2, 3]) {
      const item = await searchItem({
        query_type: 'predicate',
        query,
        sort: [{ attribute_name: 'given_name', sort_order: 'desc' }],
        pagination: { page_size: 8, page_number },
      });
      expect(item.pagination).toMatchObject({ total_count: 20, page_number });
      seen.push(...records(item).map((record) => (record['name'] as Json)['given_name']));
    }
    expect(seen).toHaveLength(20);
    expect(seen).toEqual([...new Set(seen)].toSorted().toReversed());
  });

  it('walks by cursor', async () => {
    const seen: unknown[] = [];
    let cursor: string | undefined;
    do {
      const item = await searchItem(
        expression(
          'Member',
          { sex: 'male' },
          { response_entity: 'SRPerson', pagination: { page_size: 7, ...(cursor === undefined ? {} : { cursor }) } },
        ),
      );
      seen.push(...records(item).map((record) => JSON.stringify(record['identifier'])));
      cursor = item.pagination?.next_cursor;
    } while (cursor !== undefined);
    expect(new Set(seen).size).toBe(20);
    expect(seen).toHaveLength(20);
  });

  it("refuses another partner's cursor", async () => {
    const other = await test.addPartner('cursor.test');
    const criteria = expression('Member', { sex: 'male' }, { pagination: { page_size: 7 } });
    const cursor = (await searchItem(criteria)).pagination?.next_cursor;
    expect(cursor).toBeTypeOf('string');
    const item = await searchItem({ ...criteria, pagination: { page_size: 7, cursor } }, other);
    expect(item).toMatchObject({ status: 'rjct', status_reason_code: 'rjct.pagination.invalid' });
  });

  it('serves the good items of a message and refuses the others by code and place', async () => {
    const answer = await search([
      byId(uinOf(7)),
      expression('Group', { shoe_size: 4 }),
      expression('Group', {}),
      { ...byId(uinOf(7)), sort: [{ attribute_name: 'nothing', sort_order: 'asc' }] },
    ]);
    const items = answer.body.message?.search_response ?? [];
    expect(items.map((item) => item.status_reason_code ?? item.status)).toEqual([
      'succ',
      'rjct.filter.invalid',
      'rjct.filter.invalid',
      'rjct.sort.invalid',
    ]);
    expect(items[1]?.status_reason_message).toContain('/message/search_request/1/search_criteria/query');
    expect(answer.body.header).toMatchObject({ status: 'succ', status_reason_message: '3 of 4 items refused' });
  });

  it('says rjct where every item was refused', async () => {
    const answer = await search([expression('Group', { shoe_size: 4 })]);
    expect(answer.body.header).toMatchObject({ status: 'rjct', status_reason_code: 'rjct.errors.too_many' });
  });

  it('refuses the second of two items with one reference_id', async () => {
    const body = searchBody(partner, [byId(uinOf(1)), byId(uinOf(2))]);
    const message = (JSON.parse(body) as { message: { search_request: Json[] } }).message;
    const doubled = searchBody(partner, [byId(uinOf(1)), byId(uinOf(2))], {
      message: { ...message, search_request: message.search_request.map((item) => ({ ...item, reference_id: 'same' })) },
    });
    const answer = await post(`${test.base}/social/registry/sync/search`, partner.token, doubled);
    expect(answer.body.message?.search_response?.map((item) => item.status_reason_code ?? item.status)).toEqual([
      'succ',
      'rjct.reference_id.duplicate',
    ]);
  });

  it('answers a thousand identifiers in one message', async () => {
    const answer = await search(Array.from({ length: 1_000 }, (_, index) => byId(uinOf(index % 40))));
    const items = answer.body.message?.search_response ?? [];
    expect(items).toHaveLength(1_000);
    for (const [index, item] of items.entries()) expect(JSON.stringify(records(item))).toContain(uinOf(index % 40));
  });
});

describe('the field rule minimal', () => {
  let clinic: TestPartner;
  beforeAll(async () => {
    clinic = await test.addPartner('clinic.test', { fields: 'minimal' });
  });

  it('gives who somebody is, and no more', async () => {
    const [person] = records(await searchItem(byId(uinOf(8)), clinic));
    expect(Object.keys(person ?? {}).toSorted()).toEqual(['@context', '@type', 'identifier', 'name', 'registration_date']);
  });

  it('applies to every member of a group', async () => {
    const [group] = records(await searchItem({ ...byId(uinOf(8)), response_entity: 'Group' }, clinic));
    expect(JSON.stringify(group)).not.toMatch(/poverty_score|birth_date|marital_status|phone_number|locality|is_disabled/);
    expect(group?.['member_list']).toHaveLength(4);
  });

  it.each(['poverty_score', 'age', 'sex', 'is_disabled', 'postal_code', 'marital_status'])(
    'does not let %s be searched or sorted by',
    async (attribute) => {
      const filtered = await searchItem(
        { query_type: 'predicate', query: [{ expression1: { attribute_name: attribute, operator: 'eq', attribute_value: 1 } }] },
        clinic,
      );
      expect(filtered).toMatchObject({ status: 'rjct', status_reason_code: 'rjct.filter.invalid' });
      const sorted = await searchItem({ ...byId(uinOf(8)), sort: [{ attribute_name: attribute, sort_order: 'asc' }] }, clinic);
      expect(sorted).toMatchObject({ status: 'rjct', status_reason_code: 'rjct.sort.invalid' });
      expect(sorted.data).toBeUndefined();
    },
  );
});

describe.skipIf(process.env['DCI_SPEC_DIR'] === undefined)('the published schema', () => {
  it('accepts every answer above and every refusal', async () => {
    const accepts = publishedSchema('social').response('/registry/sync/search');
    const answers = [
      await search(byId(uinOf(0))),
      await search([expression('Group', { group_size: { $gte: 1 } }), byId('none'), expression('Group', { nonsense: 1 })]),
      await search([expression('Group', { nonsense: 1 })]),
      await search({ ...byId(uinOf(0)), response_entity: 'Member' }),
      await post(
        `${test.base}/social/registry/sync/search`,
        partner.token,
        searchBody(partner, [byId(uinOf(0))], { header: { version: '7' } }),
      ),
      await post(`${test.base}/social/registry/sync/search`, partner.token, 'nonsense'),
      await post(`${test.base}/social/registry/sync/search`, partner.token, '{}', { 'content-type': 'text/plain' }),
      await post(`${test.base}/nowhere/registry/sync/search`, partner.token, '{}'),
    ];
    for (const answer of answers) expect(accepts(answer.body), `${answer.text}\n${JSON.stringify(accepts.errors)}`).toBe(true);
  });
});
