import type { Profile, RecordType } from '../profiles/profile.ts';
import type { Comparison, Leaf } from './filter-tree.ts';
import type { Filter } from './plan.ts';
import { type RelatedFilter, relateFilter } from './relate.ts';
import { columnOf, membershipColumns, type Parameters, quoteText, tableOf } from './sql.ts';

/** The row a condition is about. */
export interface RowScope {
  readonly profile: Profile;
  readonly recordType: RecordType;
  readonly alias: string;
  readonly parameters: Parameters;
}

type IdentifierLeaf = Extract<Leaf, { kind: 'identifier' }>;
type RelatedTerm = Extract<RelatedFilter, { kind: 'related' }>;

/** A condition on the row. SQL's unknown counts as false at each negation, so that `not` has two values as in the evaluator of the tests. */
export function compileFilter(filter: RelatedFilter, row: RowScope): string {
  switch (filter.kind) {
    case 'and':
    case 'or':
      if (filter.terms.length === 0) throw new Error('an empty condition is no condition');
      return `(${filter.terms.map((term) => compileFilter(term, row)).join(` ${filter.kind} `)})`;
    case 'not':
      return compileNegation(filter.term, row);
    case 'compare':
      return compileComparison(filter, row);
    case 'identifier':
      return compileIdentifier(filter, row);
    case 'records':
      return `${row.alias}.id = any(${row.parameters.bind(filter.ids, 'uuid[]')})`;
    case 'related':
      return compileRelated(filter, row);
  }
}

/** `not exists` is what the planner makes an anti-join of. */
function compileNegation(term: RelatedFilter, row: RowScope): string {
  const sql = compileFilter(term, row);
  return sql.startsWith('exists (') ? `not ${sql}` : `(${sql}) is not true`;
}

function compileComparison({ recordType, attribute, operator, value }: Comparison, { alias, parameters }: RowScope): string {
  const { name, sqlType } = columnOf(recordType, attribute);
  const column = `${alias}.${name}`;
  switch (operator) {
    case 'eq':
      return `${column} = ${parameters.bind(value, sqlType)}`;
    case 'lt':
      return `${column} < ${parameters.bind(value, sqlType)}`;
    case 'le':
      return `${column} <= ${parameters.bind(value, sqlType)}`;
    case 'gt':
      return `${column} > ${parameters.bind(value, sqlType)}`;
    case 'ge':
      return `${column} >= ${parameters.bind(value, sqlType)}`;
    case 'in':
      return `${column} = any(${parameters.bind(value, `${sqlType}[]`)})`;
    case 'exists':
      return `${column} is not null`;
    case 'prefix':
      return compilePrefix(column, String(value), parameters);
    case 'ne':
    case 'nin':
      throw new Error(`${operator} is spelled as a negation`);
  }
}

/** A range instead of LIKE: columns are collated by code point, so it is exact, needs no escapes and uses the index. */
function compilePrefix(column: string, prefix: string, parameters: Parameters): string {
  const from = `${column} >= ${parameters.bind(prefix, 'text')}`;
  const until = findNextText(prefix);
  return until === undefined ? from : `(${from} and ${column} < ${parameters.bind(until, 'text')})`;
}

const LAST_CODE_POINT = 0x10ffff;
const BEFORE_SURROGATES = 0xd7ff;
const AFTER_SURROGATES = 0xe000;

/** The least text that is greater than everything that begins with `prefix`. */
function findNextText(prefix: string): string | undefined {
  const points = [...prefix].map((character) => character.codePointAt(0) ?? 0);
  while (points.at(-1) === LAST_CODE_POINT) points.pop();
  const last = points.pop();
  if (last === undefined) return undefined;
  return String.fromCodePoint(...points, last === BEFORE_SURROGATES ? AFTER_SURROGATES : last + 1);
}

/** Type and value on one current identifier. Read once and then probed by primary key, under `or` too. */
function compileIdentifier(leaf: IdentifierLeaf, row: RowScope): string {
  const { alias, parameters } = row;
  const type = parameters.bind(leaf.type, 'text');
  const current = `i.registry = ${quoteText(row.profile.registry)} and i.type = ${type} and i.valid_to is null`;
  if (leaf.operator === 'exists') return `exists (select 1 from identifier i where i.record_id = ${alias}.id and ${current})`;
  const value =
    leaf.operator === 'eq' ? `= ${parameters.bind(leaf.values[0], 'text')}` : `= any(${parameters.bind(leaf.values, 'text[]')})`;
  const ofType = `i.record_type = ${quoteText(leaf.recordType.name)}`;
  return `${alias}.id = any(array(select i.record_id from identifier i where ${current} and i.value ${value} and ${ofType}))`;
}

function compileRelated({ recordType, filter }: RelatedTerm, row: RowScope): string {
  const columns = membershipColumns(row.recordType, recordType);
  const other = { ...row, recordType, alias: 'o' };
  const from = `from membership m join ${tableOf(row.profile, recordType)} o on o.id = m.${columns.other}`;
  const condition = compileFilter(relateFilter(filter, recordType), other);
  if (isProbe(filter)) return `${row.alias}.id = any(array(select m.${columns.own} ${from} where ${condition}))`;
  return `exists (select 1 ${from} where m.${columns.own} = ${row.alias}.id and ${condition})`;
}

/** Whether an identifier narrows the filter to a few records. */
function isProbe(filter: Filter): boolean {
  if (filter.kind === 'and') return filter.terms.some(isProbe);
  return filter.kind === 'identifier' && filter.operator !== 'exists';
}
