import type { TSchema } from 'typebox';
import { Compile, type Validator } from 'typebox/compile';
import { type SchemaNode, schemaNode } from '../profiles/schema-path.ts';
import type { Document } from './document.ts';
import { readDay, readTimestamp } from './timestamp.ts';

/**
 * Brings a document into the one form that is stored, then holds it against the profile's schema. Read liberally:
 * numbers and booleans as text (what CSV brings), codes by synonym and in any case, dates with any zone, a single value
 * where a list is meant. Dropped: `@context`, `@id`, null, empty texts, lists and objects. Refused: every field that is not declared,
 * everything that the schema refuses, and text that PostgreSQL or UTF-8 cannot hold.
 */

/** What is wrong with a document, and where: `pointer` is an RFC 6901 pointer into it. */
export interface Problem {
  readonly pointer: string;
  readonly text: string;
}

/** More would not help whoever has to mend the document. */
const MOST_PROBLEMS = 20;

export function normaliseDocument(schema: TSchema, input: unknown): { document: Document; problems: Problem[] } {
  const problems: Problem[] = [];
  const document = readNode(schemaNode(schema), input, problems);
  if (problems.length === 0 && document === undefined) problems.push({ pointer: '', text: 'is empty' });
  return { document: (document ?? {}) as Document, problems: problems.slice(0, MOST_PROBLEMS) };
}

/** Holds a normalised document against its schema. */
export function checkDocument(schema: TSchema, document: Document): Problem[] {
  const validator = getValidator(schema);
  if (validator.Check(document)) return [];
  const found = validator.Errors(document).map((error) => ({ pointer: error.instancePath, text: error.message }));
  return found.slice(0, MOST_PROBLEMS);
}

/** Text as it is stored and compared: composed (NFC), without space around it. */
export function normaliseText(text: string): string {
  return text.normalize('NFC').trim();
}

const validators = new WeakMap<TSchema, Validator>();

function getValidator(schema: TSchema): Validator {
  const known = validators.get(schema);
  if (known !== undefined) return known;
  const made = Compile(schema);
  validators.set(schema, made);
  return made;
}

/**
 * A value that cannot be read in the form the schema wants is passed on as it is: the schema then says what is wrong.
 * Problems are noted with an empty pointer and get their place on the way out, so that good documents pay nothing for it.
 */
function readNode(node: SchemaNode, value: unknown, problems: Problem[]): unknown {
  if (value === null || value === undefined) return undefined;
  if (node.items !== undefined) return readList(node.items, value, problems);
  if (node.properties !== undefined) return readObject(node.properties, value, problems);
  if (node.patternProperties !== undefined) return readOpenObject(value, problems);
  const plain = typeof value === 'string' ? readText(value, problems) : value;
  return plain === undefined ? undefined : readScalar(node, plain, problems);
}

function readList(items: SchemaNode, value: unknown, problems: Problem[]): unknown {
  const entries = Array.isArray(value) ? value : [value];
  const read: unknown[] = [];
  for (const [index, entry] of entries.entries()) {
    const known = problems.length;
    const kept = readNode(items, entry, problems);
    if (problems.length > known) placeProblems(problems, known, String(index));
    if (kept !== undefined) read.push(kept);
  }
  return read.length === 0 ? undefined : read;
}

function readObject(properties: Readonly<Record<string, SchemaNode>>, value: unknown, problems: Problem[]): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const read: Record<string, unknown> = {};
  const entityName = properties['@type']?.const;
  if (entityName !== undefined) read['@type'] = entityName;
  let isEmpty = true;
  for (const name of Object.keys(value)) {
    if (isNotKept(name)) continue;
    const known = problems.length;
    const property = Object.hasOwn(properties, name) ? properties[name] : undefined;
    if (property === undefined) problems.push({ pointer: '', text: 'is not a field of this registry' });
    const kept = property === undefined ? undefined : readNode(property, (value as Record<string, unknown>)[name], problems);
    if (problems.length > known) placeProblems(problems, known, name);
    if (kept === undefined) continue;
    read[name] = kept;
    isEmpty = false;
  }
  return isEmpty ? undefined : read;
}

function isNotKept(name: string): boolean {
  return name.startsWith('@') && (name === '@context' || name === '@id' || name === '@type');
}

function placeProblems(problems: Problem[], from: number, name: string): void {
  for (let index = from; index < problems.length; index += 1) {
    const problem = problems[index];
    if (problem !== undefined) problems[index] = { ...problem, pointer: `/${escapePointer(name)}${problem.pointer}` };
  }
}

function readOpenObject(value: unknown, problems: Problem[]): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const entries = Object.entries(value).flatMap(([name, entry]) => {
    const known = problems.length;
    const kept = readText(name, problems);
    const read: unknown = typeof entry === 'string' ? readText(entry, problems) : entry;
    if (problems.length > known) placeProblems(problems, known, name);
    return kept === undefined || read === undefined || read === null || isNotKept(kept) ? [] : [[kept, read] as const];
  });
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}

function readText(text: string, problems: Problem[]): string | undefined {
  if (!text.isWellFormed() || text.includes('\u0000')) {
    problems.push({ pointer: '', text: 'contains a NUL character or half of a surrogate pair' });
    return undefined;
  }
  const read = normaliseText(text);
  return read === '' ? undefined : read;
}

const DECIMAL = /^-?\d{1,15}(\.\d{1,15})?$/;

function readScalar(node: SchemaNode, value: unknown, problems: Problem[]): unknown {
  if (node.enum !== undefined) return readCode(node.enum, node.synonyms ?? {}, value, problems);
  if (node.format === 'date-time') return readMoment(node, value, problems);
  if (node.type === 'boolean') return readBoolean(value);
  if ((node.type === 'number' || node.type === 'integer') && typeof value === 'string' && DECIMAL.test(value)) return Number(value);
  return value;
}

function readCode(codes: readonly string[], synonyms: Readonly<Record<string, string>>, value: unknown, problems: Problem[]): unknown {
  if (typeof value === 'string' && codes.includes(value)) return value;
  const wanted = typeof value === 'string' || typeof value === 'number' ? String(value).toLowerCase() : '';
  const code =
    codes.find((candidate) => candidate.toLowerCase() === wanted) ?? (Object.hasOwn(synonyms, wanted) ? synonyms[wanted] : undefined);
  if (code !== undefined) return code;
  problems.push({ pointer: '', text: `is not one of the codes ${listSome(codes)}` });
  return undefined;
}

function listSome(codes: readonly string[]): string {
  return codes.length <= 10 ? codes.join(', ') : `${codes.slice(0, 10).join(', ')} … (${codes.length} in all)`;
}

function readMoment(node: SchemaNode, value: unknown, problems: Problem[]): unknown {
  const isDay = node.precision === 'day';
  const read = typeof value === 'string' ? (isDay ? readDay(value) : readTimestamp(value)) : undefined;
  const form = isDay ? 'date in ISO 8601, e.g. 1985-05-20' : 'time in ISO 8601, e.g. 2024-01-15T10:30:00Z';
  if (read === undefined) problems.push({ pointer: '', text: `is no ${form}` });
  return read;
}

function readBoolean(value: unknown): unknown {
  switch (typeof value === 'string' ? value.toLowerCase() : value) {
    case true:
    case 'true':
    case 'yes':
    case '1':
    case 1:
      return true;
    case false:
    case 'false':
    case 'no':
    case '0':
    case 0:
      return false;
    default:
      return value;
  }
}

function escapePointer(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1');
}
