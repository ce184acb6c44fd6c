import { dropEmpty, isObject, type JsonObject, type Rewriting, readNumbers, renameMember, replaceMember } from './lenient-rewriting.ts';

/** The queries of lenient mode: their types and operators by the names that people give them. */

/** Where criteria keep their query and its type: `query`/`query_type` in a search, `filter`/`filter_type` in a subscription. */
export interface QueryMembers {
  readonly query: string;
  readonly type: string;
}

/** Normalises the query of `criteria` in place. */
export function normaliseQuery(rewriting: Rewriting, criteria: JsonObject, members: QueryMembers, at: string): void {
  const pointer = `${at}/${members.query}`;
  const query = criteria[members.query];
  if (Array.isArray(query)) normalisePredicate(rewriting, criteria, members, query, at);
  else if (isObject(query) && 'expression1' in query) {
    replaceMember(rewriting, criteria, members.query, at, [query], 'read as a list of one');
    normalisePredicate(rewriting, criteria, members, [query], at);
  } else if (isObject(query)) normaliseExpressionQuery(rewriting, query, pointer);
}

function normalisePredicate(rewriting: Rewriting, criteria: JsonObject, members: QueryMembers, rows: readonly unknown[], at: string): void {
  if (criteria[members.type] === 'expression')
    replaceMember(rewriting, criteria, members.type, at, 'predicate', 'read by the form of the query');
  for (const [index, row] of rows.entries()) if (isObject(row)) normaliseRow(rewriting, row, `${at}/${members.query}/${index}`);
}

const PREDICATE_SYNONYMS: ReadonlyMap<string, string> = new Map([
  ['gte', 'ge'],
  ['lte', 'le'],
  ['$gte', 'ge'],
  ['$lte', 'le'],
  ...['eq', 'ne', 'lt', 'gt', 'le', 'ge', 'in'].map((operator) => [`$${operator}`, operator] as const),
]);

/** With a number, not with any digits that a sender likes: these names stand in the places of changes. */
const EXPRESSION = /^expression\d{1,3}$/;

function normaliseRow(rewriting: Rewriting, row: JsonObject, at: string): void {
  const expressions = Object.keys(row).filter((name) => EXPRESSION.test(name));
  const optionals = expressions.filter((name) => name !== 'expression1');
  dropEmpty(rewriting, row, at, ['seq_num', 'condition', ...optionals]);
  readNumbers(rewriting, row, at, ['seq_num']);
  normaliseConditions(rewriting, row, at);
  for (const name of expressions) {
    const expression = row[name];
    if (isObject(expression))
      renameMember(rewriting, expression, 'operator', `${at}/${name}`, (operator) => PREDICATE_SYNONYMS.get(operator));
  }
}

/** A `condition` that stood more than once is a list; the empty ones joined nothing. */
function normaliseConditions(rewriting: Rewriting, row: JsonObject, at: string): void {
  const conditions = row['condition'];
  if (!Array.isArray(conditions) || !conditions.includes('')) return;
  const given: unknown[] = conditions.filter((condition) => condition !== '');
  replaceMember(rewriting, row, 'condition', at, given.length > 1 ? given : given[0], 'empty text read as absent');
  if (given.length === 0) delete row['condition'];
}

function normaliseExpressionQuery(rewriting: Rewriting, query: JsonObject, at: string): void {
  const value = query['value'];
  const expression = isObject(value) ? value['expression'] : undefined;
  if (!isObject(expression)) return;
  if (isObject(expression['query']))
    normaliseFilter(rewriting, expression['query'], { pointer: `${at}/value/expression/query`, isWhole: true });
}

/** A pointer into a filter that ends before the first name that is not the protocol's. */
interface Place {
  readonly pointer: string;
  /** Whether it has not ended yet. */
  readonly isWhole: boolean;
}

const JUNCTIONS: ReadonlySet<string> = new Set(['$and', '$or', '$not', '$nor']);

function below({ pointer, isWhole }: Place, segment: string | number): Place {
  const isOurs = typeof segment === 'number' || JUNCTIONS.has(segment);
  return isWhole && isOurs ? { pointer: `${pointer}/${segment}`, isWhole } : { pointer, isWhole: false };
}

/** Recursion follows the nesting of the message, which its reader bounds. */
function normaliseFilter(rewriting: Rewriting, filter: JsonObject, at: Place): void {
  for (const [name, value] of Object.entries(filter)) {
    const place = below(at, name);
    if (Array.isArray(value)) {
      for (const [index, term] of value.entries()) if (isObject(term)) normaliseFilter(rewriting, term, below(place, index));
    } else if (isObject(value)) {
      if (name.startsWith('$')) normaliseFilter(rewriting, value, place);
      else renameOperators(rewriting, value, place);
    }
  }
}

const EXPRESSION_SYNONYMS: ReadonlyMap<string, string> = new Map([
  ['le', '$lte'],
  ['ge', '$gte'],
  ['$le', '$lte'],
  ['$ge', '$gte'],
  ...['eq', 'ne', 'lt', 'lte', 'gt', 'gte', 'in', 'nin'].map((operator) => [operator, `$${operator}`] as const),
]);

function renameOperators(rewriting: Rewriting, comparisons: JsonObject, { pointer }: Place): void {
  for (const [name, value] of Object.entries(comparisons)) {
    const operator = EXPRESSION_SYNONYMS.get(name);
    if (operator === undefined || operator in comparisons) continue;
    delete comparisons[name];
    comparisons[operator] = value;
    rewriting.changes.push(`${pointer}: operator read by synonym`);
  }
}
