import { CompiledQuery } from 'kysely';
import { getRecordType } from '../profiles/index.ts';
import type { Profile, RecordType } from '../profiles/profile.ts';
import type { Db } from '../store/database.ts';
import { type Document, getMemberType, readBody } from './document.ts';
import { findRecordIds, type IdentifierProbe, probeKey } from './identifier-rows.ts';
import { readMembers } from './membership.ts';
import { recordTable } from './record-table.ts';

/** A record as it is kept, for whoever runs the registry; partners are answered through `disclosure/` only. */
export interface StoredRecord {
  readonly recordType: string;
  readonly version: number;
  readonly updatedAt: Date;
  /** With its members, where it has any. */
  readonly document: Document;
}

export async function findRecord(db: Db, profile: Profile, reference: IdentifierProbe): Promise<StoredRecord | undefined> {
  const id = (await findRecordIds(db, profile.registry, [reference])).get(probeKey(reference));
  if (id === undefined) return undefined;
  const recordType = getRecordType(profile, reference.recordType);
  const row = (await readRows(db, profile, recordType, [id])).get(id);
  if (row === undefined) return undefined;
  const document = { ...readBody(recordType, row.body), ...(await readMembership(db, profile, recordType, id)) };
  return { recordType: recordType.name, version: row.version, updatedAt: row.updatedAt, document };
}

async function readMembership(db: Db, profile: Profile, recordType: RecordType, id: string): Promise<Document> {
  if (recordType.members === undefined) return {};
  const memberType = getMemberType(profile, recordType);
  const places = (await readMembers(db, [id])).get(id) ?? [];
  const rows = await readRows(
    db,
    profile,
    memberType,
    places.map((place) => place.memberId),
  );
  const documents = places.flatMap((place) => {
    const row = rows.get(place.memberId);
    return row === undefined ? [] : [{ isHead: place.isHead, document: readBody(memberType, row.body) }];
  });
  const head = documents.find((member) => member.isHead)?.document;
  return {
    [recordType.members.listProperty]: documents.map((member) => member.document),
    ...(head !== undefined && { [recordType.members.headProperty]: head }),
  };
}

interface Row {
  readonly id: string;
  readonly version: number;
  readonly body: string;
  readonly updatedAt: Date;
}

async function readRows(db: Db, profile: Profile, recordType: RecordType, ids: readonly string[]): Promise<Map<string, Row>> {
  const table = recordTable(profile, recordType);
  const { rows } = await db.executeQuery<Row>(
    CompiledQuery.raw(`select id, version, body, updated_at as "updatedAt" from ${table} where id = any($1::uuid[])`, [ids]),
  );
  return new Map(rows.map((row) => [row.id, row]));
}
