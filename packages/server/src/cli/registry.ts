import type { Config } from '../config.ts';
import { BUILT_IN_PROFILES, findProfile, parseIdentifier } from '../profiles/index.ts';
import type { Profile } from '../profiles/profile.ts';
import { isProfileApplied, reconcileProfile } from '../registry/reconcile.ts';
import type { Database } from '../store/database.ts';
import { withDatabase } from './context.ts';
import { CommandFailed, UsageError } from './output.ts';

/** The profile of a registry named on the command line. */
export function getProfile(name: string): Profile {
  const profile = findProfile(BUILT_IN_PROFILES, name);
  if (profile !== undefined) return profile;
  throw new UsageError(`there is no registry ${name}; known: ${BUILT_IN_PROFILES.map((known) => known.registry).join(', ')}`);
}

/** Runs `work` on a database whose record tables are as `profile` wants them. Only an embedded database is changed for that. */
export function withRegistry<T>(config: Config, profile: Profile, work: (database: Database) => Promise<T>): Promise<T> {
  return withDatabase(config, async (database) => {
    if (config.databaseUrl === undefined) await reconcileProfile(database, profile);
    else if (!(await isProfileApplied(database, profile)))
      throw new CommandFailed('the tables of this registry are not up to date; run: dci migrate');
    return work(database);
  });
}

/** A record named on the command line, e.g. `UIN=991308255769`. */
export function getReference(profile: Profile, text: string, recordType?: string): { recordType: string; type: string; value: string } {
  const found = parseIdentifier(profile, text, recordType);
  if (found !== undefined) return found;
  const types = profile.identifierTypes
    .filter((type) => type.unique && (recordType === undefined || type.recordType === recordType))
    .map((type) => type.code);
  throw new UsageError(`${text} names no record; write an identifier, e.g. ${types[0]}=123 (types: ${[...new Set(types)].join(', ')})`);
}
