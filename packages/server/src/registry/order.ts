import { findIdentifierType } from '../profiles/index.ts';
import type { Attribute, IdentifierType } from '../profiles/profile.ts';
import { compileSeen, type RowScope, whereCovered } from './compile-filter.ts';
import type { Scalar, SearchPlan, SortKey } from './plan.ts';
import { rowOf } from './record-columns.ts';
import { columnOf, membershipColumns, type Parameters, quoteText, tableOf } from './sql.ts';

/** One key of an order. A record that lacks it comes last in an ascending order and first in a descending one, as in the index. */
export interface OrderKey {
  readonly sql: string;
  readonly alias: string;
  readonly sqlType: string;
  readonly direction: 'asc' | 'desc';
  readonly isNullable: boolean;
}

/** The keys of a plan's order, completed by the id, which settles ties in the direction of the last key. */
export function listOrderKeys(plan: SearchPlan, parameters: Parameters): { sort: readonly OrderKey[]; id: OrderKey } {
  const sort = plan.sort.map((key, index) => ({ ...compileKey(key, plan, parameters), alias: `s${index + 1}` }));
  const direction = sort.at(-1)?.direction ?? 'asc';
  return { sort, id: { sql: 'r.id', alias: 'id', sqlType: 'uuid', direction, isNullable: false } };
}

/** By the keys' names, which stand in `prefix`. */
export function writeOrder(keys: readonly OrderKey[], prefix: string): string {
  return keys.map(({ alias, direction }) => `${prefix}${alias} ${direction}`).join(', ');
}

/**
 * Everything after a position, as conditions that do not overlap: equal in all keys but the last and after it there,
 * equal in all but the last two, and so on. Each is one range of an index on the keys.
 */
export function rangesAfter(keys: readonly OrderKey[], values: readonly (Scalar | null)[], parameters: Parameters): readonly string[] {
  if (values.length !== keys.length) throw new Error('a position has a value for each key');
  return keys
    .flatMap((key, index) => {
      const ranges = beyond(key, values[index] ?? null, parameters);
      if (ranges.length === 0) return [];
      const equal = keys.slice(0, index).map((before, position) => equals(before, values[position] ?? null, parameters));
      return ranges.map((range) => [...equal, range].join(' and '));
    })
    .toReversed();
}

function equals(key: OrderKey, value: Scalar | null, parameters: Parameters): string {
  return value === null ? `${key.sql} is null` : `${key.sql} = ${parameters.bind(value, key.sqlType)}`;
}

function beyond(key: OrderKey, value: Scalar | null, parameters: Parameters): readonly string[] {
  if (key.direction === 'desc') return [value === null ? `${key.sql} is not null` : `${key.sql} < ${parameters.bind(value, key.sqlType)}`];
  if (value === null) return [];
  const greater = `${key.sql} > ${parameters.bind(value, key.sqlType)}`;
  return key.isNullable ? [`${key.sql} is null`, greater] : [greater];
}

type KeyExpression = Omit<OrderKey, 'alias'>;

function compileKey(key: SortKey, plan: SearchPlan, parameters: Parameters): KeyExpression {
  const { direction } = key;
  if ('identifierType' in key.by) {
    return { sql: identifierKey(key, key.by.identifierType, plan, parameters), sqlType: 'text', direction, isNullable: true };
  }
  const { attribute } = key.by;
  const { name, sqlType } = columnOf(key.recordType, attribute);
  const sql =
    key.recordType === plan.recordType
      ? ifCovered(`r.${name}`, attribute, rowOf(plan, parameters))
      : relatedKey(name, attribute, key, plan, parameters);
  return { sql, sqlType, direction, isNullable: true };
}

/** A record whose field no consent covers is sorted as one that lacks it. */
function ifCovered(sql: string, field: Attribute | IdentifierType, row: RowScope): string {
  return row.sight?.consent === undefined ? sql : `(case when ${whereCovered('true', field, row)} then ${sql} end)`;
}

/** The least value among the records bound to this one; the greatest in a descending order. */
function relatedKey(column: string, attribute: Attribute, key: SortKey, plan: SearchPlan, parameters: Parameters): string {
  const { own, other } = membershipColumns(plan.recordType, key.recordType);
  const row: RowScope = { ...rowOf(plan, parameters), recordType: key.recordType, alias: 'o' };
  const from = `from membership m join ${tableOf(plan.profile, key.recordType)} o on o.id = m.${other}`;
  const condition = compileSeen(whereCovered(`m.${own} = r.id and o.${column} is not null`, attribute, row), row);
  return `(select o.${column} ${from} where ${condition} order by o.${column} ${key.direction} limit 1)`;
}

function identifierKey(key: SortKey, type: string, plan: SearchPlan, parameters: Parameters): string {
  const least = key.direction === 'asc' ? 'min' : 'max';
  const identifierType = findIdentifierType(plan.profile, type, key.recordType.name);
  if (identifierType === undefined) throw new Error(`${key.recordType.name} has no identifier ${type}`);
  const current = `i.registry = ${quoteText(plan.profile.registry)} and i.type = ${parameters.bind(type, 'text')} and i.valid_to is null`;
  const root = rowOf(plan, parameters);
  if (key.recordType === plan.recordType)
    return ifCovered(`(select ${least}(i.value) from identifier i where i.record_id = r.id and ${current})`, identifierType, root);
  const { own, other } = membershipColumns(plan.recordType, key.recordType);
  const row: RowScope = { ...root, recordType: key.recordType, alias: 'o' };
  const seen = whereCovered(compileSeen(`m.${own} = r.id`, row), identifierType, row);
  // The record itself is needed only to see whether it is in sight.
  const owner = plan.sight === undefined ? '' : ` join ${tableOf(plan.profile, key.recordType)} o on o.id = m.${other}`;
  return `(select ${least}(i.value) from membership m join identifier i on i.record_id = m.${other}${owner} where ${seen} and ${current})`;
}
