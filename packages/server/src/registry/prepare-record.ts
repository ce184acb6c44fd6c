import { findEntity, findRecordType } from '../profiles/index.ts';
import type { Entity, Profile, RecordType } from '../profiles/profile.ts';
import { schemaNode } from '../profiles/schema-path.ts';
import { type Document, getMemberType, renderBody } from './document.ts';
import { identifierKey, type RecordIdentifier, takeIdentifiers } from './identifier.ts';
import { checkDocument, normaliseDocument, type Problem } from './normalise.ts';

/** A document that was found good, in the form in which it is stored. Made without the database. */
export interface PreparedRecord {
  readonly recordType: RecordType;
  readonly document: Document;
  readonly body: string;
  readonly identifiers: readonly RecordIdentifier[];
  /** What the document says of its members; absent: nothing, they stay as they are. */
  readonly members?: PreparedMembers;
}

export interface PreparedMembers {
  /** The list is the whole membership; otherwise only the head is told. */
  readonly isComplete: boolean;
  readonly entries: readonly PreparedMember[];
}

/** A member with its own document, or a reference to a record that is there already. */
export interface PreparedMember {
  readonly isHead: boolean;
  readonly identifiers: readonly RecordIdentifier[];
  readonly record?: PreparedRecord;
  /** Where it stands in the document. */
  readonly pointer: string;
}

export type Prepared =
  | { readonly ok: true; readonly record: PreparedRecord }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** Largest stored document, bytes. */
export const MAX_DOCUMENT_BYTES = 65_536;

/**
 * Reads one document of an entity of the profile. `typeName` (a record type or an entity) says which when the document
 * has no `@type`; without either, the shape decides if only one entity has all of the document's fields.
 */
export function prepareRecord(profile: Profile, input: unknown, typeName?: string): Prepared {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) return refuse({ pointer: '', text: 'is no object' });
  const document = input as Document;
  const resolved = resolveEntity(profile, document, typeName);
  if ('problem' in resolved) return refuse(resolved.problem);
  return prepareDocument(profile, resolved.recordType, resolved.entity, document, '');
}

interface EntityOfType {
  readonly recordType: RecordType;
  readonly entity: Entity;
}

function resolveEntity(profile: Profile, document: Document, typeName: string | undefined): EntityOfType | { problem: Problem } {
  const declared = document['@type'];
  if (declared !== undefined && typeof declared !== 'string') return { problem: { pointer: '/@type', text: 'is no text' } };
  const asked = typeName === undefined ? undefined : findByTypeName(profile, typeName);
  if (typeName !== undefined && asked === undefined) return { problem: { pointer: '', text: `${typeName} is no type of this registry` } };
  if (declared !== undefined) {
    const found = findEntity(profile, declared);
    if (found === undefined) return { problem: { pointer: '/@type', text: 'is no entity of this registry' } };
    if (asked !== undefined && asked.recordType !== found.recordType)
      return { problem: { pointer: '/@type', text: `is no ${asked.recordType.name}, which was asked for` } };
    return found;
  }
  const candidates = (asked === undefined ? profile.recordTypes : [asked.recordType]).flatMap((recordType) =>
    recordType.entities.filter((entity) => hasAllFields(recordType, entity, document)).map((entity) => ({ recordType, entity })),
  );
  const [only] = candidates;
  if (only !== undefined && candidates.length === 1) return only;
  return asked ?? { problem: { pointer: '', text: 'has no @type, and its fields do not tell what it is' } };
}

/** A record type means its whole document. */
function findByTypeName(profile: Profile, typeName: string): EntityOfType | undefined {
  const recordType = findRecordType(profile, typeName);
  const entity = recordType?.entities.find((candidate) => candidate.property === undefined);
  return recordType !== undefined && entity !== undefined ? { recordType, entity } : findEntity(profile, typeName);
}

