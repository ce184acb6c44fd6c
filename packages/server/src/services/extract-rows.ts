import type { ExtractFormat } from '@dci/protocol';
import type { DisclosedExtract, DisclosedRow, DisclosedRows } from '../disclosure/disclose-extract.ts';

/** How the rows of an extract are written: one JSON object a line, or CSV (RFC 4180) with a header. */
export interface RowWriter {
  /** What comes before the first row. */
  readonly head: string;
  write(rows: DisclosedRows): string;
}

/** Name of the column of pseudonyms; the first, where there is one. */
export const PSEUDONYM_COLUMN = 'pseudonym';

export function createRowWriter(format: ExtractFormat, { columns, hasPseudonyms }: DisclosedExtract): RowWriter {
  const names = [...(hasPseudonyms ? [PSEUDONYM_COLUMN] : []), ...columns.map(({ name }) => name)];
  if (format === 'csv') return { head: writeCsvLine(names), write: ({ rows }) => rows.map((row) => writeCsvLine(cellsOf(row))).join('') };
  const keys = names.map((name, place) => `${place === 0 ? '{' : ','}${JSON.stringify(name)}:`);
  const writeObject = (row: DisclosedRow): string =>
    `${cellsOf(row)
      .map((value, place) => `${keys[place]}${JSON.stringify(value)}`)
      .join('')}}\n`;
  return { head: '', write: ({ rows }) => rows.map(writeObject).join('') };
}

function cellsOf({ pseudonym, values }: DisclosedRow): readonly (string | null)[] {
  return pseudonym === undefined ? values : [pseudonym, ...values];
}

function writeCsvLine(cells: readonly (string | null)[]): string {
  return `${cells.map(writeCsvCell).join(',')}\r\n`;
}

/** What is not stated is empty without quotes, an empty text is empty in quotes. */
function writeCsvCell(value: string | null): string {
  if (value === null) return '';
  return value === '' || /[",\r\n]|^\s|\s$/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
}
