import { DciError, SEARCH_REASON_CODES } from '@dci/protocol';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compileSearch } from '../../src/registry/compile.ts';
import { expression, identifier, openSearchFixture, type SearchFixture } from './search-fixture.ts';
import { makePopulation } from './social-population.ts';

const population = makePopulation(10, 5);
let fixture: SearchFixture;
beforeAll(async () => {
  fixture = await openSearchFixture(population);
});
afterAll(() => fixture.close());

/** The refusal of a query; fails when the query is served or anything else is thrown. */
function refusalOf(criteria: unknown): DciError {
  try {
    fixture.plan(criteria);
  } catch (error) {
    if (error instanceof DciError) return error;
    throw error;
  }
  throw new Error(`was not refused: ${JSON.stringify(criteria)}`);
}

function expectRefused(criteria: unknown): void {
  const { code, pointer, message } = refusalOf(criteria);
  expect(SEARCH_REASON_CODES).toContain(code);
  expect(pointer).toMatch(/^\/message\/search_request\/0\/search_criteria/);
  expect(message.length).toBeLessThan(400);
}

const predicate = (...rows: unknown[]): object => ({ query_type: 'predicate', query: rows });
const is = (attribute_name: unknown, operator: unknown, attribute_value: unknown): object => ({
  attribute_name,
  operator,
  attribute_value,
});
const good = is('sex', 'eq', 'male');
let deep: object = { sex: 'male' };
for (let level = 0; level < 5_000; level += 1) deep = { $and: [deep] };