function hasAllFields(recordType: RecordType, entity: Entity, document: Document): boolean {
  const whole = schemaNode(recordType.document).properties ?? {};
  const fields = entity.property === undefined ? whole : (whole[entity.property]?.properties ?? {});
  const names = Object.keys(document).filter((name) => !name.startsWith('@'));
  return names.length > 0 && names.every((name) => Object.hasOwn(fields, name));
}

function prepareDocument(profile: Profile, recordType: RecordType, entity: Entity, input: Document, pointer: string): Prepared {
  const whole = entity.property === undefined ? input : { [entity.property]: input };
  const { own, members, problems: memberProblems } = takeMembers(profile, recordType, whole, pointer);
  const { document, problems } = normaliseDocument(recordType.document, own);
  if (problems.length > 0 || memberProblems.length > 0) return refuse(...within(pointer, entity, problems), ...memberProblems);
  const taken = takeIdentifiers(profile, recordType, document);
  const counted = withCountedMembers(recordType, document, members);
  const faults = [...taken.problems, ...checkDocument(recordType.document, counted)];
  if (faults.length === 0) faults.push(...checkRecognisable(profile, recordType, taken.identifiers));
  if (faults.length > 0) return refuse(...within(pointer, entity, faults));
  const body = renderBody(recordType, counted);
  if (Buffer.byteLength(body) > MAX_DOCUMENT_BYTES) return refuse({ pointer, text: `is larger than ${MAX_DOCUMENT_BYTES} bytes` });
  const record = { recordType, document: counted, body, identifiers: taken.identifiers };
  return { ok: true, record: members === undefined ? record : { ...record, members } };
}

/** Problems are told in the places of the document as it was given. */
function within(pointer: string, entity: Entity, problems: readonly Problem[]): Problem[] {
  const wrapper = entity.property === undefined ? '' : `/${entity.property}`;
  return problems.map(({ pointer: place, text }) => ({
    pointer: pointer + (place.startsWith(`${wrapper}/`) || place === wrapper ? place.slice(wrapper.length) : place),
    text,
  }));
}

/** Without a unique identifier a record could never be found again, and would be there twice after the next import. */
function checkRecognisable(profile: Profile, recordType: RecordType, identifiers: readonly RecordIdentifier[]): Problem[] {
  if (identifiers.some((identifier) => identifier.isUnique)) return [];
  const types = profile.identifierTypes.filter((type) => type.recordType === recordType.name && type.unique).map((type) => type.code);
  return [{ pointer: '', text: `has no identifier by which it is known (one of ${types.join(', ')})` }];
}

function withCountedMembers(recordType: RecordType, document: Document, members: PreparedMembers | undefined): Document {
  const size = recordType.members?.sizeProperty;
  if (size === undefined || members?.isComplete !== true || document[size] !== undefined) return document;
  return { ...document, [size]: members.entries.length };
}

/** Parts a document from its members; both are read on their own. */
function takeMembers(
  profile: Profile,
  recordType: RecordType,
  input: Document,
  pointer: string,
): { own: Document; members?: PreparedMembers; problems: Problem[] } {
  if (recordType.members === undefined) return { own: input, problems: [] };
  const { listProperty, headProperty } = recordType.members;
  const { [listProperty]: list, [headProperty]: head, ...own } = input;
  const problems: Problem[] = [];
  const read = (value: unknown, place: string): PreparedMember[] => {
    const member = prepareMember(profile, recordType, value, place);
    if ('isHead' in member) return [member];
    problems.push(...member.problems);
    return [];
  };
  const isComplete = Array.isArray(list);
  if (!isComplete && list !== undefined && list !== null) problems.push({ pointer: `${pointer}/${listProperty}`, text: 'is no list' });
  const most = schemaNode(recordType.document).properties?.[listProperty]?.maxItems ?? Infinity;
  if (isComplete && list.length > most)
    return { own, problems: [{ pointer: `${pointer}/${listProperty}`, text: `has more than ${most} members` }] };
  const entries = isComplete ? list.flatMap((value, index) => read(value, `${pointer}/${listProperty}/${index}`)) : [];
  problems.push(...checkDifferent(entries));
  const [headEntry] = isEmpty(head) ? [] : read(head, `${pointer}/${headProperty}`);
  if (!isComplete && headEntry === undefined) return { own, problems };
  return { own, members: { isComplete, entries: markHead(entries, headEntry) }, problems };
}

