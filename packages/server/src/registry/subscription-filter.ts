import type { Profile, RecordType } from '../profiles/profile.ts';
import { EVERYTHING, findFilterKeys } from './filter-keys.ts';
import { hashFilter, normaliseFilter, readFilter, writeFilter } from './filter-text.ts';
import type { Filter } from './plan.ts';
import type { StoredFilter } from '../store/subscriptions.ts';

/** The filter of a subscription as it is kept and found; `undefined`: every record of the type. */
export function toStoredFilter(profile: Profile, recordType: RecordType, filter: Filter | undefined): StoredFilter {
  const place = { registry: profile.registry, recordType: recordType.name };
  if (filter === undefined) return { ...place, hash: hashFilter('everything'), filter: '"everything"', ...EVERYTHING };
  const text = normaliseFilter(writeFilter(filter));
  const normalised = readFilter(profile, text);
  if (normalised === undefined) throw new Error('a filter that was just bound to the profile cannot be read');
  return { ...place, hash: hashFilter(text), filter: JSON.stringify(text), ...findFilterKeys(normalised, recordType) };
}
