import type { Operator } from '../../profiles/profile.ts';

/** Spellings of the operators, as a predicate writes them; an expression may put `$` before each. */
const OPERATORS: ReadonlyMap<string, Operator> = new Map([
  ['eq', 'eq'],
  ['ne', 'ne'],
  ['lt', 'lt'],
  ['le', 'le'],
  ['lte', 'le'],
  ['gt', 'gt'],
  ['ge', 'ge'],
  ['gte', 'ge'],
  ['in', 'in'],
  ['nin', 'nin'],
  ['exists', 'exists'],
]);

/** The operator that is spelled so; only these exist. `regex` is the expression's own and is read there. */
export function findOperator(spelling: string): Operator | undefined {
  return OPERATORS.get(spelling.startsWith('$') ? spelling.slice(1) : spelling);
}