function isEmpty(value: unknown): boolean {
  return value === undefined || value === null || value === '' || (typeof value === 'object' && Object.keys(value).length === 0);
}

/** The head is the member that shares an identifier with it; a head who is not in the list comes first. */
function markHead(entries: readonly PreparedMember[], head: PreparedMember | undefined): PreparedMember[] {
  if (head === undefined) return [...entries];
  const keys = new Set(uniqueKeys(head));
  const position = entries.findIndex((entry) => uniqueKeys(entry).some((key) => keys.has(key)));
  const listed = entries[position];
  if (listed === undefined) return [{ ...head, isHead: true }, ...entries];
  return entries.with(position, { ...head, ...listed, isHead: true });
}

function checkDifferent(entries: readonly PreparedMember[]): Problem[] {
  const seen = new Set<string>();
  return entries.flatMap((entry) => {
    const keys = uniqueKeys(entry);
    const isRepeated = keys.some((key) => seen.has(key));
    for (const key of keys) seen.add(key);
    return isRepeated ? [{ pointer: entry.pointer, text: 'is the same member as one before it' }] : [];
  });
}

function uniqueKeys(member: { readonly identifiers: readonly RecordIdentifier[] }): string[] {
  return member.identifiers.filter((identifier) => identifier.isUnique).map(identifierKey);
}

function prepareMember(
  profile: Profile,
  groupType: RecordType,
  input: unknown,
  pointer: string,
): PreparedMember | { problems: readonly Problem[] } {
  const recordType = getMemberType(profile, groupType);
  if (typeof input !== 'object' || input === null || Array.isArray(input)) return { problems: [{ pointer, text: 'is no object' }] };
  const resolved = resolveEntity(profile, input as Document, recordType.name);
  if ('problem' in resolved) return { problems: within(pointer, { name: '', synonyms: [] }, [resolved.problem]) };
  const reference = readReference(profile, recordType, resolved.entity, input as Document);
  if (reference !== undefined) return { isHead: false, identifiers: reference, pointer };
  const prepared = prepareDocument(profile, recordType, resolved.entity, input as Document, pointer);
  if (!prepared.ok) return prepared;
  return { isHead: false, identifiers: prepared.record.identifiers, record: prepared.record, pointer };
}

/** The identifiers of a document that has nothing else. */
function readReference(profile: Profile, recordType: RecordType, entity: Entity, input: Document): RecordIdentifier[] | undefined {
  const whole = entity.property === undefined ? input : { [entity.property]: input };
  if (!holdsOnly(whole, recordType.identifierPaths, '')) return undefined;
  const { document, problems } = normaliseDocument(recordType.document, whole);
  if (problems.length > 0) return undefined;
  const { identifiers, problems: unknown } = takeIdentifiers(profile, recordType, document);
  return unknown.length === 0 && identifiers.some((identifier) => identifier.isUnique) ? identifiers : undefined;
}

function holdsOnly(value: unknown, paths: readonly string[], prefix: string): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(value).every(([name, inner]) => {
    const path = `${prefix}${name}`;
    if (name.startsWith('@') || paths.includes(path)) return true;
    return paths.some((known) => known.startsWith(`${path}.`)) && holdsOnly(inner, paths, `${path}.`);
  });
}

function refuse(...problems: readonly Problem[]): { ok: false; problems: readonly Problem[] } {
  return { ok: false, problems };
}
