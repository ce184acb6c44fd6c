import { parse } from 'csv-parse/sync';
import { findAttribute, findIdentifierType } from '../profiles/index.ts';
import type { Profile, RecordType } from '../profiles/profile.ts';
import { type SchemaNode, schemaNode } from '../profiles/schema-path.ts';
import type { ImportRow } from './import-rows.ts';
import { type Line, readLines } from './read-lines.ts';

/** From a column's heading to what it fills: an identifier type, an attribute's name, or a dotted path of the document. */
export type ColumnMapping = Readonly<Record<string, string>>;

/** A quoted field may go over so many lines; a quote that is not closed by then was never meant to be one. */
const MOST_LINES = 20;

/**
 * Reads CSV (comma, RFC 4180 quotes, headings in the first row) into documents of `recordType`. Without a mapping each
 * heading says itself what its column fills; with one, columns it does not name are left out. A line that cannot be read
 * is a fault of that line only, an unclosed quote included.
 */
export async function* readCsv(
  source: AsyncIterable<Buffer>,
  profile: Profile,
  recordType: RecordType,
  mapping?: ColumnMapping,
): AsyncGenerator<readonly ImportRow[]> {
  let targets: Targets | undefined;
  const read = (records: readonly CsvRecord[]): ImportRow[] =>
    records.flatMap((record) => {
      if ('fault' in record) {
        // Without headings nothing can be read: the lines after them are refused for their number of columns.
        targets ??= [];
        return [record];
      }
      if (targets !== undefined) return [toRow(recordType, targets, record)];
      targets = record.fields.map((heading) => findTarget(profile, recordType, mapping, heading.trim()));
      return [];
    });
  const waiting: Line[] = [];
  for await (const lines of readLines(source)) {
    waiting.push(...lines);
    yield read(takeRecords(waiting, false));
  }
  yield read(takeRecords(waiting, true));
}

type CsvRecord = { readonly line: number; readonly fields: readonly string[] } | { readonly line: number; readonly fault: string };

/** Takes all records from the front of `waiting` that are whole; the others need more lines, unless these were the last. */
function takeRecords(waiting: Line[], isEnd: boolean): CsvRecord[] {
  const records: CsvRecord[] = [];
  let taken = 0;
  while (taken < waiting.length) {
    const first = waiting[taken];
    const count = first === undefined || 'fault' in first ? 1 : countLines(waiting, taken, isEnd);
    if (first === undefined || count === 0) break;
    const record = 'fault' in first ? first : parseRecord(waiting.slice(taken, taken + count));
    records.push(record);
    taken += 'fault' in record ? 1 : count;
  }
  waiting.splice(0, taken);
  return records;
}

/** How many lines from `start` make a record: until quotes are closed. 0: not known yet. */
function countLines(waiting: readonly Line[], start: number, isEnd: boolean): number {
  let quotes = 0;
  for (let count = 1; count <= MOST_LINES; count += 1) {
    const line = waiting[start + count - 1];
    if (line === undefined) return isEnd ? 1 : 0;
    if ('fault' in line) return 1;
    quotes += line.text.split('"').length - 1;
    if (quotes % 2 === 0) return count;
  }
  return 1;
}

function parseRecord(lines: readonly Line[]): CsvRecord {
  const line = lines[0]?.line ?? 0;
  const text = lines.map((part) => ('text' in part ? part.text : '')).join('\n');
  try {
    const [fields] = parse(text, { relaxColumnCount: true });
    return fields === undefined ? { line, fault: 'is no CSV' } : { line, fields };
  } catch {
    return { line, fault: 'is no CSV' };
  }
}

type Targets = readonly (readonly string[] | undefined)[];

/** Path in the document; a last segment `=UIN` is an identifier of that type in the list before it. */
function findTarget(profile: Profile, recordType: RecordType, mapping: ColumnMapping | undefined, heading: string): string[] | undefined {
  const meaning = mapping === undefined ? heading : Object.hasOwn(mapping, heading) ? mapping[heading] : undefined;
  if (meaning === undefined || meaning === '') return undefined;
  const type = findIdentifierType(profile, meaning, recordType.name);
  const [identifiers] = recordType.identifierPaths;
  if (type !== undefined && identifiers !== undefined) return [...identifiers.split('.'), `=${type.code}`];
  const attribute = findAttribute(recordType, meaning);
  return (attribute?.derived === undefined ? (attribute?.path ?? meaning) : meaning).split('.');
}

function toRow(
  recordType: RecordType,
  targets: Targets,
  { line, fields }: { readonly line: number; readonly fields: readonly string[] },
): ImportRow {
  if (fields.length !== targets.length) return { line, fault: `has ${fields.length} columns, not ${targets.length}` };
  const document = emptyObject();
  for (const [index, value] of fields.entries()) {
    const path = targets[index];
    if (path !== undefined && value.trim() !== '') setAtPath(document, schemaNode(recordType.document), path, value);
  }
  return { line, value: document };
}

type Json = Record<string, unknown>;

/** Without a prototype: headings are free text. */
function emptyObject(): Json {
  return Object.create(null) as Json;
}

/** Through a list the way goes by its first entry, unless a number says which. */
function setAtPath(document: Json, root: SchemaNode, path: readonly string[], value: string): void {
  let holder = document;
  let node: SchemaNode | undefined = root;
  const last = path.length - 1;
  for (let index = 0; index < last; index += 1) {
    const name = path[index] ?? '';
    node = node?.properties?.[name];
    if (node?.items === undefined) {
      holder = enter(holder, name);
      continue;
    }
    const list = enterList(holder, name);
    const following = path[index + 1] ?? '';
    if (following.startsWith('=')) {
      list.push({ identifier_type: following.slice(1), identifier_value: value });
      return;
    }
    const isNumbered = /^\d{1,2}$/.test(following);
    const position = isNumbered ? Number(following) : 0;
    node = node.items;
    if (isNumbered) index += 1;
    if (index >= last) {
      list[position] = value;
      return;
    }
    const entry = (list[position] ?? emptyObject()) as Json;
    list[position] = entry;
    holder = entry;
  }
  holder[path[last] ?? ''] = value;
}

function enter(holder: Json, name: string): Json {
  const known = holder[name];
  if (typeof known === 'object' && known !== null && !Array.isArray(known)) return known as Json;
  const made = emptyObject();
  holder[name] = made;
  return made;
}

function enterList(holder: Json, name: string): unknown[] {
  const known = holder[name];
  if (Array.isArray(known)) return known;
  const made: unknown[] = [];
  holder[name] = made;
  return made;
}
