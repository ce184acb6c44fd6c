import { setTimeout as sleep } from 'node:timers/promises';
import { getRecordType } from '../profiles/index.ts';
import type { Profile, RecordType } from '../profiles/profile.ts';
import type { Db } from '../store/database.ts';
import { addLinkEvents, addNextVersion, applyChangeSet, type ChangeSet, emptyChangeSet } from './change-set.ts';
import { readBody, renderBody } from './document.ts';
import { findRecordIds, type IdentifierProbe, probeKey, readIdentifiers } from './identifier-rows.ts';
import { compareMembership, type Place, readGroupIds, readMembers } from './membership.ts';
import { type PreparedRecord, prepareRecord } from './prepare-record.ts';
import { LostRace, nextPosition, type PutResult, putInTransaction } from './put-records.ts';
import { type LockedRecord, lockRecords } from './record-rows.ts';

/**
 * The one way in. Import, command line and tests write records here and nowhere else; each call is one transaction in
 * which record, search columns, identifiers, memberships and change events are written together. Writing what is there
 * already changes nothing: no version, no event. Refused: documents that do not fit the profile, and identifiers that
 * belong to several records.
 */

/** Which record is meant: one of its current unique identifiers. */
export type RecordReference = IdentifierProbe;

/** Puts documents as they came; results are in their order. */
export async function putRecords(db: Db, profile: Profile, inputs: readonly unknown[], typeName?: string): Promise<PutResult[]> {
  const prepared = inputs.map((input) => prepareRecord(profile, input, typeName));
  const good = prepared.flatMap((outcome) => (outcome.ok ? [outcome.record] : []));
  const written = (await putPrepared(db, profile, good)).values();
  return prepared.map((outcome) => (outcome.ok ? next(written) : { status: 'refused', problems: outcome.problems }));
}

/** Puts records that were prepared before, in one transaction. */
export async function putPrepared(db: Db, profile: Profile, records: readonly PreparedRecord[]): Promise<PutResult[]> {
  if (records.length === 0) return [];
  return inTransaction(db, (transaction) => putInTransaction(transaction, profile, records));
}

export interface ChangeResult {
  readonly status: 'changed' | 'unchanged' | 'not-found';
}

/** Deletes a record, takes it out of its groups or lets go of its members, and retires its identifiers. */
export async function deleteRecord(db: Db, profile: Profile, reference: RecordReference): Promise<ChangeResult> {
  return inTransaction(db, async (transaction) => {
    const found = await findRecordIds(transaction, profile.registry, [reference]);
    const id = found.get(probeKey(reference));
    if (id === undefined) return { status: 'not-found' };
    const changes = emptyChangeSet();
    const recordType = getRecordType(profile, reference.recordType);
    const record = await (recordType.members === undefined
      ? planLeaving(transaction, profile, changes, recordType, id)
      : planReleasing(transaction, profile, changes, recordType, id));
    const identifiers = (await readIdentifiers(transaction, [id])).get(id) ?? [];
    changes.identifiersRetired.push(...identifiers.map((identifier) => ({ ...identifier, recordId: id })));
    changes.written.delete(id);
    changes.deleted.push(record);
    changes.events.push({ recordType, recordId: id, kind: 'DELETE', changed: [] });
    await applyChangeSet(transaction, profile, changes);
    return { status: 'changed' };
  });
}

/** Adds a member to a group, at the end; `isHead` makes it the head in place of the one before. */
export async function linkMember(
  db: Db,
  profile: Profile,
  group: RecordReference,
  member: RecordReference,
  options: { isHead?: boolean } = {},
): Promise<ChangeResult> {
  return changeMembership(db, profile, group, member, (places, memberId) => {
    const { isHead } = options;
    const listed = places.some((place) => place.memberId === memberId);
    const all = listed ? places : [...places, { memberId, isHead: false, position: nextPosition(places) }];
    return isHead === undefined ? all : all.map((place) => markHead(place, memberId, isHead));
  });
}

/** Takes a member out of a group. */
export async function unlinkMember(db: Db, profile: Profile, group: RecordReference, member: RecordReference): Promise<ChangeResult> {
  return changeMembership(db, profile, group, member, (places, memberId) => places.filter((place) => place.memberId !== memberId));
}

function markHead(place: Place, memberId: string, isHead: boolean): Place {
  if (place.memberId === memberId) return { ...place, isHead };
  return isHead ? { ...place, isHead: false } : place;
}

type ChangePlaces = (places: readonly Place[], memberId: string) => readonly Place[];

async function changeMembership(
  db: Db,
  profile: Profile,
  group: RecordReference,
  member: RecordReference,
  change: ChangePlaces,
): Promise<ChangeResult> {
  return inTransaction(db, async (transaction) => {
    const found = await findRecordIds(transaction, profile.registry, [group, member]);
    const groupId = found.get(probeKey(group));
    const memberId = found.get(probeKey(member));
    if (groupId === undefined || memberId === undefined) return { status: 'not-found' };
    const memberRecord = await lockOne(transaction, profile, getRecordType(profile, member.recordType), memberId);
    const groupRecord = await lockOne(transaction, profile, getRecordType(profile, group.recordType), groupId);
    const before = (await readMembers(transaction, [groupId])).get(groupId) ?? [];
    const changes = emptyChangeSet();
    planPlaces(changes, groupRecord, before, change(before, memberId), new Map([[memberId, memberRecord]]));
    if (changes.written.size === 0) return { status: 'unchanged' };
    await applyChangeSet(transaction, profile, changes);
    return { status: 'changed' };
  });
}

