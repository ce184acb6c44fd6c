import type { Filter } from '../registry/plan.ts';
import { readRowScope } from '../registry/row-scope.ts';
import type { Sight } from '../registry/sight.ts';
import type { Profile } from '../profiles/profile.ts';
import { type Grant, isOpen } from './grant.ts';

type Scope = Pick<Sight, 'closed' | 'rows'>;

const scopes = new WeakMap<Grant, Map<Profile, Scope>>();

/**
 * Which records of a registry the grant lets be seen for a purpose; undefined where it is all of them. Where the legal
 * basis is not consent, none is asked for.
 */
export function decideSight(grant: Grant, profile: Profile, purpose: string | undefined): Sight | undefined {
  const scope = getScope(grant, profile);
  if (grant.legalBasis.kind !== 'consent') return scope.closed.size === 0 && scope.rows.size === 0 ? undefined : scope;
  return { ...scope, consent: { recipients: grant.recipients, purposes: purpose === undefined ? [] : [purpose] } };
}

function getScope(grant: Grant, profile: Profile): Scope {
  const byProfile = scopes.get(grant) ?? new Map<Profile, Scope>();
  scopes.set(grant, byProfile);
  const known = byProfile.get(profile);
  if (known !== undefined) return known;
  const scope = makeScope(grant, profile);
  byProfile.set(profile, scope);
  return scope;
}

/** A scope names every record type that is open; one that it does not name is closed all the same. */
function makeScope(grant: Grant, profile: Profile): Scope {
  const stated = grant.registryTerms[profile.registry]?.rows;
  const closed = new Set<string>();
  const rows = new Map<string, Filter>();
  for (const recordType of profile.recordTypes) {
    const query = stated?.[recordType.name];
    if (!isOpen(grant, profile, recordType) || (stated !== undefined && query === undefined)) closed.add(recordType.name);
    else if (query !== undefined && query !== 'all') rows.set(recordType.name, readRowScope(profile, recordType, query));
  }
  return { closed, rows };
}
