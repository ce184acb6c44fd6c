import { DciError } from '@dci/protocol';
import type { Attribute, Profile, RecordType } from '../profiles/profile.ts';
import { recordTable, searchColumns } from './record-table.ts';

/** Parts of SQL text. Names come from profiles and are quoted; everything that a partner sent is a parameter. */
export interface Parameters {
  readonly values: readonly unknown[];
  /** The placeholder of a new parameter, cast to `sqlType`. Throws a refusal when a statement cannot carry more. */
  bind(value: unknown, sqlType: string): string;
  /** The same placeholder each time it is asked for with this very list. */
  bindShared(list: readonly unknown[], sqlType: string): string;
}

// The protocol counts the parameters of a statement in 16 bits: https://www.postgresql.org/docs/current/limits.html
const MOST_PARAMETERS = 60_000;

/** `first`: the values of placeholders that a text already has. */
export function createParameters(first: readonly unknown[] = []): Parameters {
  const values: unknown[] = [...first];
  const shared = new Map<readonly unknown[], string>();
  const bind: Parameters['bind'] = (value, sqlType) => {
    if (values.length >= MOST_PARAMETERS) throw new DciError('rjct.filter.invalid', 'the search compares with too many values');
    values.push(value);
    return `$${values.length}::${sqlType}`;
  };
  return {
    values,
    bind,
    bindShared: (list, sqlType) => {
      const placeholder = shared.get(list) ?? bind(list, sqlType);
      shared.set(list, placeholder);
      return placeholder;
    },
  };
}

export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

export function quoteText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

export function tableOf(profile: Profile, recordType: RecordType): string {
  return quoteName(recordTable(profile, recordType));
}

export function columnOf(recordType: RecordType, attribute: Attribute): { readonly name: string; readonly sqlType: string } {
  const column = searchColumns(recordType).find((one) => one.attribute.name === attribute.name);
  if (column === undefined) throw new Error(`${attribute.name} of ${recordType.name} has no column`);
  return { name: quoteName(column.name), sqlType: column.sqlType };
}

/** The columns of `membership` that hold a record of type `own` and one of the type it is bound to. */
export function membershipColumns(own: RecordType, other: RecordType): { readonly own: string; readonly other: string } {
  if (own.members?.recordType === other.name) return { own: 'group_id', other: 'member_id' };
  if (other.members?.recordType === own.name) return { own: 'member_id', other: 'group_id' };
  throw new Error(`${own.name} and ${other.name} are not bound by membership`);
}
