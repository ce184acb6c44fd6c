import { canonicalJson } from '@dci/protocol';
import { getRecordType } from '../profiles/index.ts';
import type { Entity, Profile, RecordType } from '../profiles/profile.ts';
import type { FoundMember } from './plan.ts';

/**
 * How documents are kept and written. A record's `body` is the canonical JSON (RFC 8785) of its document, rendered once,
 * with cut marks (U+0001, which canonical JSON never contains) where an answer needs to cut or insert:
 * - a record type whose entity is a property of the document: before and after that property's value;
 * - a record type with members: where `,"<head>":{…}` and `,"<list>":[…]` are inserted. The two are never stored.
 * A document begins with `@type` and has neither `@context` nor `@id`. Writing an answer only joins texts: the hot path
 * parses and sorts nothing.
 */
export type Document = Readonly<Record<string, unknown>>;

const MARK = '\u0001';

/** The text that is stored for a valid, normalised document. */
export function renderBody(recordType: RecordType, document: Document): string {
  const cutValue = recordType.entities.find((entity) => entity.property !== undefined)?.property;
  const inserts = insertedProperties(recordType);
  const written = Object.keys(document).filter((name) => document[name] !== undefined && !inserts.includes(name));
  const parts = [...written, ...inserts].toSorted(byCodeUnit).map((name) => {
    if (inserts.includes(name)) return MARK;
    const value = canonicalJson(document[name]);
    return `,${canonicalJson(name)}:${name === cutValue ? `${MARK}${value}${MARK}` : value}`;
  });
  return `{${parts.join('').slice(1)}}`;
}

/** The document of a stored body, without members. */
export function readBody(_recordType: RecordType, body: string): Document {
  return JSON.parse(withoutMarks(body)) as Document;
}

/**
 * The canonical text of one record at the top level of an answer, in the form of `entity`. `members` are written where
 * the record type has any; without them the answer says nothing of members.
 */
export function writeEntity(
  profile: Profile,
  recordType: RecordType,
  entity: Entity,
  body: string,
  members?: readonly FoundMember[],
): string {
  return `{"@context":${contextText(profile)},${writeNested(recordType, entity, body, members).slice(1)}`;
}

/** The same inside another record: without `@context`. */
function writeNested(recordType: RecordType, entity: Entity, body: string, members: readonly FoundMember[] | undefined): string {
  if (entity.property !== undefined) return cut(body)[1];
  if (recordType.members === undefined || members === undefined) return withoutMarks(body);
  const { headProperty, listProperty } = recordType.members;
  const list = members.map((member) => withoutMarks(member.record.body));
  const head = list[members.findIndex((member) => member.isHead)];
  const texts: Record<string, string> = { [listProperty]: `,"${listProperty}":[${list.join(',')}]` };
  if (head !== undefined) texts[headProperty] = `,"${headProperty}":${head}`;
  const [before, between, after] = cut(body);
  const [first = '', second = ''] = insertedProperties(recordType).toSorted(byCodeUnit);
  return `${before}${texts[first] ?? ''}${between}${texts[second] ?? ''}${after}`;
}

/** The record type in which a group's members are kept. */
export function getMemberType(profile: Profile, recordType: RecordType): RecordType {
  if (recordType.members === undefined) throw new Error(`the record type ${recordType.name} has no members`);
  return getRecordType(profile, recordType.members.recordType);
}

function insertedProperties(recordType: RecordType): readonly string[] {
  return recordType.members === undefined ? [] : [recordType.members.headProperty, recordType.members.listProperty];
}

/** Every body that is cut at all has two marks. */
function cut(body: string): [string, string, string] {
  const [before, between, after] = body.split(MARK);
  if (before === undefined || between === undefined || after === undefined) throw new Error('a stored record lacks its cut marks');
  return [before, between, after];
}

function withoutMarks(body: string): string {
  return body.replaceAll(MARK, '');
}

const contextTexts = new WeakMap<Profile, string>();

function contextText(profile: Profile): string {
  const known = contextTexts.get(profile);
  if (known !== undefined) return known;
  const text = canonicalJson(profile.context);
  contextTexts.set(profile, text);
  return text;
}

function byCodeUnit(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
