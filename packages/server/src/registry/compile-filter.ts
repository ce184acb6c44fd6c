import { findIdentifierType } from '../profiles/index.ts';
import type { Attribute, IdentifierType, Profile, RecordType } from '../profiles/profile.ts';
import { compileConsented, compileCovered } from './compile-consent.ts';
import { needsOfField } from './cover.ts';
import type { Comparison, Leaf } from './filter-tree.ts';
import type { Filter } from './plan.ts';
import { type RelatedFilter, relateFilter } from './relate.ts';
import type { Sight } from './sight.ts';
import { columnOf, membershipColumns, type Parameters, quoteText, tableOf } from './sql.ts';

/** The row a condition is about. */
export interface RowScope {
  readonly profile: Profile;
  readonly recordType: RecordType;
  readonly alias: string;
  readonly parameters: Parameters;
  readonly sight: Sight | undefined;
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
      return whereCovered(compileComparison(filter, row), filter.attribute, row);
    case 'identifier':
      return whereCovered(compileIdentifier(filter, row), getIdentifierType(filter, row), row);
    case 'records':
      return `${row.alias}.id = any(${row.parameters.bind(filter.ids, 'uuid[]')})`;
    case 'related':
      return compileRelated(filter, row);
  }
}

/** `condition`, and that the row is in sight. */
export function compileSeen(condition: string, row: RowScope): string {
  return [condition, ...compileSight(row)].join(' and ');
}

/** What must hold of a row that is in sight; nothing where every row is. */
export function compileSight(row: RowScope): readonly string[] {
  const { sight, recordType } = row;
  if (sight === undefined) return [];
  if (sight.closed.has(recordType.name)) return ['false'];
  const rows = sight.rows.get(recordType.name);
  // What the operator laid down is judged by all that there is, not by what the partner sees.
  const scope = rows === undefined ? [] : [compileFilter(relateFilter(rows, recordType), { ...row, sight: undefined })];
  return sight.consent === undefined ? scope : [...scope, compileConsented(sight.consent, row)];
}

/** A field that no consent covers is compared as if the record lacked it: the answer is the same whatever it holds. */
export function whereCovered(sql: string, field: Attribute | IdentifierType, row: RowScope): string {
  const consent = row.sight?.consent;
  return consent === undefined ? sql : `(${sql} and ${compileCovered(consent, needsOfField(row.recordType, field), row)})`;
}

export function getIdentifierType(leaf: IdentifierLeaf, { profile, recordType }: RowScope): IdentifierType {
  const found = findIdentifierType(profile, leaf.type, recordType.name);
  if (found === undefined) throw new Error(`${recordType.name} has no identifier ${leaf.type}`);
  return found;
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
  // Inside another such condition the name must be a new one.
  const other = { ...row, recordType, alias: row.alias === 'r' ? 'o' : `${row.alias}o` };
  const from = `from membership m join ${tableOf(row.profile, recordType)} ${other.alias} on ${other.alias}.id = m.${columns.other}`;
  const condition = compileSeen(compileFilter(relateFilter(filter, recordType), other), other);
  if (isProbe(filter)) return `${row.alias}.id = any(array(select m.${columns.own} ${from} where ${condition}))`;
  return `exists (select 1 ${from} where m.${columns.own} = ${row.alias}.id and ${condition})`;
}

/** Whether an identifier narrows the filter to a few records. */
function isProbe(filter: Filter): boolean {
  if (filter.kind === 'and') return filter.terms.some(isProbe);
  return filter.kind === 'identifier' && filter.operator !== 'exists';
}
