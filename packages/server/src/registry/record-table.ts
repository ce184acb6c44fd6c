import type { Attribute, AttributeType, Profile, RecordType } from '../profiles/profile.ts';
import type { Document } from './document.ts';

/** A search column of a record table: one for each attribute that is not derived. */
export interface SearchColumn {
  readonly name: string;
  readonly sqlType: string;
  readonly isIndexed: boolean;
  readonly attribute: Attribute;
  /** The attribute's value as a parameter of that type; null where the document has none. */
  read(document: Document): ColumnValue;
}

export type ColumnValue = string | number | boolean | null;

const SQL_TYPES: Record<AttributeType, string> = {
  text: 'text',
  code: 'text',
  integer: 'bigint',
  decimal: 'double precision',
  date: 'date',
  timestamp: 'timestamp with time zone',
  boolean: 'boolean',
};

export function recordTable(profile: Profile, recordType: RecordType): string {
  return `record_${profile.registry}_${recordType.name}`;
}

export function attributeColumn(attribute: Attribute): string {
  return `a_${attribute.name}`;
}

const columnsByType = new WeakMap<RecordType, readonly SearchColumn[]>();

export function searchColumns(recordType: RecordType): readonly SearchColumn[] {
  const known = columnsByType.get(recordType);
  if (known !== undefined) return known;
  const columns = recordType.attributes.filter((attribute) => attribute.derived === undefined).map(toColumn);
  columnsByType.set(recordType, columns);
  return columns;
}

function toColumn(attribute: Attribute): SearchColumn {
  const path = attribute.path.split('.');
  const isDate = attribute.type === 'date';
  return {
    name: attributeColumn(attribute),
    sqlType: SQL_TYPES[attribute.type],
    isIndexed: attribute.indexed,
    attribute,
    read: (document) => {
      const value = readFirst(document, path);
      return isDate && typeof value === 'string' ? value.slice(0, 10) : value;
    },
  };
}

/** Through lists the first entry counts. */
function readFirst(document: Document, path: readonly string[]): ColumnValue {
  let value: unknown = document;
  for (const name of path) {
    if (Array.isArray(value)) value = value[0];
    if (typeof value !== 'object' || value === null) return null;
    value = (value as Record<string, unknown>)[name];
  }
  if (Array.isArray(value)) value = value[0];
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? value : null;
}
