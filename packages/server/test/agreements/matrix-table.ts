import type { TermChanges } from '../../src/services/partner-terms.ts';

/**
 * Kinds of partners × kinds of queries over one registry of four persons in two households, and by plain rules what each
 * is to be given, field by field: what the ways out are held against.
 */
export type Json = Record<string, unknown>;

const numbers = (type: string, value: string): Json[] => [{ identifier_type: type, identifier_value: value }];

export function person(uin: string, given: string, sex: string, birth: string, district: string): Json {
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

export const household = (hhid: string, score: number, district: string, members: Json[]): Json => ({
  '@type': 'Group',
  group_identifier: numbers('HHID', hhid),
  poverty_score: score,
  address: [{ locality: 'Town', sub_region_code: district }],
  group_head_info: members[0],
  member_list: members,
});

export const PERSONS = {
  ada: person('1', 'Ada', 'female', '1980-05-17', 'D-1'),
  bob: person('2', 'Bob', 'male', '1985-05-17', 'D-1'),
  cat: person('3', 'Cat', 'female', '1990-05-17', 'D-2'),
  dan: person('4', 'Dan', 'male', '1995-05-17', 'D-2'),
} as const;
export type Name = keyof typeof PERSONS;
export type Home = 'h1' | 'h2';
export const HOMES: Readonly<Record<Home, readonly Name[]>> = { h1: ['ada', 'bob'], h2: ['cat', 'dan'] };

export interface Kind {
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
export const BOTH = ['h1', 'h2'] as const;
const FIELDS = ['UIN', 'sex', 'birth_date|year', 'birth_date|day', 'given_name', 'poverty_score', 'district', 'locality', 'phone_number'];

export const KINDS: Readonly<Record<string, Kind>> = {
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

export const CONSENTS: readonly [string, string, readonly string[]][] = [
  ['UIN', '1', ['*']],
  ['UIN', '3', ['identifier', 'sex']],
  ['HHID', 'H1', ['identifier']],
];

export interface QueryKind {
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

export const QUERIES: Readonly<Record<string, QueryKind>> = {
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

/** Household numbers are identifiers like others. */
export const mayUse = ({ usable }: Kind, name: string): boolean => usable.includes(name === 'HHID' ? 'UIN' : name);

/** What a query finds of what a kind of partner sees. */
export function expectFound(kind: Kind, query: QueryKind): readonly (Name | Home)[] {
  const isSeen = (one: Name | Home): boolean => one in kind.persons || one in kind.homes;
  // A sort that is not covered hides nobody.
  const compared = query.criteria['sort'] === undefined ? query.uses : query.uses.slice(0, 1);
  const isCovered = (one: Name | Home): boolean =>
    compared.every((name) => kind.covered?.[one]?.includes(name) ?? kind.covered === undefined);
  const depends = query.through ?? ((one: Name | Home) => [one]);
  return query.finds.filter((one) => isSeen(one) && depends(one).some((other) => isSeen(other) && isCovered(other)));
}

/** Paths to all that a record tells, without the names of types. */
export function listFields(value: unknown, path = ''): readonly string[] {
  if (Array.isArray(value)) return [...new Set(value.flatMap((entry) => listFields(entry, path)))];
  if (typeof value !== 'object' || value === null) return [path];
  if ('identifier_value' in value) return [path];
  return Object.entries(value).flatMap(([name, entry]) =>
    name.startsWith('@') ? [] : listFields(entry, path === '' ? name : `${path}.${name}`),
  );
}

export function expectFields(kind: Kind, one: Name | Home): readonly string[] {
  if (one === 'h1' || one === 'h2') {
    const members = HOMES[one].filter((name) => name in kind.persons && kind.members !== false);
    const listed = members.length > 0 && !(kind.terms.registryTerms?.['social']?.recordTypes?.length === 1);
    return [...(kind.homes[one] ?? []), ...(listed ? ['member_list'] : [])];
  }
  return kind.persons[one] ?? [];
}

const sees = (kind: Kind, one: Name | Home): boolean => one in kind.persons || one in kind.homes;
const covers = (kind: Kind, one: Name | Home, field: string): boolean =>
  kind.covered === undefined || (kind.covered[one]?.includes(field) ?? false);

/** A change is told to whom the field is given as it is. */
export function expectChange(kind: Kind, one: Name | Home, field: string): boolean {
  const isGiven = field === 'group_size' ? (kind.homes[one as Home]?.includes(field) ?? false) : kind.usable.includes(field);
  return sees(kind, one) && isGiven && covers(kind, one, field);
}

/** Whether there are records that it does not see. */
export function isLimited({ covered, terms }: Kind): boolean {
  return covered !== undefined || terms.registryTerms !== undefined;
}

export interface Link {
  readonly of: Name | Home;
  readonly with: Name | Home;
  /** The other one is not there any more. */
  readonly isGone: boolean;
}

/** That two were bound is told to whom members are given, and who sees both; what is gone nobody sees whose sight is limited. */
export function expectLinked(kind: Kind, link: Link): boolean {
  return kind.members !== false && sees(kind, link.of) && sees(kind, link.with) && !(link.isGone && isLimited(kind));
}

/** That one is gone is told to whom it could be named. */
export function expectGone(kind: Kind, one: Name | Home): boolean {
  return sees(kind, one) && covers(kind, one, one.startsWith('h') ? 'HHID' : 'UIN');
}
