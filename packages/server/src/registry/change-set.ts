import { CompiledQuery } from 'kysely';
import type { Profile, RecordType } from '../profiles/profile.ts';
import type { Db } from '../store/database.ts';
import { type IdentifierRow, insertIdentifiers, retireIdentifiers } from './identifier-rows.ts';
import { deleteMemberships, type Membership, putMemberships } from './membership.ts';
import {
  deleteRecords,
  insertRecords,
  type LockedRecord,
  raiseVersions,
  type RecordContent,
  type RecordRow,
  updateRecords,
} from './record-rows.ts';

/**
 * Everything that one transaction changes, gathered first and written with a fixed number of statements. A record's
 * version rises by one with a change set, whatever happened to it or its memberships in it, and all its events carry
 * that version. Events are inserted last, when every row is locked, so that their numbers follow the order of versions.
 */
export interface ChangeSet {
  readonly written: Map<string, WrittenRecord>;
  readonly deleted: LockedRecord[];
  readonly identifiersAdded: IdentifierRow[];
  readonly identifiersRetired: { recordId: string; type: string; value: string }[];
  readonly membershipsPut: Membership[];
  readonly membershipsDeleted: { groupId: string; memberId: string }[];
  readonly events: ChangeEvent[];
}

export type ChangeKind = 'REGISTER' | 'UPDATE' | 'DELETE' | 'LINK' | 'UNLINK';

export interface ChangeEvent {
  readonly recordType: RecordType;
  readonly recordId: string;
  readonly kind: ChangeKind;
  /** Changed fields of an UPDATE: dotted paths to leaves of the document, lists being leaves. Older events name whole properties. */
  readonly changed: readonly string[];
  /** The other record of a LINK or UNLINK. */
  readonly relatedId?: string;
  /** Of a DELETE: the record as it was. */
  readonly body?: string;
}

interface WrittenRecord {
  readonly recordType: RecordType;
  readonly id: string;
  readonly version: number;
  readonly isNew: boolean;
  readonly content?: RecordContent;
}

export function emptyChangeSet(): ChangeSet {
  return {
    written: new Map(),
    deleted: [],
    identifiersAdded: [],
    identifiersRetired: [],
    membershipsPut: [],
    membershipsDeleted: [],
    events: [],
  };
}

export function addNew(changes: ChangeSet, recordType: RecordType, id: string, content: RecordContent): void {
  changes.written.set(id, { recordType, id, version: 1, isNew: true, content });
  changes.events.push({ recordType, recordId: id, kind: 'REGISTER', changed: [] });
}

/** Gives a record its next version, and new content if there is any; a second call adds to the first. */
export function addNextVersion(changes: ChangeSet, record: LockedRecord, content?: RecordContent): void {
  const known = changes.written.get(record.id);
  const { recordType, id } = record;
  if (known === undefined)
    changes.written.set(id, { recordType, id, version: record.version + 1, isNew: false, ...(content && { content }) });
  else if (content !== undefined) changes.written.set(id, { ...known, content });
}

/** A LINK or UNLINK, told on both records. */
export function addLinkEvents(changes: ChangeSet, kind: 'LINK' | 'UNLINK', group: RecordKey, member: RecordKey): void {
  changes.events.push({ recordType: member.recordType, recordId: member.id, kind, changed: [], relatedId: group.id });
  changes.events.push({ recordType: group.recordType, recordId: group.id, kind, changed: [], relatedId: member.id });
}

export interface RecordKey {
  readonly recordType: RecordType;
  readonly id: string;
}

export async function applyChangeSet(db: Db, profile: Profile, changes: ChangeSet): Promise<void> {
  const { registry } = profile;
  for (const recordType of profile.recordTypes) await writeRecords(db, profile, recordType, changes);
  await retireIdentifiers(db, registry, changes.identifiersRetired);
  await insertIdentifiers(db, registry, changes.identifiersAdded);
  await deleteMemberships(db, changes.membershipsDeleted);
  await putMemberships(db, registry, changes.membershipsPut);
  await insertEvents(db, registry, changes);
}

async function writeRecords(db: Db, profile: Profile, recordType: RecordType, changes: ChangeSet): Promise<void> {
  const inserted: RecordRow[] = [];
  const updated: RecordRow[] = [];
  const raised: WrittenRecord[] = [];
  for (const record of changes.written.values()) {
    if (record.recordType !== recordType) continue;
    if (record.content === undefined) raised.push(record);
    else (record.isNew ? inserted : updated).push({ id: record.id, version: record.version, ...record.content });
  }
  await insertRecords(db, profile, recordType, inserted);
  await updateRecords(db, profile, recordType, updated);
  await raiseVersions(db, profile, recordType, raised);
  const deleted = changes.deleted.filter((record) => record.recordType === recordType).map((record) => record.id);
  await deleteRecords(db, profile, recordType, deleted);
}

async function insertEvents(db: Db, registry: string, changes: ChangeSet): Promise<void> {
  const { events } = changes;
  if (events.length === 0) return;
  const lastVersions = new Map(changes.deleted.map((record) => [record.id, record.version + 1]));
  const versionOf = (id: string): number | undefined => lastVersions.get(id) ?? changes.written.get(id)?.version;
  await db.executeQuery(
    CompiledQuery.raw(
      `insert into change_event (registry, record_type, record_id, version, kind, changed, related_id, body)
       select $1, v.record_type, v.record_id, v.version, v.kind, string_to_array(v.changed, ','), v.related_id, v.body
       from unnest($2::text[], $3::uuid[], $4::integer[], $5::text[], $6::text[], $7::uuid[], $8::text[]) with ordinality
         as v (record_type, record_id, version, kind, changed, related_id, body, position)
       order by v.position`,
      [
        registry,
        events.map((event) => event.recordType.name),
        events.map((event) => event.recordId),
        events.map((event) => versionOf(event.recordId)),
        events.map((event) => event.kind),
        events.map((event) => event.changed.join(',')),
        events.map((event) => event.relatedId ?? null),
        events.map((event) => event.body ?? null),
      ],
    ),
  );
}