/** Changes who is in a group; `locked` has everyone who comes or goes. The size is counted anew. */
function planPlaces(
  changes: ChangeSet,
  group: LockedRecord,
  before: readonly Place[],
  after: readonly Place[],
  locked: ReadonlyMap<string, LockedRecord>,
): void {
  const { added, removed, moved, isHeadChanged } = compareMembership(before, after);
  const { members } = group.recordType;
  if (members === undefined || added.length + removed.length + moved.length === 0) return;
  const isResized = added.length !== removed.length;
  planSize(changes, group, isResized ? after.length : undefined, isHeadChanged ? [members.headProperty] : []);
  changes.membershipsDeleted.push(...removed.map((memberId) => ({ groupId: group.id, memberId })));
  changes.membershipsPut.push(...[...added, ...moved].map((place) => ({ ...place, groupId: group.id })));
  for (const [kind, ids] of [
    ['UNLINK', removed],
    ['LINK', added.map((place) => place.memberId)],
  ] as const)
    for (const id of ids) {
      const member = locked.get(id);
      if (member === undefined) throw new LostRace();
      addNextVersion(changes, member);
      addLinkEvents(changes, kind, group, member);
    }
}

function planSize(changes: ChangeSet, group: LockedRecord, size: number | undefined, otherFields: readonly string[]): void {
  const { recordType } = group;
  const property = recordType.members?.sizeProperty ?? '';
  const stored = readBody(recordType, group.body);
  const isChanged = size !== undefined && stored[property] !== size;
  const document = isChanged ? { ...stored, [property]: size } : stored;
  addNextVersion(changes, group, isChanged ? { document, body: renderBody(recordType, document) } : undefined);
  const changed = [...(isChanged ? [property] : []), ...otherFields];
  if (changed.length > 0) changes.events.push({ recordType, recordId: group.id, kind: 'UPDATE', changed });
}

/** A member that goes leaves all its groups. */
async function planLeaving(db: Db, profile: Profile, changes: ChangeSet, recordType: RecordType, id: string): Promise<LockedRecord> {
  const record = await lockOne(db, profile, recordType, id);
  const groupIds = await readGroupIds(db, id);
  for (const groupType of profile.recordTypes.filter((type) => type.members?.recordType === recordType.name)) {
    const groups = await lockRecords(db, profile, groupType, groupIds);
    const places = await readMembers(
      db,
      groups.map((group) => group.id),
    );
    for (const group of groups) {
      const before = places.get(group.id) ?? [];
      planPlaces(
        changes,
        group,
        before,
        before.filter((place) => place.memberId !== id),
        new Map([[id, record]]),
      );
    }
  }
  return record;
}

/** A group that goes lets go of all its members. */
async function planReleasing(db: Db, profile: Profile, changes: ChangeSet, recordType: RecordType, id: string): Promise<LockedRecord> {
  const memberType = getRecordType(profile, recordType.members?.recordType ?? '');
  const foreseen = (await readMembers(db, [id])).get(id) ?? [];
  const members = await lockRecords(
    db,
    profile,
    memberType,
    foreseen.map((place) => place.memberId),
  );
  const record = await lockOne(db, profile, recordType, id);
  const places = (await readMembers(db, [id])).get(id) ?? [];
  const locked = new Map(members.map((member) => [member.id, member]));
  for (const { memberId } of places) {
    const member = locked.get(memberId);
    if (member === undefined) throw new LostRace();
    changes.membershipsDeleted.push({ groupId: id, memberId });
    addNextVersion(changes, member);
    addLinkEvents(changes, 'UNLINK', record, member);
  }
  return record;
}

async function lockOne(db: Db, profile: Profile, recordType: RecordType, id: string): Promise<LockedRecord> {
  const [record] = await lockRecords(db, profile, recordType, [id]);
  if (record === undefined) throw new LostRace();
  return record;
}

const MOST_ATTEMPTS = 12;
const LONGEST_PAUSE_MS = 50;

/** Two writers that met on one record: one is tried again, and then sees what the other wrote. */
async function inTransaction<T>(db: Db, work: (transaction: Db) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await db.transaction().execute(work);
    } catch (error) {
      if (attempt === MOST_ATTEMPTS || !isConflict(error)) throw error;
      await sleep(Math.random() * LONGEST_PAUSE_MS);
    }
  }
}

// Serialization failure, deadlock, unique violation.
const CONFLICT_CODES: readonly unknown[] = ['40001', '40P01', '23505'];

function isConflict(error: unknown): boolean {
  return error instanceof LostRace || (error instanceof Error && CONFLICT_CODES.includes((error as { code?: unknown }).code));
}

function next<T>(values: Iterator<T>): T {
  const result = values.next();
  if (result.done === true) throw new Error('fewer results than records');
  return result.value;
}
