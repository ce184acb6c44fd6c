import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { socialProfile } from '../../src/profiles/social.ts';
import { putRecords } from '../../src/registry/write.ts';
import { type GivenConsent, parseGivenConsent } from '../../src/services/consent-request.ts';
import { giveConsent } from '../../src/services/consents.ts';
import type { TermChanges } from '../../src/services/partner-terms.ts';
import { type RecordingReceiver, startRecordingReceiver } from '../support/recording-receiver.ts';
import { startTestApp, type TestApp, type TestPartner } from '../support/test-app.ts';
import { WAYS_OUT } from './ways-out.ts';

/**
 * Kinds of partners × kinds of queries × ways out, over one registry of four persons in two households: what each is
 * given, field by field, and that what is counted is what is given.
 */
type Json = Record<string, unknown>;

const numbers = (type: string, value: string): Json[] => [{ identifier_type: type, identifier_value: value }];

function person(uin: string, given: string, sex: string, birth: string, district: string): Json {
  return {
    '@type': 'Member',
    member_identifier: numbers('UIN', uin),
    demographic_info: {
      '@type': 'SRPerson',
      identifier: numbers('UIN', uin),
      name: { given_name: given },
      sex,
      birth_date: `${birth}T00:00:00Z`,
      address: [{ locality: 'Town', sub_region_code: district, country_code: 'XX' }],
      phone_number: ['+15550100123'],
    },
    is_disabled: sex === 'female',
  };
}

const household = (hhid: string, score: number, district: string, members: Json[]): Json => ({
  '@type': 'Group',
  group_identifier: numbers('HHID', hhid),
  poverty_score: score,
  address: [{ locality: 'Town', sub_region_code: district }],
  group_head_info: members[0],
  member_list: members,
});

const PERSONS = {
  ada: person('1', 'Ada', 'female', '1980-05-17', 'D-1'),
  bob: person('2', 'Bob', 'male', '1985-05-17', 'D-1'),
  cat: person('3', 'Cat', 'female', '1990-05-17', 'D-2'),
  dan: person('4', 'Dan', 'male', '1995-05-17', 'D-2'),
} as const;
type Name = keyof typeof PERSONS;
type Home = 'h1' | 'h2';
const HOMES: Readonly<Record<Home, readonly Name[]>> = { h1: ['ada', 'bob'], h2: ['cat', 'dan'] };

interface Kind {
  readonly terms: TermChanges;
  /** Of each person that is seen, the fields of the SRPerson. */
  readonly persons: Readonly<Partial<Record<Name, readonly string[]>>>;
  /** Of each household that is seen, its own fields. */
  readonly homes: Readonly<Partial<Record<Home, readonly string[]>>>;
  /** Fields that may be compared; those with a bar, as the query kinds name them. */
  readonly usable: readonly string[];
  /** Where consent is the ground: of each record the fields that count. */
  readonly covered?: Readonly<Partial<Record<Name | Home, readonly string[]>>>;
  /** Keys of members that are written with a household. */
  readonly members?: false;
}

const FULL = [
  'identifier',
  'name.given_name',
  'sex',
  'birth_date',
  'address.locality',
  'address.sub_region_code',
  'address.country_code',
  'phone_number',
];
const COARSE = ['identifier', 'sex', 'birth_date', 'address.sub_region_code', 'address.country_code'];
const HOME = ['group_identifier', 'poverty_score', 'address.locality', 'address.sub_region_code', 'group_size'];
const same = <K extends string>(keys: readonly K[], fields: readonly string[]): Record<K, readonly string[]> =>
  Object.fromEntries(keys.map((key) => [key, fields])) as Record<K, readonly string[]>;
const EVERYBODY = ['ada', 'bob', 'cat', 'dan'] as const;
const BOTH = ['h1', 'h2'] as const;
const FIELDS = ['UIN', 'sex', 'birth_date|year', 'birth_date|day', 'given_name', 'poverty_score', 'district', 'locality'];

