import { filterRefusal } from '../refusal.ts';
import { childPointer, findUnknownMember, isObject, type JsonObject } from './json.ts';
import { findOperator } from './operators.ts';
import { allOf, anyOf, type Condition, type Query } from './query.ts';
import type { QuerySize } from './query-size.ts';

/**
 * A list of rows. Rows are taken in the order of `seq_num` and all must hold. The expressions of a row are joined from
 * left to right by its conditions, without precedence: `a and b or c` is `(a and b) or c`; `a not b` is `a and not b`.
 * A row has `expression1`, and for each further expression one condition (a list of them when there are several).
 */
export function readPredicate(query: unknown, size: QuerySize, pointer: string): Query {
  if (!Array.isArray(query)) throw filterRefusal('a predicate is a list of rows', pointer);
  if (query.length === 0) throw filterRefusal('a predicate needs at least one row', pointer);
  size.assertRoom(query.length, pointer);
  const rows = query.map((row: unknown, index) => readRow(row, size, childPointer(pointer, index)));
  return { condition: allOf(rows.toSorted((a, b) => a.position - b.position).map((row) => row.condition)) };
}

type Joint = 'and' | 'or' | 'not';

interface Row {
  readonly position: number;
  readonly condition: Condition;
}

function readRow(row: unknown, size: QuerySize, pointer: string): Row {
  if (!isObject(row)) throw filterRefusal('a row of a predicate is an object', pointer);
  const expressions = listExpressions(row, size, pointer);
  const blank = row['expression2'] === '' ? ['expression2'] : [];
  if (findUnknownMember(row, ['seq_num', 'condition', ...expressions.keys(), ...blank]) !== undefined) {
    throw filterRefusal('a row has seq_num, condition and expression1, expression2 … only', pointer);
  }
  const conditions = listConditions(row['condition']);
  if (conditions.length !== expressions.size - 1) {
    throw filterRefusal('a row needs exactly one condition between each two expressions', pointer);
  }
  assertConditions(conditions, childPointer(pointer, 'condition'));
  const [first, ...others] = [...expressions].map(([name, value]) => readComparison(value, size, childPointer(pointer, name)));
  if (first === undefined) throw filterRefusal('a row needs expression1', pointer);
  return {
    position: readPosition(row['seq_num'], childPointer(pointer, 'seq_num')),
    condition: others.reduce((left, right, index) => combine(left, conditions[index], right), first),
  };
}

/** `expression1`, `expression2` … for as long as they are there. */
function listExpressions(row: JsonObject, size: QuerySize, pointer: string): ReadonlyMap<string, unknown> {
  const expressions = new Map<string, unknown>();
  for (let number = 1; ; number += 1) {
    const name = `expression${number}`;
    if (isAbsent(row, name)) break;
    size.addTerms(1, pointer);
    expressions.set(name, row[name]);
  }
  if (expressions.size === 0) throw filterRefusal('a row needs expression1', pointer);
  return expressions;
}

/** The published samples write an expression that is not there as an empty string. */
function isAbsent(row: JsonObject, name: string): boolean {
  return !Object.hasOwn(row, name) || row[name] === '';
}

function listConditions(condition: unknown): readonly unknown[] {
  if (condition === undefined || condition === '') return [];
  return Array.isArray(condition) ? condition : [condition];
}

function assertConditions(conditions: readonly unknown[], pointer: string): asserts conditions is readonly Joint[] {
  if (!conditions.every((value) => value === 'and' || value === 'or' || value === 'not')) {
    throw filterRefusal('condition must be and, or or not', pointer);
  }
}

function readPosition(value: unknown, pointer: string): number {
  if (value === undefined || value === '') return 0;
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  if (typeof value === 'string' && /^\d{1,9}$/.test(value)) return Number(value);
  throw filterRefusal('seq_num must be a number', pointer);
}

function readComparison(value: unknown, size: QuerySize, pointer: string): Condition {
  if (!isObject(value)) throw filterRefusal('an expression is an object of attribute_name, operator and attribute_value', pointer);
  const unknown = findUnknownMember(value, ['attribute_name', 'operator', 'attribute_value']);
  if (unknown !== undefined) throw filterRefusal('an expression has attribute_name, operator and attribute_value only', pointer);
  const namePointer = childPointer(pointer, 'attribute_name');
  const { attribute_name: name, operator: spelling } = value;
  if (typeof name !== 'string') throw filterRefusal('attribute_name must be the name of an attribute', namePointer);
  const operator = typeof spelling === 'string' ? findOperator(spelling) : undefined;
  const operatorPointer = childPointer(pointer, 'operator');
  if (operator === undefined) throw filterRefusal('the operator is not known', operatorPointer);
  const valuePointer = childPointer(pointer, 'attribute_value');
  size.addValues(value['attribute_value'], valuePointer);
  return { kind: 'term', name, operator, value: value['attribute_value'], namePointer, operatorPointer, valuePointer };
}

function combine(left: Condition, condition: Joint | undefined, right: Condition): Condition {
  if (condition === 'or') return anyOf([left, right]);
  return allOf([left, condition === 'not' ? { kind: 'not', term: right } : right]);
}
