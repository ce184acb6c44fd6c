import { findIdentifierType } from '../profiles/index.ts';
import type { Attribute, IdentifierType, Profile, RecordType } from '../profiles/profile.ts';
import { isCovered, needsOfField } from './cover.ts';
import type { Document } from './document.ts';
import type { Comparison } from './filter-tree.ts';
import type { RecordIdentifier } from './identifier.ts';
import type { Filter, Scalar } from './plan.ts';
import { type ColumnValue, searchColumns } from './record-table.ts';

/** A record that is not in the tables any more, as it was. */
export interface GoneRecord {
  readonly profile: Profile;
  readonly recordType: RecordType;
  readonly id: string;
  readonly document: Document;
  readonly identifiers: readonly RecordIdentifier[];
  /** What consents cover of it: all other fields are compared as if it lacked them. Absent: none are needed. */
  readonly marks?: ReadonlySet<string>;
}

/**
 * Whether a record that is gone met a filter. What it says of other records cannot be told any more: undefined, which no
 * negation turns into a yes.
 */
export function meetsFilter(record: GoneRecord, filter: Filter): boolean | undefined {
  switch (filter.kind) {
    case 'and':
      return every(filter.terms.map((term) => meetsFilter(record, term)));
    case 'or':
      return negate(every(filter.terms.map((term) => negate(meetsFilter(record, term)))));
    case 'not':
      return negate(meetsFilter(record, filter.term));
    case 'records':
      return filter.recordType === record.recordType ? filter.ids.includes(record.id) : undefined;
    case 'identifier': {
      if (filter.recordType !== record.recordType) return undefined;
      const type = findIdentifierType(record.profile, filter.type, record.recordType.name);
      const own =
        type !== undefined && isOpen(record, type) ? record.identifiers.filter((identifier) => identifier.type === type.code) : [];
      return filter.operator === 'exists' ? own.length > 0 : own.some(({ value }) => filter.values.includes(value));
    }
    case 'compare':
      return filter.recordType === record.recordType ? compare(filter, readColumn(record, filter)) : undefined;
  }
}

function every(results: readonly (boolean | undefined)[]): boolean | undefined {
  if (results.includes(false)) return false;
  return results.includes(undefined) ? undefined : true;
}

function negate(result: boolean | undefined): boolean | undefined {
  return result === undefined ? undefined : !result;
}

function readColumn(record: GoneRecord, { attribute }: Comparison): ColumnValue | undefined {
  const { recordType, document } = record;
  if (!isOpen(record, attribute)) return null;
  return searchColumns(recordType)
    .find((column) => column.attribute.name === attribute.name)
    ?.read(document);
}

function isOpen({ recordType, marks }: GoneRecord, field: Attribute | IdentifierType): boolean {
  return marks === undefined || isCovered(needsOfField(recordType, field), marks);
}

/** Undefined: the attribute has no column, so nobody knows. */
function compare({ attribute, operator, value }: Comparison, own: ColumnValue | undefined): boolean | undefined {
  if (own === undefined) return undefined;
  if (own === null) return operator === 'ne' || operator === 'nin' || (operator === 'exists' && value === false);
  const [first, ...others] = ([value].flat() as readonly Scalar[]).map((one) => order(attribute.type, own, one));
  const orders = first === undefined ? [] : [first, ...others];
  switch (operator) {
    case 'exists':
      return value !== false;
    case 'prefix':
      return typeof own === 'string' && own.startsWith(String(value));
    case 'eq':
    case 'in':
      return orders.includes(0);
    case 'ne':
    case 'nin':
      return !orders.includes(0);
    case 'lt':
      return first === -1;
    case 'le':
      return first === -1 || first === 0;
    case 'gt':
      return first === 1;
    case 'ge':
      return first === 1 || first === 0;
  }
}

function order(type: string, own: Scalar, other: Scalar): -1 | 0 | 1 {
  if (type === 'timestamp') return sign(Date.parse(String(own)) - Date.parse(String(other)));
  return own === other ? 0 : own < other ? -1 : 1;
}

function sign(difference: number): -1 | 0 | 1 {
  return difference < 0 ? -1 : difference > 0 ? 1 : 0;
}
