import { canonicalJson } from '@dci/protocol';
import type { Profile, RecordType } from '../profiles/profile.ts';
import { type SchemaNode, schemaNode } from '../profiles/schema-path.ts';
import type { Db } from '../store/database.ts';
import { addLinkEvents, addNew, addNextVersion, applyChangeSet, type ChangeSet, emptyChangeSet } from './change-set.ts';
import { type Document, readBody, renderBody } from './document.ts';
import { identifierKey } from './identifier.ts';
import { findRecordIds, readIdentifiers } from './identifier-rows.ts';
import { compareMembership, type MembershipDifference, type Place, readMembers } from './membership.ts';
import type { PreparedRecord } from './prepare-record.ts';
import {
  draftsOf,
  type Expectation,
  probesOf,
  type PutRefusal,
  refusePut,
  type Resolved,
  type ResolvedUnit,
  resolveUnits,
  takeRound,
  toUnit,
  type Unit,
} from './put-units.ts';
import { type LockedRecord, lockRecords } from './record-rows.ts';

/**
 * Puts prepared records, inside a transaction. A record is matched by its current unique identifiers; a group comes with
 * its members, all of them or nothing. Work goes in rounds with a fixed number of statements each; in one round no
 * record occurs twice, so whoever comes later meets what those before left.
 */
export type PutResult =
  | {
      readonly status: 'created' | 'updated' | 'unchanged';
      readonly recordType: string;
      readonly id: string;
      readonly version: number;
      /** What became of the record and of the members that came with it. */
      readonly counts: PutCounts;
    }
  | PutRefusal;

export interface PutCounts {
  readonly created: number;
  readonly updated: number;
  readonly unchanged: number;
}

/** What was read before the locks were taken is no longer so; the transaction is to be tried again. */
export class LostRace extends Error {
  override readonly name = 'LostRace';
}

/** `expectations`: by place of the record; where one does not hold, its record is refused and the others are written. */
export async function putInTransaction(
  db: Db,
  profile: Profile,
  records: readonly PreparedRecord[],
  expectations: readonly (Expectation | undefined)[] = [],
): Promise<PutResult[]> {
  const results: PutResult[] = [];
  let waiting = records.map((record, index) => toUnit(profile, record, index, expectations[index]));
  while (waiting.length > 0) {
    const [round, later] = takeRound(waiting);
    const deferred = await putRound(db, profile, round, results);
    waiting = [...deferred, ...later];
  }
  return results;
}

/** Writes what it can of the round; returns the units that turned out to mean a record that another unit means as well. */
async function putRound(db: Db, profile: Profile, units: readonly Unit[], results: PutResult[]): Promise<Unit[]> {
  const known = await findRecordIds(db, profile.registry, units.flatMap(draftsOf).flatMap(probesOf));
  const { resolved, deferred } = resolveUnits(units, known, (index, refusal) => {
    results[index] = refusal;
  });
  const state = await lockState(db, profile, resolved);
  const changes = emptyChangeSet();
  for (const unit of resolved) results[unit.index] = findBrokenExpectation(state, unit) ?? planUnit(changes, state, unit);
  await applyChangeSet(db, profile, changes);
  return deferred;
}

/** What is in the database of a round's records, locked. */
interface State {
  readonly records: ReadonlyMap<string, LockedRecord>;
  readonly identifiers: ReadonlyMap<string, readonly { type: string; value: string }[]>;
  readonly members: ReadonlyMap<string, readonly Place[]>;
}

async function lockState(db: Db, profile: Profile, units: readonly ResolvedUnit[]): Promise<State> {
  const existing = units.flatMap((unit) => [...unit.members, unit.root]).filter((resolved) => !resolved.isNew);
  const holders = existing.filter((resolved) => resolved.draft.recordType.members !== undefined);
  const members = await readMembers(
    db,
    holders.map((resolved) => resolved.id),
  );
  const wanted = new Map<RecordType, Set<string>>(profile.recordTypes.map((recordType) => [recordType, new Set()]));
  for (const { draft, id } of existing) wanted.get(draft.recordType)?.add(id);
  for (const unit of units) for (const id of findLeaving(unit, members)) wanted.get(memberTypeOf(profile, unit))?.add(id);
  const records = new Map<string, LockedRecord>();
  for (const [recordType, ids] of wanted)
    for (const record of await lockRecords(db, profile, recordType, [...ids])) records.set(record.id, record);
  const count = [...wanted.values()].reduce((sum, ids) => sum + ids.size, 0);
  if (records.size !== count || !isSame(members, await readMembers(db, [...members.keys()]))) throw new LostRace();
  return {
    records,
    identifiers: await readIdentifiers(
      db,
      existing.map((resolved) => resolved.id),
    ),
    members,
  };
}