const KINDS: Readonly<Record<string, Kind>> = {
  full: { terms: {}, persons: same(EVERYBODY, FULL), homes: same(BOTH, HOME), usable: FIELDS },
  minimal: {
    terms: { fields: 'minimal' },
    persons: same(EVERYBODY, ['identifier', 'name.given_name']),
    homes: same(BOTH, ['group_identifier', 'group_size']),
    usable: ['UIN', 'given_name'],
  },
  eligibility: {
    terms: { fields: 'eligibility' },
    persons: same(EVERYBODY, COARSE),
    homes: same(BOTH, ['group_identifier', 'poverty_score', 'address.sub_region_code', 'group_size']),
    usable: ['UIN', 'sex', 'birth_date|year', 'birth_date|day', 'poverty_score', 'district'],
  },
  research: {
    terms: { fields: 'research' },
    persons: same(EVERYBODY, COARSE),
    homes: same(BOTH, ['group_identifier', 'poverty_score', 'address.sub_region_code', 'group_size']),
    usable: ['sex', 'birth_date|year', 'poverty_score', 'district'],
  },
  existence: { terms: { fields: 'existence' }, persons: same(EVERYBODY, []), homes: same(BOTH, []), usable: ['UIN'], members: false },
  'a rule of its own': {
    terms: { fields: { name: 'own', extends: 'minimal', classes: { contact: 'mask', identifier: 'omit' }, fields: { sex: 'give' } } },
    persons: same(EVERYBODY, ['name.given_name', 'sex', 'phone_number']),
    homes: same(BOTH, ['group_size']),
    usable: ['sex', 'given_name'],
  },
  'one district': {
    terms: { registryTerms: { social: { rows: { person: { district: 'D-1' }, group: { district: 'D-1' } } } } },
    persons: same(['ada', 'bob'], FULL),
    homes: same(['h1'], HOME),
    usable: FIELDS,
  },
  'persons only': {
    terms: { registryTerms: { social: { recordTypes: ['person'] } } },
    persons: same(EVERYBODY, FULL),
    homes: {},
    usable: FIELDS.filter((name) => name !== 'poverty_score'),
  },
  consent: {
    terms: { legalBasis: 'consent: form', purposes: ['care'] },
    persons: { ada: FULL, cat: ['identifier', 'sex'] },
    homes: { h1: ['group_identifier'] },
    usable: FIELDS,
    covered: { ada: FIELDS, cat: ['UIN', 'sex'], h1: ['HHID'] },
  },
};

const CONSENTS: readonly [string, string, readonly string[]][] = [
  ['UIN', '1', ['*']],
  ['UIN', '3', ['identifier', 'sex']],
  ['HHID', 'H1', ['identifier']],
];

interface QueryKind {
  readonly criteria: Json;
  /** What it compares or sorts by. */
  readonly uses: readonly string[];
  /** Whom it is about, were everything seen; by the person, or by a record bound to it. */
  readonly finds: readonly (Name | Home)[];
  /** Of whom it depends, where not of what it finds. */
  readonly through?: (found: Name | Home) => readonly (Name | Home)[];
  readonly code?: string;
}

const expression = (filter: Json, more: Json = {}): Json => ({
  query_type: 'expression',
  query: { type: 'ns:org:QueryType:NoSql', value: { expression: { query: filter } } },
  response_entity: 'SRPerson',
  ...more,
});
const homeOf = (name: Name | Home): readonly Home[] => BOTH.filter((home) => HOMES[home].some((member) => member === name));

const QUERIES: Readonly<Record<string, QueryKind>> = {
  'idtype-value': { criteria: { query_type: 'idtype-value', query: { type: 'UIN', value: '1' } }, uses: ['UIN'], finds: ['ada'] },
  predicate: {
    criteria: {
      query_type: 'predicate',
      query: [{ seq_num: 1, expression1: { attribute_name: 'sex', operator: 'eq', attribute_value: 'female' } }],
      response_entity: 'SRPerson',
    },
    uses: ['sex'],
    finds: ['ada', 'cat'],
  },
  'an expression by the year': {
    criteria: expression({ birth_date: { $gte: '1985' } }),
    uses: ['birth_date|year'],
    finds: ['bob', 'cat', 'dan'],
  },
  'an expression by the day': { criteria: expression({ birth_date: '1980-05-17' }), uses: ['birth_date|day'], finds: ['ada'] },
  'the beginning of a name': { criteria: expression({ given_name: { $regex: '^A' } }), uses: ['given_name'], finds: ['ada'] },
  'a place': { criteria: expression({ district: 'D-2' }), uses: ['district'], finds: ['cat', 'dan'] },
  'a closer place': { criteria: expression({ locality: 'Town' }), uses: ['locality'], finds: EVERYBODY },
  'persons by their household': {
    criteria: expression({ poverty_score: { $lt: 5 } }),
    uses: ['poverty_score'],
    finds: ['ada', 'bob'],
    through: homeOf,
  },
  'households by a member': {
    criteria: expression({ sex: 'female' }, { response_entity: 'Group' }),
    uses: ['sex'],
    finds: ['h1', 'h2'],
    through: (home) => HOMES[home as Home].filter((name) => name === 'ada' || name === 'cat'),
  },
  'a household': { criteria: { query_type: 'idtype-value', query: { type: 'HHID', value: 'H1' } }, uses: ['HHID'], finds: ['h1'] },
  'a sorted page': {
    criteria: expression({ sex: { $in: ['male', 'female'] } }, { sort: [{ attribute_name: 'given_name' }], pagination: { page_size: 10 } }),
    uses: ['sex', 'given_name'],
    finds: EVERYBODY,
  },
  'pages of one': {
    criteria: expression({ sex: { $in: ['male', 'female'] } }, { pagination: { page_size: 1 } }),
    uses: ['sex'],
    finds: EVERYBODY,
  },
};

let test: TestApp;
let receiver: RecordingReceiver;
const partners = new Map<string, TestPartner>();

