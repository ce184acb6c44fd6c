import { setTimeout as sleep } from 'node:timers/promises';
import type { Profile } from '../profiles/profile.ts';
import type { Db } from '../store/database.ts';
import {
  addMember,
  changeMembersInTransaction,
  type ChangeResult,
  deleteInTransaction,
  type RecordReference,
  removeMember,
} from './change-records.ts';
import { type PreparedRecord, prepareRecord } from './prepare-record.ts';
import { LostRace, type PutResult, putInTransaction } from './put-records.ts';
import { refusePut } from './put-units.ts';

/**
 * The one way in. Import, write API, command line and tests write records here and nowhere else; each call is one
 * transaction in which record, search columns, identifiers, memberships and change events are written together. Writing
 * what is there already changes nothing: no version, no event. Refused: documents that do not fit the profile, and
 * identifiers that belong to several records.
 */

/** Puts documents as they came; results are in their order. */
export async function putRecords(db: Db, profile: Profile, inputs: readonly unknown[], typeName?: string): Promise<PutResult[]> {
  const prepared = inputs.map((input) => prepareRecord(profile, input, typeName));
  const good = prepared.flatMap((outcome) => (outcome.ok ? [outcome.record] : []));
  const written = (await putPrepared(db, profile, good)).values();
  return prepared.map((outcome) => (outcome.ok ? next(written) : refusePut('invalid', outcome.problems)));
}

/** Puts records that were prepared before, in one transaction. */
export async function putPrepared(db: Db, profile: Profile, records: readonly PreparedRecord[]): Promise<PutResult[]> {
  if (records.length === 0) return [];
  return inWriteTransaction(db, (transaction) => putInTransaction(transaction, profile, records));
}

/** Deletes a record, takes it out of its groups or lets go of its members, and retires its identifiers. */
export async function deleteRecord(db: Db, profile: Profile, reference: RecordReference): Promise<ChangeResult> {
  return inWriteTransaction(db, (transaction) => deleteInTransaction(transaction, profile, reference));
}

/** Adds a member to a group, at the end; `isHead` makes it the head in place of the one before. */
export async function linkMember(
  db: Db,
  profile: Profile,
  group: RecordReference,
  member: RecordReference,
  { isHead }: { isHead?: boolean } = {},
): Promise<ChangeResult> {
  return inWriteTransaction(db, (transaction) => changeMembersInTransaction(transaction, profile, group, member, addMember(isHead)));
}

/** Takes a member out of a group. */
export async function unlinkMember(db: Db, profile: Profile, group: RecordReference, member: RecordReference): Promise<ChangeResult> {
  return inWriteTransaction(db, (transaction) => changeMembersInTransaction(transaction, profile, group, member, removeMember));
}

const MOST_ATTEMPTS = 12;
const LONGEST_PAUSE_MS = 50;

/** Two writers that met on one record: one is tried again, and then sees what the other wrote. */
export async function inWriteTransaction<T>(db: Db, work: (transaction: Db) => Promise<T>): Promise<T> {
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
