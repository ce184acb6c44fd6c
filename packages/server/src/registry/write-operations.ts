import { getRecordType } from '../profiles/index.ts';
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
import type { Problem } from './normalise.ts';
import { type PreparedRecord, prepareRecord } from './prepare-record.ts';
import { putInTransaction } from './put-records.ts';
import { type Expectation, type PutRefusal, refusePut } from './put-units.ts';
import type { LockedRecord } from './record-rows.ts';

/**
 * Several changes as one: all of them or none. They are carried out in their order, each on what those before left.
 */
export type WriteOperation =
  | { readonly op: 'create' | 'put'; readonly document: unknown; readonly typeName?: string | undefined }
  | { readonly op: 'update'; readonly document: unknown; readonly typeName?: string | undefined; readonly version: number }
  | { readonly op: 'delete'; readonly record: RecordReference; readonly version?: number | undefined }
  | { readonly op: 'link'; readonly group: RecordReference; readonly member: RecordReference; readonly isHead?: boolean | undefined }
  | { readonly op: 'unlink'; readonly group: RecordReference; readonly member: RecordReference };

export interface WriteResult {
  readonly op: WriteOperation['op'];
  readonly status: 'created' | 'updated' | 'unchanged' | 'deleted' | 'linked' | 'unlinked';
  readonly recordType: string;
  readonly id: string;
  /** Of the record, or of the group of a link. */
  readonly version: number;
}

/** One operation cannot be carried out, and so none is. */
export class WriteRefused extends Error {
  override readonly name = 'WriteRefused';
  readonly index: number;
  readonly refusal: PutRefusal;

  constructor(index: number, refusal: PutRefusal) {
    super(`operation ${index} is refused: ${refusal.reason}`);
    this.index = index;
    this.refusal = refusal;
  }
}

/** Inside a transaction, which must be rolled back when this throws a `WriteRefused`. */
export async function writeOperations(db: Db, profile: Profile, operations: readonly WriteOperation[]): Promise<WriteResult[]> {
  const results: WriteResult[] = [];
  for (const run of takeRuns(operations)) results.push(...(await writeRun(db, profile, run, results.length)));
  return results;
}

type PutOperation = Extract<WriteOperation, { document: unknown }>;
type Run = { readonly puts: readonly PutOperation[] } | { readonly single: Exclude<WriteOperation, PutOperation> };

/** Records that are put one after the other are written together. */
function takeRuns(operations: readonly WriteOperation[]): Run[] {
  const runs: Run[] = [];
  let puts: PutOperation[] = [];
  for (const operation of operations) {
    if ('document' in operation) {
      if (puts.push(operation) === 1) runs.push({ puts });
    } else {
      runs.push({ single: operation });
      puts = [];
    }
  }
  return runs;
}

async function writeRun(db: Db, profile: Profile, run: Run, first: number): Promise<WriteResult[]> {
  if ('puts' in run) return await writePuts(db, profile, run.puts, first);
  return [await writeSingle(db, profile, run.single, first)];
}

async function writePuts(db: Db, profile: Profile, operations: readonly PutOperation[], first: number): Promise<WriteResult[]> {
  const prepared = operations.map((operation, index) => prepare(profile, operation, first + index));
  const results = await putInTransaction(db, profile, prepared, operations.map(expect));
  return operations.map(({ op }, index): WriteResult => {
    const result = results[index];
    if (result === undefined) throw new Error('a record was neither written nor refused');
    if (result.status === 'refused') throw new WriteRefused(first + index, inDocument(result));
    const { status, recordType, id, version } = result;
    return { op, status, recordType, id, version };
  });
}

function prepare(profile: Profile, operation: PutOperation, index: number): PreparedRecord {
  const prepared = prepareRecord(profile, operation.document, operation.typeName);
  const problems = prepared.ok ? (operation.op === 'update' ? findUncheckedMembers(prepared.record) : []) : prepared.problems;
  if (!prepared.ok || problems.length > 0) throw new WriteRefused(index, inDocument(refusePut('invalid', problems)));
  return prepared.record;
}

/** A member's own document would be written without a look at its version. */
function findUncheckedMembers({ members }: PreparedRecord): Problem[] {
  const unchecked = (members?.entries ?? []).filter((entry) => entry.record !== undefined);
  return unchecked.map(({ pointer }) => ({ pointer, text: 'must name the member by its identifiers alone: it is updated by itself' }));
}

function expect(operation: PutOperation): Expectation | undefined {
  if (operation.op === 'create') return 'absent';
  return operation.op === 'update' ? { version: operation.version } : undefined;
}

function inDocument(refusal: PutRefusal): PutRefusal {
  if (refusal.reason === 'version')
    return { ...refusal, problems: [{ pointer: '/version', text: `the record has version ${refusal.currentVersion} now` }] };
  return { ...refusal, problems: refusal.problems.map(({ pointer, text }) => ({ pointer: `/record${pointer}`, text })) };
}

async function writeSingle(
  db: Db,
  profile: Profile,
  operation: Exclude<WriteOperation, PutOperation>,
  index: number,
): Promise<WriteResult> {
  const { op } = operation;
  const result = await change(db, profile, operation, index);
  if (result.status === 'not-found') throw new WriteRefused(index, refusePut('missing', [{ pointer: '', text: missing(operation) }]));
  const { status, recordType, id, version } = result;
  return { op, status: status === 'unchanged' ? status : DONE[op], recordType, id, version };
}

const DONE = { delete: 'deleted', link: 'linked', unlink: 'unlinked' } as const;

function missing({ op }: WriteOperation): string {
  return op === 'delete' ? 'the record is not in the registry' : 'the group or the member is not in the registry';
}

async function change(db: Db, profile: Profile, operation: Exclude<WriteOperation, PutOperation>, index: number): Promise<ChangeResult> {
  switch (operation.op) {
    case 'delete':
      return await deleteInTransaction(db, profile, operation.record, (record) => assertVersion(record, operation.version, index));
    case 'link':
    case 'unlink': {
      assertBound(profile, operation, index);
      const places = operation.op === 'link' ? addMember(operation.isHead) : removeMember;
      return await changeMembersInTransaction(db, profile, operation.group, operation.member, places);
    }
  }
}

function assertVersion({ version }: LockedRecord, expected: number | undefined, index: number): void {
  if (expected === undefined || expected === version) return;
  const refusal = refusePut('version', [{ pointer: '/version', text: `the record has version ${version} now` }]);
  throw new WriteRefused(index, { ...refusal, currentVersion: version });
}

function assertBound(profile: Profile, { group, member }: { group: RecordReference; member: RecordReference }, index: number): void {
  const { members } = getRecordType(profile, group.recordType);
  if (members?.recordType === member.recordType) return;
  throw new WriteRefused(
    index,
    refusePut('invalid', [{ pointer: '/member', text: `a ${group.recordType} has no ${member.recordType} as member` }]),
  );
}
