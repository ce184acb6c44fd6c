import type { RecordType } from '../profiles/profile.ts';
import type { Document } from './document.ts';
import type { RecordIdentifier } from './identifier.ts';
import type { Filter, Scalar } from './plan.ts';
import { searchColumns } from './record-table.ts';

/**
 * By which values a filter is found from a record, without looking at the filters one by one. A filter stands under the
 * keys of one of its equality terms; a record has the key of each of its identifiers and attributes. A record that meets a
 * filter always has one of its keys. Where meeting a key is meeting the filter, it is exact; all others are then held
 * against the record.
 */
export interface FilterKey {
  readonly field: string;
  readonly value: string;
}

export interface FilterKeys {
  readonly keys: readonly FilterKey[];
  readonly isExact: boolean;
}

/** Every record has it. */
export const EVERYTHING: FilterKeys = { keys: [{ field: '*', value: '' }], isExact: true };

/** Of filters without an equality term that must hold; every record has it too. */
const UNKEYED: FilterKeys = { keys: [{ field: '?', value: '' }], isExact: false };

export function findFilterKeys(filter: Filter, recordType: RecordType): FilterKeys {
  return findKeys(filter, recordType) ?? UNKEYED;
}

/** The keys of a record, by which filters that it may meet are found. */
export function listRecordKeys(recordType: RecordType, document: Document, identifiers: readonly RecordIdentifier[]): FilterKey[] {
  const attributes = searchColumns(recordType).flatMap(({ attribute, read }) => {
    const value = read(document);
    return value === null ? [] : [{ field: `attribute ${attribute.name}`, value: String(value) }];
  });
  const own = identifiers.map(({ type, value }) => ({ field: `identifier ${type}`, value }));
  return [...EVERYTHING.keys, ...UNKEYED.keys, ...own, ...attributes];
}

function findKeys(filter: Filter, recordType: RecordType): FilterKeys | undefined {
  switch (filter.kind) {
    case 'and': {
      const found = filter.terms.map((term) => findKeys(term, recordType)).filter((keys) => keys !== undefined);
      const [best] = found.toSorted((one, other) => weigh(one) - weigh(other));
      return best && { keys: best.keys, isExact: best.isExact && filter.terms.length === 1 };
    }
    case 'or': {
      const found = filter.terms.map((term) => findKeys(term, recordType));
      if (found.some((keys) => keys === undefined)) return undefined;
      const all = found.filter((keys) => keys !== undefined);
      return { keys: all.flatMap(({ keys }) => keys), isExact: all.every(({ isExact }) => isExact) };
    }
    case 'identifier':
      if (filter.recordType !== recordType || filter.operator === 'exists') return undefined;
      return { keys: filter.values.map((value) => ({ field: `identifier ${filter.type}`, value })), isExact: true };
    case 'compare': {
      const { attribute, operator, value } = filter;
      // A timestamp may be written in several ways; an age is not kept.
      if (filter.recordType !== recordType || attribute.derived !== undefined || attribute.type === 'timestamp') return undefined;
      if (operator !== 'eq' && operator !== 'in') return undefined;
      const values = [value].flat() as readonly Scalar[];
      return { keys: values.map((one) => ({ field: `attribute ${attribute.name}`, value: String(one) })), isExact: true };
    }
    case 'not':
    case 'records':
      return undefined;
  }
}

/** Few records have an identifier in common, and many a sex. */
function weigh({ keys }: FilterKeys): number {
  const [first] = keys;
  return (first?.field.startsWith('identifier') === true ? 0 : 1_000_000) + keys.length;
}
