import { pipeline, Readable } from 'node:stream';
import { type CsvError, type InfoRecord, parse } from 'csv-parse';
import { findAttribute, findIdentifierType } from '../profiles/index.ts';
import type { Profile, RecordType } from '../profiles/profile.ts';
import { type SchemaNode, schemaNode } from '../profiles/schema-path.ts';
import type { ImportRow } from './import-rows.ts';

/** From a column's heading to what it fills: an identifier type, an attribute's name, or a dotted path of the document. */
export type ColumnMapping = Readonly<Record<string, string>>;

const MAX_RECORD_CHARACTERS = 1_048_576;
const ROWS_A_PIECE = 200;
const REPLACEMENT_CHARACTER = '\uFFFD';

/**
 * Reads CSV (comma, RFC 4180 quotes, headings in the first row) into documents of `recordType`. Without a mapping each
 * heading says itself what its column fills; with one, columns it does not name are left out.
 */
export async function* readCsv(
  source: AsyncIterable<Buffer>,
  profile: Profile,
  recordType: RecordType,
  mapping?: ColumnMapping,
): AsyncGenerator<readonly ImportRow[]> {
  const faults: ImportRow[] = [];
  const parser = parse({
    bom: true,
    info: true,
    relaxColumnCount: true,
    skipEmptyLines: true,
    maxRecordSize: MAX_RECORD_CHARACTERS,
    skipRecordsWithError: true,
    onSkip: (error) => void faults.push({ line: lineOf(error), fault: 'is no CSV' }),
  });
  // The parser reports what goes wrong with the source, too.
  pipeline(Readable.from(source), parser, () => undefined);
  let targets: readonly (readonly string[] | undefined)[] | undefined;
  let rows: ImportRow[] = [];
  for await (const { record, info } of parser as AsyncIterable<{ record: string[]; info: InfoRecord }>) {
    if (targets === undefined) targets = record.map((heading) => findTarget(profile, recordType, mapping, heading.trim()));
    else rows.push(toRow(recordType, targets, record, info.lines));
    rows.push(...faults.splice(0));
    if (rows.length < ROWS_A_PIECE) continue;
    yield rows;
    rows = [];
  }
  yield [...rows, ...faults];
}

function lineOf(error: CsvError | undefined): number {
  const lines: unknown = error?.['lines'];
  return typeof lines === 'number' ? lines : 0;
}

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

function toRow(recordType: RecordType, targets: readonly (readonly string[] | undefined)[], record: readonly string[], line: number): ImportRow {
  if (record.length !== targets.length) return { line, fault: `has ${record.length} columns, not ${targets.length}` };
  if (record.some((value) => value.includes(REPLACEMENT_CHARACTER))) return { line, fault: 'is no UTF-8' };
  const document = emptyObject();
  for (const [index, value] of record.entries()) {
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
