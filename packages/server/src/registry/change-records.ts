import { getRecordType } from '../profiles/index.ts';
import type { Profile, RecordType } from '../profiles/profile.ts';
import type { Db } from '../store/database.ts';
import { addLinkEvents, addNextVersion, applyChangeSet, type ChangeSet, emptyChangeSet } from './change-set.ts';
import { readBody, renderBody } from './document.ts';
import { findRecordIds, type IdentifierProbe, probeKey, readIdentifiers } from './identifier-rows.ts';
import { compareMembership, type Place, readGroupIds, readMembers } from './membership.ts';
import { LostRace, nextPosition } from './put-records.ts';
import { type LockedRecord, lockRecords } from './record-rows.ts';

/** Deleting records and changing who is in a group, inside a transaction. */

/** Which record is meant: one of its current unique identifiers. */
export type RecordReference = IdentifierProbe;

export type ChangeResult =
  | {
      readonly status: 'changed' | 'unchanged';
      readonly id: string;
      readonly recordType: string;
      /** Of the record, or of the group; of a record that was deleted, that of its last event. */
      readonly version: number;
    }
  | { readonly status: 'not-found' };

/** Takes the record out of its groups or lets go of its members, and retires its identifiers. */
export async function deleteInTransaction(
  db: Db,
  profile: Profile,
  reference: RecordReference,
  assertDeletable: (record: LockedRecord) => void = () => undefined,
): Promise<ChangeResult> {
  const found = await findRecordIds(db, profile.registry, [reference]);
  const id = found.get(probeKey(reference));
  if (id === undefined) return { status: 'not-found' };
  const changes = emptyChangeSet();
  const recordType = getRecordType(profile, reference.recordType);
  const record = await (recordType.members === undefined
    ? planLeaving(db, profile, changes, recordType, id)
    : planReleasing(db, profile, changes, recordType, id));
  assertDeletable(record);
  const identifiers = (await readIdentifiers(db, [id])).get(id) ?? [];
  changes.identifiersRetired.push(...identifiers.map((identifier) => ({ ...identifier, recordId: id })));
  changes.written.delete(id);
  changes.deleted.push(record);
  changes.events.push({ recordType, recordId: id, kind: 'DELETE', changed: [], body: record.body });
  await applyChangeSet(db, profile, changes);
  return { status: 'changed', id, recordType: recordType.name, version: record.version + 1 };
}

/** The places in a group after a change, in which `memberId` is the record that it is about. */
export type ChangePlaces = (places: readonly Place[], memberId: string) => readonly Place[];

/** Adds a member at the end; `isHead` makes it the head in place of the one before. */
export function addMember(isHead: boolean | undefined): ChangePlaces {
  return (places, memberId) => {
    const listed = places.some((place) => place.memberId === memberId);
    const all = listed ? places : [...places, { memberId, isHead: false, position: nextPosition(places) }];
    return isHead === undefined ? all : all.map((place) => markHead(place, memberId, isHead));
  };
}

export const removeMember: ChangePlaces = (places, memberId) => places.filter((place) => place.memberId !== memberId);

function markHead(place: Place, memberId: string, isHead: boolean): Place {
  if (place.memberId === memberId) return { ...place, isHead };
  return isHead ? { ...place, isHead: false } : place;
}

export async function changeMembersInTransaction(
  db: Db,
  profile: Profile,
  group: RecordReference,
  member: RecordReference,
  change: ChangePlaces,
): Promise<ChangeResult> {
  const found = await findRecordIds(db, profile.registry, [group, member]);
  const groupId = found.get(probeKey(group));
  const memberId = found.get(probeKey(member));
  if (groupId === undefined || memberId === undefined) return { status: 'not-found' };
  const memberRecord = await lockOne(db, profile, getRecordType(profile, member.recordType), memberId);
  const groupRecord = await lockOne(db, profile, getRecordType(profile, group.recordType), groupId);
  const before = (await readMembers(db, [groupId])).get(groupId) ?? [];
  const changes = emptyChangeSet();
  planPlaces(changes, groupRecord, before, change(before, memberId), new Map([[memberId, memberRecord]]));
  const key = { id: groupId, recordType: group.recordType };
  if (changes.written.size === 0) return { status: 'unchanged', ...key, version: groupRecord.version };
  await applyChangeSet(db, profile, changes);
  return { status: 'changed', ...key, version: groupRecord.version + 1 };
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
