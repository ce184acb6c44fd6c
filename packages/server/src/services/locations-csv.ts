import { CsvError, parse } from 'csv-parse/sync';
import type { Location } from '../store/locations.ts';
import { LocationsError } from './locations.ts';

/** Reads places from CSV with the columns code, name, type and parent; an empty parent is the root. */

const COLUMNS = ['code', 'name', 'type', 'parent'] as const;
const LONGEST_VALUE = 200;

/** Throws a `LocationsError`. */
export function parseLocationsCsv(text: string): Location[] {
  return parseRows(text).map(readLocation);
}

type Row = Readonly<Record<string, string>>;

function parseRows(text: string): Row[] {
  try {
    return parse<Row>(text, { columns: checkColumns, bom: true, trim: true, skip_empty_lines: true });
  } catch (error) {
    if (error instanceof CsvError) throw new LocationsError([error.message]);
    throw error;
  }
}

function checkColumns(header: readonly string[]): string[] {
  const names = header.map((name) => name.toLowerCase());
  const missing = COLUMNS.filter((column) => !names.includes(column));
  if (missing.length > 0)
    throw new LocationsError([`the first line must name the columns ${COLUMNS.join(', ')}; missing: ${missing.join(', ')}`]);
  return names;
}

function readLocation(row: Row, index: number): Location {
  const { code = '', name = '', type = '', parent = '' } = row;
  for (const [column, value] of Object.entries({ code, name, type }))
    if (value === '') throw new LocationsError([`row ${index + 1} has no ${column}`]);
  for (const value of [code, name, type, parent])
    if (value.length > LONGEST_VALUE || /[\p{Cc}\p{Cs}]/u.test(value))
      throw new LocationsError([`row ${index + 1}: a value has at most ${LONGEST_VALUE} characters and no control characters`]);
  return { code, name, type, parent: parent === '' ? null : parent };
}