const REFUSED: Readonly<Record<string, unknown>> = {
  'no query': { query_type: 'expression' },
  'a query type that is not served': { query_type: 'graphql', query: { value: '{ persons { id } }' } },
  'an unknown query type': { query_type: 'sql', query: { value: 'select 1' } },
  'an identifier query with another shape': { query_type: 'idtype-value', query: expression({ sex: 'male' }).query },
  'a list as identifier query': { query_type: 'idtype-value', query: [identifier('UIN', '1').query] },
  'no type': { query_type: 'idtype-value', query: { value: '1' } },
  'no value': { query_type: 'idtype-value', query: { type: 'UIN' } },
  'an empty value': identifier('UIN', ''),
  'a blank value': identifier('UIN', '  '),
  'a value with NUL': identifier('UIN', 'U\0'),
  'half a surrogate pair': identifier('UIN', 'U\ud800'),
  'a value that is too long': identifier('UIN', 'U'.repeat(201)),
  'an object as value': { query_type: 'idtype-value', query: { type: 'UIN', value: { $ne: '' } } },
  'a list as value': { query_type: 'idtype-value', query: { type: 'UIN', value: ['U0001'] } },
  'true as value': { query_type: 'idtype-value', query: { type: 'UIN', value: true } },
  'every record by star': { query_type: 'idtype-value', query: { type: '*', value: '*' } },
  'something beside type and value': { query_type: 'idtype-value', query: { type: 'UIN', value: '1', or: '2' } },
  'a type from the prototype': identifier('constructor', '1'),
  'an empty predicate': predicate(),
  'a predicate that is an object': { query_type: 'predicate', query: { expression1: good } },
  'an expression that is a string': { query_type: 'expression', query: 'sex eq male' },
  'a row that is null': predicate(null),
  'an empty row': predicate({}),
  'a row without expression1': predicate({ seq_num: 1, expression2: good }),
  'a condition without expression2': predicate({ expression1: good, condition: 'or' }),
  'an expression2 without condition': predicate({ expression1: good, expression2: good }),
  'an expression2 that is empty beside a condition': predicate({ expression1: good, condition: 'and', expression2: '' }),
  'an expression2 that is an empty object': predicate({ expression1: good, condition: 'and', expression2: {} }),
  'a gap between expressions': predicate({ expression1: good, condition: ['and', 'and'], expression2: good, expression4: good }),
  'too few conditions': predicate({ expression1: good, condition: 'and', expression2: good, expression3: good }),
  'an unknown condition': predicate({ expression1: good, condition: 'xor', expression2: good }),
  'a row with more': predicate({ expression1: good, limit: 3 }),
  'an expression with more': predicate({ expression1: { ...good, case: 'ignore' } }),
  'a row number that is none': predicate({ seq_num: 'first', expression1: good }),
  'an unknown operator': predicate({ expression1: is('sex', 'like', 'm%') }),
  'an operator from the prototype': predicate({ expression1: is('sex', 'constructor', 'male') }),
  'an operator that the attribute does not have': predicate({ expression1: is('sex', 'lt', 'male') }),
  'an order of identifiers': predicate({ expression1: is('UIN', 'lt', 'U0002') }),
  'an unknown attribute': predicate({ expression1: is('shoe_size', 'eq', 42) }),
  'an attribute from the prototype': predicate({ expression1: is('__proto__', 'eq', 'x') }),
  'a column instead of an attribute': predicate({ expression1: is('a_sex', 'eq', 'male') }),
  'an attribute that is not named': predicate({ expression1: is(undefined, 'eq', 'male') }),
  'a comparison with nothing': predicate({ expression1: is('sex', 'eq', undefined) }),
  'a comparison with null': predicate({ expression1: is('sex', 'eq', null) }),
  'a comparison with an object': predicate({ expression1: is('sex', 'eq', { $ne: 'male' }) }),
  'one value with in': predicate({ expression1: is('sex', 'in', 'male') }),
  'a list with eq': predicate({ expression1: is('sex', 'eq', ['male']) }),
  'no values': predicate({ expression1: is('sex', 'in', []) }),
  'null among values': predicate({ expression1: is('sex', 'in', ['male', null]) }),
  'too many values': predicate({ expression1: is('UIN', 'in', Array.from({ length: 101 }, String)) }),
  'too many values in all': expression({ $or: [1, 2].map(() => ({ UIN: { $in: Array.from({ length: 51 }, String) } })) }),
  'a row of too many comparisons': predicate({
    ...Object.fromEntries(Array.from({ length: 8_000 }, (_, index) => [`expression${index + 1}`, good])),
    condition: Array.from({ length: 7_999 }, () => 'and'),
  }),
  'something beside a blank expression2': predicate({ expression1: good, expression2: '', limit: 3 }),
  'too many comparisons': predicate(...Array.from({ length: 51 }, () => ({ expression1: good }))),
  'an unknown code': predicate({ expression1: is('sex', 'eq', 'toString') }),
  'text as number': predicate({ expression1: is('group_size', 'lt', 'five') }),
  'a fraction as whole number': predicate({ expression1: is('group_size', 'lt', 4.5) }),
  'a number beyond all': predicate({ expression1: is('group_size', 'lt', 1e300) }),
  'an infinite number': predicate({ expression1: is('poverty_score', 'lt', '1e999') }),
  'a number in hexadecimal': predicate({ expression1: is('group_size', 'lt', '0x10') }),
  'an age that nobody reaches': predicate({ expression1: is('age', 'lt', 5_000) }),
  'a negative age': predicate({ expression1: is('age', 'gt', -1) }),
  'a day that does not exist': predicate({ expression1: is('birth_date', 'eq', '2023-02-29') }),
  'a month that does not exist': predicate({ expression1: is('birth_date', 'eq', '2023-13-01') }),
  'the year nought': predicate({ expression1: is('birth_date', 'gt', '0000') }),
  'a time without zone': predicate({ expression1: is('registration_date', 'gt', '2024-01-15T10:30:00') }),
  'a time that does not exist': predicate({ expression1: is('registration_date', 'gt', '2024-01-15T25:30:00Z') }),
  'a time before the first year': predicate({ expression1: is('registration_date', 'gt', '0001-01-01T00:00:00+14:00') }),
  'infinity as date': predicate({ expression1: is('birth_date', 'lt', 'infinity') }),
  'perhaps as boolean': predicate({ expression1: is('is_disabled', 'eq', 'perhaps') }),
  'an empty expression': expression({}),
  'no expression': { query_type: 'expression', query: { type: 'x', value: {} } },
  'an expression without query': { query_type: 'expression', query: { value: { expression: { collection: 'Group' } } } },
  'something beside the expression': { query_type: 'expression', query: { value: { expression: { query: { sex: 'male' } }, limit: 3 } } },
  'something beside the query': { query_type: 'expression', query: { value: { expression: { query: { sex: 'male' }, filter: {} } } } },
  'something beside the value': { query_type: 'expression', query: { value: { expression: { query: { sex: 'male' } } }, all: true } },
  'a type that is no string': { query_type: 'expression', query: { type: 1, value: { expression: { query: { sex: 'male' } } } } },
  'a collection that is no string': {
    query_type: 'expression',
    query: { value: { expression: { collection: {}, query: { sex: 'male' } } } },
  },
  'an empty $and': expression({ $and: [] }),
  'an empty $or': expression({ $or: [] }),
  'an empty $nor': expression({ $nor: [] }),
  'an $and of nothing': expression({ $and: [{}] }),
  'an $or with nothing in it': expression({ $or: [{ sex: 'male' }, {}] }),
  'an $and that is an object': expression({ $and: { sex: 'male' } }),
  'a $not of nothing': expression({ $not: {} }),
  'an attribute of nothing': expression({ sex: {} }),
  'an attribute that is null': expression({ sex: null }),
  'an attribute that is a list': expression({ sex: ['male'] }),
  'an attribute in an attribute': expression({ name: { given_name: 'Ana' } }),
  'an attribute beside an operator': expression({ sex: { $eq: 'male', of: 'head' } }),
  'an unknown $operator': expression({ $where: 'true' }),
  'an unknown $operator of an attribute': expression({ sex: { $type: 'string' } }),
  'an operator at the top': expression({ $eq: 'male' }),
  'an $in of nothing': expression({ sex: { $in: [] } }),
  'an $in of a list': expression({ sex: { $in: [['male']] } }),
  'an $exists of perhaps': expression({ sex: { $exists: 'perhaps' } }),
  'a $not of a value': expression({ sex: { $not: 'male' } }),
  'an expression that is not anchored': expression({ given_name: { $regex: 'Ana' } }),
  'an anchor alone': expression({ given_name: { $regex: '^' } }),
  'a blank beginning': expression({ given_name: { $regex: '^ ' } }),
  'a regular expression': expression({ given_name: { $regex: '^(a+)+$' } }),
  'an unfinished escape': expression({ given_name: { $regex: '^a\\' } }),
  'a class of characters': expression({ given_name: { $regex: '^\\w' } }),
  'options of an expression': expression({ given_name: { $regex: '^a', $options: 'i' } }),
  'a beginning of a code': expression({ sex: { $regex: '^m' } }),
  'deep nesting': expression(deep),
  'nesting in $not': expression({ sex: Array.from({ length: 20 }).reduce<object>((inner) => ({ $not: inner }), { $eq: 'male' }) }),
};

