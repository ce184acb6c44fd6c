import type { Operator } from '../../profiles/profile.ts';
import { criteriaRefusal, filterRefusal } from '../refusal.ts';
import { childPointer, findUnknownMember, isObject, type JsonObject } from './json.ts';
import { findOperator } from './operators.ts';
import { allOf, anyOf, type Condition, type Query } from './query.ts';
import type { QuerySize } from './query-size.ts';

/**
 * `{type, value: {expression: {collection, query}}}`, the query in a subset of MongoDB's: `$and $or $nor $not` over
 * `{attribute: value}` and `{attribute: {operator: value, …}}`. Members of one object must all hold.
 */
export function readExpression(query: unknown, size: QuerySize, pointer: string): Query {
  const outer = assertMembers(query, ['type', 'value'], pointer);
  if (outer['type'] !== undefined && typeof outer['type'] !== 'string') {
    throw criteriaRefusal('type must be a string', childPointer(pointer, 'type'));
  }
  const valuePointer = childPointer(pointer, 'value');
  const value = assertMembers(outer['value'], ['expression'], valuePointer);
  const expressionPointer = childPointer(valuePointer, 'expression');
  const expression = assertMembers(value['expression'], ['collection', 'query'], expressionPointer);
  const collection = readCollection(expression['collection'], childPointer(expressionPointer, 'collection'));
  const condition = readConditions(expression['query'], { size, depth: 1 }, childPointer(expressionPointer, 'query'));
  return { ...(collection && { collection }), condition };
}

interface Level {
  readonly size: QuerySize;
  readonly depth: number;
}

function assertMembers(value: unknown, members: readonly string[], pointer: string): JsonObject {
  if (!isObject(value)) throw filterRefusal(`an object of ${members.join(' and ')} is expected`, pointer);
  if (findUnknownMember(value, members) !== undefined) throw filterRefusal(`only ${members.join(' and ')} may stand here`, pointer);
  return value;
}

function readCollection(value: unknown, pointer: string): Query['collection'] {
  if (value === undefined) return undefined;
  if (typeof value !== 'string') throw criteriaRefusal('collection must be the name of a record type', pointer);
  return { name: value, pointer };
}

function readConditions(value: unknown, level: Level, pointer: string): Condition {
  level.size.assertDepth(level.depth, pointer);
  if (!isObject(value)) throw filterRefusal('a query is an object', pointer);
  const members = Object.entries(value);
  if (members.length === 0) throw filterRefusal('an empty query is not served', pointer);
  level.size.assertRoom(members.length, pointer);
  return allOf(members.map(([key, member]) => readMember(key, member, level, childPointer(pointer, key))));
}

function readMember(key: string, value: unknown, level: Level, pointer: string): Condition {
  const inner = { ...level, depth: level.depth + 1 };
  switch (key) {
    case '$and':
      return allOf(readList(value, inner, pointer));
    case '$or':
      return anyOf(readList(value, inner, pointer));
    case '$nor':
      return { kind: 'not', term: anyOf(readList(value, inner, pointer)) };
    case '$not':
      return { kind: 'not', term: readConditions(value, inner, pointer) };
    default:
      if (key.startsWith('$')) throw filterRefusal('the operator is not known', pointer);
      return readAttribute(key, value, inner, pointer);
  }
}

function readList(value: unknown, level: Level, pointer: string): readonly Condition[] {
  if (!Array.isArray(value) || value.length === 0) throw filterRefusal('a list of at least one query is expected', pointer);
  level.size.assertRoom(value.length, pointer);
  return value.map((term: unknown, index) => readConditions(term, level, childPointer(pointer, index)));
}

/** `value`, or an object of operators that all hold. */
function readAttribute(name: string, value: unknown, level: Level, pointer: string): Condition {
  if (!isObject(value)) return readComparison(name, 'eq', value, level, pointer, pointer);
  level.size.assertDepth(level.depth, pointer);
  const members = Object.entries(value);
  if (members.length === 0) throw filterRefusal('an attribute needs a value or an operator', pointer);
  level.size.assertRoom(members.length, pointer);
  return allOf(members.map(([operator, operand]) => readOperator(name, operator, operand, level, pointer)));
}

function readOperator(name: string, spelling: string, operand: unknown, level: Level, pointer: string): Condition {
  const valuePointer = childPointer(pointer, spelling);
  if (spelling === '$not') {
    if (!isObject(operand)) throw filterRefusal('$not is followed by an object of operators', valuePointer);
    return { kind: 'not', term: readAttribute(name, operand, { ...level, depth: level.depth + 1 }, valuePointer) };
  }
  if (spelling === '$regex') return readComparison(name, 'prefix', readAnchoredPrefix(operand, valuePointer), level, pointer, valuePointer);
  const operator = findOperator(spelling);
  if (operator === undefined) throw filterRefusal('the operator is not known', valuePointer);
  return readComparison(name, operator, operand, level, pointer, valuePointer);
}

function readComparison(
  name: string,
  operator: Operator,
  value: unknown,
  { size }: Level,
  namePointer: string,
  valuePointer: string,
): Condition {
  size.addTerms(1, valuePointer);
  size.addValues(value, valuePointer);
  return { kind: 'term', name, operator, value, namePointer, operatorPointer: valuePointer, valuePointer };
}

/** More than the longest text takes with each character escaped; beyond some millions the expression's own stack runs out. */
const LONGEST_PATTERN = 1_000;

/** `^abc`: the text that values begin with. `\.` stands for the character itself; any other expression is refused. */
function readAnchoredPrefix(pattern: unknown, pointer: string): string {
  const short = typeof pattern === 'string' && pattern.length <= LONGEST_PATTERN ? pattern : '';
  const literal = /^\^((?:[^\\^$.|?*+()[\]{}]|\\[\\^$.|?*+()[\]{}/-])+)$/u.exec(short)?.[1];
  if (literal === undefined) throw filterRefusal('only a beginning can be searched for: ^ and the text itself', pointer);
  return literal.replaceAll(/\\(.)/gu, '$1');
}
