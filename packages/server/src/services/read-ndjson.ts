import type { ImportRow } from './import-rows.ts';
import { type Line, readLines } from './read-lines.ts';

/** Reads newline-delimited JSON in pieces. A line that is no JSON is a fault of that line only. */
export async function* readNdjson(source: AsyncIterable<Buffer>): AsyncGenerator<readonly ImportRow[]> {
  for await (const lines of readLines(source)) yield lines.map(toRow);
}

function toRow(line: Line): ImportRow {
  if ('fault' in line) return line;
  try {
    return { line: line.line, value: JSON.parse(line.text) as unknown };
  } catch {
    return { line: line.line, fault: 'is no JSON' };
  }
}
