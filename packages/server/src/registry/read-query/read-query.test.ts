import { DciError } from '@dci/protocol';
import { describe, expect, it } from 'vitest';
import { readQuery } from './read-query.ts';

const LIMITS = { maxTerms: 50, maxDepth: 12, maxListValues: 100 };
// Work that grows with the square of it would outlast the test.
const MANY = 85_000;

type Criteria = Parameters<typeof readQuery>[0];

/** The place of a refusal. */
function refusedPlace(criteria: Criteria): string | undefined {
  try {
    readQuery(criteria, LIMITS, '');
  } catch (error) {
    if (!(error instanceof DciError)) throw error;
    expect(error.code).toBe('rjct.filter.invalid');
    return error.pointer;
  }
  throw new Error('was not refused');
}

const good = { attribute_name: 'sex', operator: 'eq', attribute_value: 'male' };
const predicate = (...query: unknown[]): Criteria => ({ query_type: 'predicate', query }) as Criteria;
const expression = (query: object): Criteria => ({ query_type: 'expression', query: { value: { expression: { query } } } }) as Criteria;
const PLACE = '/query/value/expression/query';

function rowOf(expressions: number, value: unknown): object {
  const members = Array.from({ length: expressions }, (_, index): [string, unknown] => [`expression${index + 1}`, value]);
  return { ...Object.fromEntries(members), ...(expressions > 1 && { condition: Array.from({ length: expressions - 1 }, () => 'and') }) };
}

describe('a predicate', () => {
  it('is served with as many comparisons as a query may make', () => {
    expect(readQuery(predicate(rowOf(50, good)), LIMITS, '').condition.kind).toBe('and');
    expect(readQuery(predicate(...Array.from({ length: 50 }, () => rowOf(1, good))), LIMITS, '').condition.kind).toBe('and');
  });

  it('is refused at the row that makes one more', () => {
    expect(refusedPlace(predicate(rowOf(51, good)))).toBe('/query/0');
    expect(refusedPlace(predicate(rowOf(50, good), rowOf(1, good)))).toBe('/query/1');
    expect(refusedPlace(predicate(...Array.from({ length: 51 }, () => rowOf(1, good))))).toBe('/query');
  });

  it('is refused, however large', () => {
    expect(refusedPlace(predicate(rowOf(MANY, 1)))).toBe('/query/0');
    expect(refusedPlace(predicate(rowOf(8_000, good)))).toBe('/query/0');
    expect(refusedPlace(predicate(...Array.from({ length: MANY }, () => rowOf(1, good))))).toBe('/query');
    expect(refusedPlace(predicate({ ...rowOf(MANY, 1), expression1: '' }))).toBe('/query/0');
    expect(refusedPlace(predicate({ expression1: good, condition: Array.from({ length: MANY }, () => 'and') }))).toBe('/query/0');
  });

  it('is refused for what stands behind an expression that is left blank', () => {
    expect(refusedPlace(predicate({ expression1: good, expression2: '', limit: 3 }))).toBe('/query/0');
    expect(refusedPlace(predicate({ expression1: good, expression2: '', condition: '', expression3: good }))).toBe('/query/0');
  });
});

describe('an expression', () => {
  it('is refused where it makes one comparison too many', () => {
    const list = (length: number): object[] => Array.from({ length }, () => ({ sex: 'male' }));
    expect(readQuery(expression({ $or: list(50) }), LIMITS, '').condition).toMatchObject({ kind: 'or' });
    expect(refusedPlace(expression({ $or: list(51) }))).toBe(`${PLACE}/$or`);
    expect(refusedPlace(expression({ $or: list(30), $and: [{ $nor: list(21) }] }))).toBe(`${PLACE}/$and/0/$nor`);
    expect(refusedPlace(expression({ $or: list(49), age: { $gt: 1, $lt: 9 } }))).toBe(`${PLACE}/age`);
  });

  it('is refused soon, however wide and deep', () => {
    const wide = Array.from({ length: MANY }, () => ({ sex: 'male' }));
    const names = Object.fromEntries(Array.from({ length: MANY }, (_, index) => [`n${index}`, 1]));
    const nest = (levels: number, inner: object, wrap: (inner: object) => object): object =>
      Array.from({ length: levels }).reduce<object>(wrap, inner);
    for (const query of [{ $and: wide }, { $or: wide }, { $nor: wide }, names, { age: names }, { $not: names }])
      refusedPlace(expression(query));
    for (const operator of ['$and', '$or', '$nor']) {
      refusedPlace(expression(nest(MANY, { sex: 'male' }, (inner) => ({ [operator]: [inner] }))));
      refusedPlace(expression(nest(8_000, { sex: 'male' }, (inner) => ({ [operator]: [inner, { sex: 'male' }, inner] }))));
    }
    refusedPlace(expression(nest(MANY, { sex: 'male' }, (inner) => ({ $not: inner }))));
    refusedPlace(expression({ sex: nest(MANY, { $eq: 'male' }, (inner) => ({ $not: inner })) }));
  });

  it('is refused for a beginning that is too long to be read', () => {
    expect(refusedPlace(expression({ given_name: { $regex: `^${'a'.repeat(10_000_000)}` } }))).toBe(`${PLACE}/given_name/$regex`);
  });
});

describe('the values of all lists of a query', () => {
  const values = (length: number): number[] => Array.from({ length }, (_, index) => index);

  it('are counted together', () => {
    const within = { $or: [{ age: { $in: values(60) } }, { age: { $nin: values(40) } }, { age: 1 }] };
    expect(readQuery(expression(within), LIMITS, '').condition).toMatchObject({ kind: 'or' });
    expect(refusedPlace(expression({ $or: [{ age: { $in: values(60) } }, { age: { $nin: values(41) } }] }))).toBe(
      `${PLACE}/$or/1/age/$nin`,
    );
    expect(refusedPlace(expression({ $or: values(40).map(() => ({ birth_date: { $in: values(1_000) } })) }))).toBe(
      `${PLACE}/$or/0/birth_date/$in`,
    );
  });

  it('are counted together in the rows of a predicate', () => {
    const row = (length: number): object => ({ expression1: { attribute_name: 'age', operator: 'in', attribute_value: values(length) } });
    expect(readQuery(predicate(row(60), row(40)), LIMITS, '').condition).toMatchObject({ kind: 'and' });
    expect(refusedPlace(predicate(row(60), row(41)))).toBe('/query/1/expression1/attribute_value');
  });
});