describe('a query that is not understood to the end is refused', () => {
  it.each(Object.entries(REFUSED))('%s', (_name, criteria) => expectRefused(criteria));

  it('tells the reason code and the place', () => {
    const place = '/message/search_request/0/search_criteria/query';
    const told = (criteria: unknown): [string, string | undefined] => {
      const { code, pointer } = refusalOf(criteria);
      return [code, pointer];
    };
    expect(told(REFUSED['an unknown attribute'])).toEqual(['rjct.filter.invalid', `${place}/0/expression1/attribute_name`]);
    expect(told(REFUSED['an unknown operator'])).toEqual(['rjct.filter.invalid', `${place}/0/expression1/operator`]);
    expect(told(REFUSED['a day that does not exist'])).toEqual(['rjct.filter.invalid', `${place}/0/expression1/attribute_value`]);
    expect(told(expression({ $or: [{ sex: 'male' }, { 'a/b~c': 1 }] }))).toEqual([
      'rjct.filter.invalid',
      `${place}/value/expression/query/$or/1/a~1b~0c`,
    ]);
    expect(told(REFUSED['a query type that is not served'])).toEqual([
      'rjct.search_criteria.invalid',
      '/message/search_request/0/search_criteria/query_type',
    ]);
  });
});

const NAMES = [
  'sex',
  'age',
  'birth_date',
  'given_name',
  'UIN',
  'is_disabled',
  'group_size',
  'poverty_score',
  'registration_date',
  'shoe_size',
  '__proto__',
  '',
];
const OPERATORS = ['$eq', '$ne', '$lt', '$gte', '$in', '$nin', '$exists', '$regex', '$not', '$where', 'eq', 'constructor', '$and', ''];
const CHARACTERS = fc.constantFrom(
  '%',
  '_',
  "'",
  '"',
  '\\',
  ';',
  '--',
  '$1',
  '/*',
  '\0',
  '\ud800',
  '\u{1F600}',
  'ﬃ',
  '\u0001',
  'a',
  '*',
  '^',
  '{',
  '}',
);
const hostileText = fc.array(CHARACTERS, { maxLength: 8 }).map((parts) => parts.join(''));
const anything = fc.oneof(
  hostileText,
  fc.constantFrom('male', '2000-02-29', '25', 'U0001', '^A', null, true, '', {}, []),
  fc.double(),
  fc.integer(),
  fc.jsonValue({ maxDepth: 3 }),
);
const { query: anyQuery } = fc.letrec<{ query: unknown; list: unknown; comparison: unknown }>((tie) => ({
  query: fc.oneof(
    { depthSize: 'small' },
    // Often enough for many of the criteria to be searches, and the tree above them to be what is odd.
    {
      weight: 3,
      arbitrary: fc.constantFrom({ sex: 'male' }, { age: { $lt: '25' } }, { poverty_score: { $gte: 2.5 } }, { UIN: { $exists: true } }),
    },
    fc.dictionary(fc.constantFrom(...NAMES), tie('comparison'), { maxKeys: 2 }),
    fc.dictionary(fc.constantFrom('$and', '$or', '$nor', '$not', '$where'), fc.oneof(tie('list'), tie('query')), { maxKeys: 2 }),
    anything,
  ),
  list: fc.array(tie('query'), { maxLength: 3 }),
  comparison: fc.oneof(
    fc.constantFrom('male', '25', 'U0001', '2000-02-29', true),
    anything,
    fc.dictionary(fc.constantFrom(...OPERATORS), fc.oneof(anything, fc.array(anything, { maxLength: 3 })), { maxKeys: 2 }),
  ),
}));
const anyRow = fc.oneof(
  anything,
  fc.record(
    {
      seq_num: fc.oneof(fc.integer(), anything),
      expression1: fc.oneof(
        fc.record({
          attribute_name: fc.constantFrom(...NAMES),
          operator: fc.constantFrom('eq', 'lt', 'in', 'ne', 'x'),
          attribute_value: anything,
        }),
        anything,
      ),
      condition: fc.oneof(fc.constantFrom('and', 'or', 'not', ''), fc.array(fc.constantFrom('and', 'or')), anything),
      expression2: fc.oneof(
        fc.record({
          attribute_name: fc.constantFrom(...NAMES),
          operator: fc.constantFrom('eq', 'lt', 'in', 'ne', 'x'),
          attribute_value: anything,
        }),
        anything,
      ),
    },
    { requiredKeys: [] },
  ),
);
/** Left out, as a rule. */
const mostly = <T>(spoilt: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.oneof({ weight: 6, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: spoilt });
const anyCriteria = fc.record(
  {
    query_type: fc.constantFrom('expression', 'predicate', 'idtype-value', 'graphql', 'x'),
    query: fc.oneof(
      anyQuery.map((query) => expression(query).query),
      fc.array(anyRow, { maxLength: 3 }),
      fc.record({ type: fc.oneof(fc.constantFrom('UIN', 'HHID', '*'), anything), value: anything }, { requiredKeys: [] }),
      anything,
    ),
    response_entity: mostly(fc.constantFrom('Group', 'Member', 'Animal', '', '__proto__')),
    reg_record_type: mostly(fc.constantFrom('Group', 'SRPerson', 'x:y')),
    sort: mostly(
      fc.array(
        fc.record(
          { attribute_name: fc.oneof(fc.constantFrom(...NAMES), hostileText), sort_order: fc.constantFrom('asc', 'desc', 'up') },
          { requiredKeys: [] },
        ),
        { maxLength: 2 },
      ),
    ),
    pagination: mostly(
      fc.record(
        { page_size: fc.integer({ min: -1, max: 2_000 }), page_number: fc.integer({ min: -1, max: 9 }), cursor: hostileText },
        { requiredKeys: [] },
      ),
    ),
  },
  { requiredKeys: ['query_type', 'query'] },
);

describe('whatever is sent', () => {
  it('is refused by a code of the standard, or is a search that the database can run', async () => {
    let served = 0;
    await fc.assert(
      fc.asyncProperty(anyCriteria, async (criteria) => {
        try {
          const { plan, totalCount, records } = await fixture.search(criteria);
          served += 1;
          expect(records.length).toBeLessThanOrEqual(Math.min(plan.page.size, totalCount));
        } catch (error) {
          expect(error).toBeInstanceOf(DciError);
          expect(SEARCH_REASON_CODES).toContain((error as DciError).code);
        }
      }),
      { numRuns: 5_000 },
    );
    expect(served).toBeGreaterThan(50);
  });

  it('never becomes a wider search when part of it is spoilt', () => {
    const spoilt = fc.constantFrom<unknown>(
      {},
      null,
      [],
      { $and: [] },
      { shoe_size: 1 },
      { sex: {} },
      { sex: { $in: [] } },
      { sex: null },
      { $where: '1' },
      { sex: 'neither' },
      'sex',
      1,
    );
    const wrap = fc.constantFrom<(inner: unknown) => object>(
      (inner) => ({ $and: [{ sex: 'male' }, inner] }),
      (inner) => ({ $or: [{ sex: 'male' }, inner] }),
      (inner) => ({ $nor: [inner] }),
      (inner) => ({ $not: inner }),
      (inner) => ({ sex: 'male', $and: [inner] }),
    );
    fc.assert(
      fc.property(fc.array(wrap, { minLength: 1, maxLength: 4 }), spoilt, (wraps, inner) => {
        expectRefused(expression(wraps.reduce<unknown>((query, wrapOnce) => wrapOnce(query), inner)));
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('hostile values', () => {
  const HOSTILE = [
    "' or '1'='1",
    "'; drop table record_social_person; --",
    '%',
    '_',
    '%%',
    '\\',
    '\\%',
    '$1',
    '" or true --',
    '{U0001}',
    '{"U0001","U0002"}',
    '*',
    '\u0001',
    '(select 1)',
    'U0001\n',
    '\u202eU0001',
  ];

  it('are only ever compared', async () => {
    for (const value of HOSTILE) {
      for (const criteria of [
        identifier('UIN', value),
        expression({ UIN: { $in: [value, `${value},`] } }),
        expression({ given_name: value }),
        expression({ given_name: { $in: [value, 'nobody'] } }),
        expression({ surname: { $regex: `^${value.replaceAll(/[\\^$.|?*+()[\]{}]/g, String.raw`\$&`)}` } }),
      ]) {
        const found = await fixture.keys(criteria);
        const expected =
          criteria.query_type === 'idtype-value' || JSON.stringify(criteria).includes('UIN') ? value.trim() === 'U0001' : false;
        expect(found.length > 0, JSON.stringify(criteria)).toBe(
          expected || (JSON.stringify(criteria).includes('given_name') && value === '\\'),
        );
      }
    }
    const { rows } = await fixture.database.pool.query<{ count: string }>('select count(*) from record_social_person');
    expect(Number(rows[0]?.count)).toBe(population.persons.length);
  });

  it('never stand in the text of a statement', () => {
    const marker = 'qZ7marker';
    for (const criteria of [
      {
        ...expression({ given_name: marker, surname: { $regex: `^${marker}` }, UIN: { $in: [marker] } }),
        sort: [{ attribute_name: 'UIN' }],
      },
      identifier('UIN', marker),
    ]) {
      const { page, count } = compileSearch(fixture.plan(criteria));
      expect(page.sql + count.sql).not.toContain(marker);
      expect(JSON.stringify(page.parameters)).toContain(marker);
    }
  });
});
