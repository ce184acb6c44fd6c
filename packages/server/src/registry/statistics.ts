import { CompiledQuery } from 'kysely';
import type { Profile } from '../profiles/profile.ts';
import type { Db } from '../store/database.ts';
import { recordTable } from './record-table.ts';

/** Tells PostgreSQL what the tables look like now. After a large import it would plan searches for the empty tables of before. */
export async function refreshStatistics(db: Db, profile: Profile): Promise<void> {
  const tables = profile.recordTypes.map((recordType) => recordTable(profile, recordType));
  await db.executeQuery(CompiledQuery.raw(`analyze ${[...tables, 'identifier', 'membership'].join(', ')}`));
}
