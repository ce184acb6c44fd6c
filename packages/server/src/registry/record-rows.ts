import { CompiledQuery } from 'kysely';
import type { Profile, RecordType } from '../profiles/profile.ts';
import type { Db } from '../store/database.ts';
import type { Document } from './document.ts';
import { recordTable, searchColumns } from './record-table.ts';

/** A record as it is before a change, locked until the transaction ends. */
export interface LockedRecord {
  readonly recordType: RecordType;
  readonly id: string;
  readonly version: number;
  readonly body: string;
}

export interface RecordContent {
  readonly document: Document;
  readonly body: string;
}

export interface RecordRow extends RecordContent {
  readonly id: string;
  readonly version: number;
}

/** Locks in the order of ids, so that two writers of the same records wait for each other instead of dying. Missing ones are left out. */
export async function lockRecords(db: Db, profile: Profile, recordType: RecordType, ids: readonly string[]): Promise<LockedRecord[]> {
  if (ids.length === 0) return [];
  const table = recordTable(profile, recordType);
  const { rows } = await db.executeQuery<{ id: string; version: number; body: string }>(
    CompiledQuery.raw(`select id, version, body from ${table} where id = any($1::uuid[]) order by id for update`, [ids]),
  );
  return rows.map((row) => ({ ...row, recordType }));
}

export async function insertRecords(db: Db, profile: Profile, recordType: RecordType, rows: readonly RecordRow[]): Promise<void> {
  if (rows.length === 0) return;
  const columns = ['id', 'version', 'body', ...searchColumns(recordType).map((column) => column.name)].join(', ');
  await db.executeQuery(
    CompiledQuery.raw(
      `insert into ${recordTable(profile, recordType)} (${columns}) select * from unnest(${parameterTypes(recordType)})`,
      toParameters(recordType, rows),
    ),
  );
}

export async function updateRecords(db: Db, profile: Profile, recordType: RecordType, rows: readonly RecordRow[]): Promise<void> {
  if (rows.length === 0) return;
  const columns = ['version', 'body', ...searchColumns(recordType).map((column) => column.name)];
  await db.executeQuery(
    CompiledQuery.raw(
      `update ${recordTable(profile, recordType)} as t set updated_at = now(), ${columns.map((column) => `${column} = v.${column}`).join(', ')}
       from unnest(${parameterTypes(recordType)}) as v (id, ${columns.join(', ')}) where t.id = v.id`,
      toParameters(recordType, rows),
    ),
  );
}

/** For records whose memberships changed, but not their documents. */
export async function raiseVersions(
  db: Db,
  profile: Profile,
  recordType: RecordType,
  rows: readonly { readonly id: string; readonly version: number }[],
): Promise<void> {
  if (rows.length === 0) return;
  await db.executeQuery(
    CompiledQuery.raw(
      `update ${recordTable(profile, recordType)} as t set updated_at = now(), version = v.version
       from unnest($1::uuid[], $2::integer[]) as v (id, version) where t.id = v.id`,
      [rows.map((row) => row.id), rows.map((row) => row.version)],
    ),
  );
}

export async function deleteRecords(db: Db, profile: Profile, recordType: RecordType, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  await db.executeQuery(CompiledQuery.raw(`delete from ${recordTable(profile, recordType)} where id = any($1::uuid[])`, [ids]));
}

function parameterTypes(recordType: RecordType): string {
  const types = ['uuid', 'integer', 'text', ...searchColumns(recordType).map((column) => column.sqlType)];
  return types.map((type, index) => `$${index + 1}::${type}[]`).join(', ');
}

function toParameters(recordType: RecordType, rows: readonly RecordRow[]): unknown[] {
  return [
    rows.map((row) => row.id),
    rows.map((row) => row.version),
    rows.map((row) => row.body),
    ...searchColumns(recordType).map((column) => rows.map((row) => column.read(row.document))),
  ];
}
