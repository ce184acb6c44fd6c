import type { Profile, RecordType } from '../profiles/profile.ts';
import type { Database } from '../store/database.ts';
import { isProfileApplied } from './reconcile.ts';

/** A record type of a registry. */
export interface TypeOfRegistry {
  readonly profile: Profile;
  readonly recordType: RecordType;
}

/** The record types that `isMeant` names and whose records have tables; a registry without tables has no records. */
export async function listAppliedTypes(
  database: Database,
  profiles: readonly Profile[],
  isMeant: (recordType: RecordType) => boolean,
): Promise<readonly TypeOfRegistry[]> {
  const found: TypeOfRegistry[] = [];
  for (const profile of profiles) {
    const meant = profile.recordTypes.filter(isMeant);
    if (meant.length > 0 && (await isProfileApplied(database, profile)))
      found.push(...meant.map((recordType) => ({ profile, recordType })));
  }
  return found;
}