function findBrokenExpectation(state: State, { root, expected }: ResolvedUnit): PutRefusal | undefined {
  if (expected === undefined) return undefined;
  const current = state.records.get(root.id)?.version;
  if (expected === 'absent')
    return current === undefined ? undefined : refusePut('exists', [{ pointer: '', text: 'is in the registry already' }]);
  if (current === undefined) return refusePut('missing', [{ pointer: '', text: 'is not in the registry' }]);
  if (current === expected.version) return undefined;
  return { ...refusePut('version', [{ pointer: '', text: `has version ${current} now` }]), currentVersion: current };
}

function memberTypeOf(profile: Profile, unit: ResolvedUnit): RecordType {
  const found = profile.recordTypes.find((type) => type.name === unit.root.draft.recordType.members?.recordType);
  return found ?? unit.root.draft.recordType;
}

function findLeaving(unit: ResolvedUnit, members: ReadonlyMap<string, readonly Place[]>): readonly string[] {
  const before = members.get(unit.root.id) ?? [];
  return compareMembership(before, placesAfter(unit, before)).removed;
}

function isSame(a: ReadonlyMap<string, readonly Place[]>, b: ReadonlyMap<string, readonly Place[]>): boolean {
  return canonicalJson([...a.values()]) === canonicalJson([...b.values()]);
}

/** A complete list is the membership, in its order; a head alone joins the members, and takes over from the head before. */
function placesAfter(unit: ResolvedUnit, before: readonly Place[]): readonly Place[] {
  const told = unit.root.draft.prepared?.members;
  if (told === undefined) return before;
  if (told.isComplete) return unit.members.map(({ id, isHead }, position) => ({ memberId: id, isHead, position }));
  const headId = unit.members.find((member) => member.isHead)?.id;
  const others = before.map((place) => ({ ...place, isHead: place.memberId === headId }));
  if (headId === undefined || others.some((place) => place.isHead)) return others;
  return [...others, { memberId: headId, isHead: true, position: nextPosition(before) }];
}

export function nextPosition(places: readonly Place[]): number {
  return places.reduce((highest, place) => Math.max(highest, place.position), -1) + 1;
}

type PutStatus = 'created' | 'updated' | 'unchanged';

function planUnit(changes: ChangeSet, state: State, unit: ResolvedUnit): PutResult {
  const statuses = new Map<string, PutStatus>();
  for (const member of unit.members) {
    const { prepared } = member.draft;
    if (prepared !== undefined) statuses.set(member.id, planRecord(changes, state, member, prepared, []));
  }
  const before = state.members.get(unit.root.id) ?? [];
  const after = placesAfter(unit, before);
  const difference = compareMembership(before, after);
  const { prepared } = unit.root.draft;
  if (prepared !== undefined)
    statuses.set(unit.root.id, planRecord(changes, state, unit.root, withSize(prepared, after.length), membershipFields(unit, difference)));
  const memberTypes = new Map(unit.members.map((member) => [member.id, member.draft.recordType]));
  planMembership(changes, state, unit.root, difference, memberTypes);
  for (const id of statuses.keys()) if (statuses.get(id) === 'unchanged' && changes.written.has(id)) statuses.set(id, 'updated');
  return {
    status: statuses.get(unit.root.id) ?? 'unchanged',
    recordType: unit.root.draft.recordType.name,
    id: unit.root.id,
    version: changes.written.get(unit.root.id)?.version ?? state.records.get(unit.root.id)?.version ?? 1,
    counts: countStatuses([...statuses.values()]),
  };
}

function countStatuses(statuses: readonly PutStatus[]): PutCounts {
  const count = (wanted: PutStatus): number => statuses.filter((status) => status === wanted).length;
  return { created: count('created'), updated: count('updated'), unchanged: count('unchanged') };
}