beforeAll(async () => {
  test = await startTestApp({}, { DCI_ALLOW_HTTP_CALLBACKS: 'true', DCI_ALLOW_PRIVATE_CALLBACKS: 'true' });
  receiver = await startRecordingReceiver(test.base);
  const { ada, bob, cat, dan } = PERSONS;
  const put = await putRecords(test.database.db, socialProfile, [
    household('H1', 2, 'D-1', [ada, bob]),
    household('H2', 8, 'D-2', [cat, dan]),
  ]);
  expect(put.map((result) => ('problems' in result ? result.problems : []))).toEqual([[], []]);
  for (const [kind, { terms }] of Object.entries(KINDS))
    partners.set(
      kind,
      await test.addPartner(`${kind.replaceAll(' ', '-')}.test`, { callbackPrefixes: [`${receiver.origin}/dci`], ...terms }),
    );
  for (const [type, value, covers] of CONSENTS) {
    const subject = { identifier_type: type, identifier_value: value };
    const given: GivenConsent = parseGivenConsent({ subject, recipient: { partner: 'consent.test' }, purposes: ['care'], covers });
    await giveConsent(test.database.db, socialProfile, given, 'operator', Date.now());
  }
}, 60_000);
afterAll(async () => {
  await test.close();
  await receiver.close();
});

/** Household numbers are identifiers like others. */
const mayUse = ({ usable }: Kind, name: string): boolean => usable.includes(name === 'HHID' ? 'UIN' : name);

/** What a query finds of what a kind of partner sees. */
function expectFound(kind: Kind, query: QueryKind): readonly (Name | Home)[] {
  const isSeen = (one: Name | Home): boolean => one in kind.persons || one in kind.homes;
  // A sort that is not covered hides nobody.
  const compared = query.criteria['sort'] === undefined ? query.uses : query.uses.slice(0, 1);
  const isCovered = (one: Name | Home): boolean =>
    compared.every((name) => kind.covered?.[one]?.includes(name) ?? kind.covered === undefined);
  const depends = query.through ?? ((one: Name | Home) => [one]);
  return query.finds.filter((one) => isSeen(one) && depends(one).some((other) => isSeen(other) && isCovered(other)));
}

/** Paths to all that a record tells, without the names of types. */
function listFields(value: unknown, path = ''): readonly string[] {
  if (Array.isArray(value)) return [...new Set(value.flatMap((entry) => listFields(entry, path)))];
  if (typeof value !== 'object' || value === null) return [path];
  if ('identifier_value' in value) return [path];
  return Object.entries(value).flatMap(([name, entry]) =>
    name.startsWith('@') ? [] : listFields(entry, path === '' ? name : `${path}.${name}`),
  );
}

function expectFields(kind: Kind, one: Name | Home): readonly string[] {
  if (one === 'h1' || one === 'h2') {
    const members = HOMES[one].filter((name) => name in kind.persons && kind.members !== false);
    const listed = members.length > 0 && !(kind.terms.registryTerms?.['social']?.recordTypes?.length === 1);
    return [...(kind.homes[one] ?? []), ...(listed ? ['member_list'] : [])];
  }
  return kind.persons[one] ?? [];
}

describe.each(Object.keys(WAYS_OUT))('by the way of %s', (way) => {
  const ask = WAYS_OUT[way];
  describe.each(Object.entries(KINDS))('a partner under %s', (name, kind) => {
    it.each(Object.entries(QUERIES))('asking %s', async (_query, query) => {
      const partner = partners.get(name);
      if (partner === undefined || ask === undefined) throw new Error('no such partner');
      const answers = await ask({ test, receiver }, partner, query.criteria);
      const [first] = answers;
      const isClosed =
        query.uses.some((used) => !mayUse(kind, used)) || (kind.homes.h1 === undefined && query.finds.some((one) => one.startsWith('h')));
      if (isClosed) {
        expect(first).toMatchObject({
          status: 'rjct',
          status_reason_code: expect.stringMatching(/^rjct\.(filter|sort|search_criteria)\.invalid$/),
        });
        expect(answers.flatMap((answer) => answer.data?.reg_records ?? [])).toEqual([]);
        return;
      }
      const expected = expectFound(kind, query);
      const records = answers.flatMap((answer) => answer.data?.reg_records ?? []);
      expect(first?.status, JSON.stringify(first)).toBe('succ');
      expect(new Set(answers.map((answer) => answer.pagination?.total_count))).toEqual(new Set([expected.length]));
      const fields = records.map((record) => {
        const { member_list: list, group_head_info: _head, ...rest } = record;
        return [...listFields(rest), ...(list === undefined ? [] : ['member_list'])].toSorted().join(' ');
      });
      expect(fields.toSorted()).toEqual(expected.map((one) => [...expectFields(kind, one)].toSorted().join(' ')).toSorted());
      for (const record of records) {
        const list = (record['member_list'] ?? []) as Json[];
        const home = expected.find((one) => one === 'h1' || one === 'h2') as Home | undefined;
        if (home === undefined || expected.length > 1) continue;
        const members = HOMES[home].filter((member) => member in kind.persons);
        expect(
          list.map((member) =>
            listFields(member['demographic_info'] ?? {})
              .toSorted()
              .join(' '),
          ),
        ).toEqual(kind.members === false ? [] : members.map((member) => [...(kind.persons[member] ?? [])].toSorted().join(' ')));
      }
    });
  });
});
