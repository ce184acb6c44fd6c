import { sql } from 'kysely';
import type { Profile, RecordType } from '../../profiles/profile.ts';
import type { Db } from '../../store/database.ts';
import { readBody } from '../document.ts';
import { blockKeys } from './block-keys.ts';
import { readMatchSubject } from './match-subject.ts';

/** The stored keys of `block-keys.ts`: which records may be of one person without comparing each with all. */

/** A record as stored. */
export interface KeyedRecord {
  readonly id: string;
  readonly body: string;
}

/** Puts the keys of records in place of those they had. */
export async function putMatchKeys(db: Db, profile: Profile, recordType: RecordType, records: readonly KeyedRecord[]): Promise<void> {
  if (records.length === 0) return;
  const keyed = records.map(({ id, body }) => ({ id, keys: keysOf(recordType, body) }));
  await sql`
    insert into match_index (record_id, registry, record_type, keys)
    select id, ${profile.registry}, ${recordType.name}, keys::bigint[]
    from unnest(${keyed.map(({ id }) => id)}::uuid[], ${keyed.map(({ keys }) => `{${keys.join(',')}}`)}::text[]) as v (id, keys)
    on conflict (record_id) do update set keys = excluded.keys where match_index.keys <> excluded.keys`.execute(db);
}

function keysOf(recordType: RecordType, body: string): readonly bigint[] {
  const subject = readMatchSubject(recordType, readBody(recordType, body));
  return subject === undefined ? [] : blockKeys(subject);
}

export async function removeMatchKeys(db: Db, recordIds: readonly string[]): Promise<void> {
  if (recordIds.length === 0) return;
  await db.deleteFrom('match_index').where('record_id', 'in', recordIds).execute();
}