/** A group that does not state its size has as many members as it has. */
function withSize(prepared: PreparedRecord, size: number): PreparedRecord {
  const property = prepared.recordType.members?.sizeProperty;
  if (property === undefined || prepared.document[property] !== undefined) return prepared;
  const document = { ...prepared.document, [property]: size };
  return { ...prepared, document, body: renderBody(prepared.recordType, document) };
}

/** Fields of the group that differ although nobody came or went. */
function membershipFields(unit: ResolvedUnit, difference: MembershipDifference): string[] {
  const { members } = unit.root.draft.recordType;
  if (members === undefined) return [];
  const isReordered = difference.moved.length > 0 && difference.added.length === 0 && difference.removed.length === 0;
  return [
    ...(difference.isHeadChanged ? [members.headProperty] : []),
    ...(isReordered && !difference.isHeadChanged ? [members.listProperty] : []),
  ];
}

function planRecord(
  changes: ChangeSet,
  state: State,
  resolved: Resolved,
  prepared: PreparedRecord,
  otherFields: readonly string[],
): PutStatus {
  const { recordType, document, body, identifiers } = prepared;
  const { id } = resolved;
  const before = state.records.get(id);
  if (before === undefined) {
    addNew(changes, recordType, id, { document, body });
    changes.identifiersAdded.push(...identifiers.map((identifier) => ({ ...identifier, recordType: recordType.name, recordId: id })));
    return 'created';
  }
  if (before.body === body && otherFields.length === 0) return 'unchanged';
  const changed = findChangedFields(schemaNode(recordType.document), readBody(recordType, before.body), document).toSorted();
  addNextVersion(changes, before, { document, body });
  changes.events.push({ recordType, recordId: id, kind: 'UPDATE', changed: [...changed, ...otherFields] });
  planIdentifiers(changes, prepared, id, state.identifiers.get(id) ?? []);
  return 'updated';
}

/** Paths to the leaves whose values differ, for who is given one may not be given the next; a list is one leaf. */
function findChangedFields({ properties }: SchemaNode, before: unknown, after: unknown, path = ''): string[] {
  if (canonicalJson(before ?? null) === canonicalJson(after ?? null)) return [];
  if (properties === undefined) return [path];
  const [had, has] = [before, after] as (Document | undefined)[];
  return Object.entries(properties).flatMap(([name, inner]) =>
    name === '@type' ? [] : findChangedFields(inner, had?.[name], has?.[name], path === '' ? name : `${path}.${name}`),
  );
}

function planIdentifiers(
  changes: ChangeSet,
  prepared: PreparedRecord,
  id: string,
  current: readonly { type: string; value: string }[],
): void {
  const had = new Set(current.map(identifierKey));
  const has = new Set(prepared.identifiers.map(identifierKey));
  changes.identifiersRetired.push(
    ...current.filter((identifier) => !has.has(identifierKey(identifier))).map((identifier) => ({ ...identifier, recordId: id })),
  );
  changes.identifiersAdded.push(
    ...prepared.identifiers
      .filter((identifier) => !had.has(identifierKey(identifier)))
      .map((identifier) => ({ ...identifier, recordType: prepared.recordType.name, recordId: id })),
  );
}

function planMembership(
  changes: ChangeSet,
  state: State,
  group: Resolved,
  difference: MembershipDifference,
  memberTypes: ReadonlyMap<string, RecordType>,
): void {
  const groupKey = { recordType: group.draft.recordType, id: group.id };
  const touch = (id: string): void => {
    const record = state.records.get(id);
    if (record !== undefined) addNextVersion(changes, record);
  };
  for (const memberId of difference.removed) {
    changes.membershipsDeleted.push({ groupId: group.id, memberId });
    const member = state.records.get(memberId);
    if (member === undefined) throw new LostRace();
    addLinkEvents(changes, 'UNLINK', groupKey, member);
    touch(memberId);
  }
  for (const place of [...difference.added, ...difference.moved]) changes.membershipsPut.push({ ...place, groupId: group.id });
  for (const { memberId } of difference.added) {
    addLinkEvents(changes, 'LINK', groupKey, { recordType: memberTypes.get(memberId) ?? group.draft.recordType, id: memberId });
    touch(memberId);
  }
  if (difference.added.length + difference.removed.length + difference.moved.length > 0) touch(group.id);
}
