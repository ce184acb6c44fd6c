import type { EventType, Profile } from './profile.ts';

/** Events that every registry has: one for each kind of change. */
export const COMMON_EVENTS: readonly EventType[] = [
  { name: 'REGISTER', synonyms: ['REGISTRATION', 'REGISTERED', 'CREATE'], raisedBy: [{ kind: 'REGISTER' }] },
  { name: 'UPDATE', synonyms: ['UPDATED', 'CHANGE'], raisedBy: [{ kind: 'UPDATE' }] },
  { name: 'DELETE', synonyms: ['DEREGISTER', 'DEREGISTRATION', 'DELETED'], raisedBy: [{ kind: 'DELETE' }] },
  { name: 'LINK', synonyms: ['LINKED'], raisedBy: [{ kind: 'LINK' }] },
  { name: 'UNLINK', synonyms: ['UNLINKED'], raisedBy: [{ kind: 'UNLINK' }] },
];

/** A change, as far as rules look at it. */
export interface RaisedChange {
  readonly kind: string;
  readonly recordType: string;
  readonly changed: readonly string[];
}

export function listEventTypes(profile: Profile): readonly EventType[] {
  return [...COMMON_EVENTS, ...(profile.events ?? [])];
}

/** By name or synonym, also with a namespace (`spdci-common:RegistryEventType:NewFarmer`), ignoring case. */
export function findEventType(profile: Profile, name: string): EventType | undefined {
  const bare = name.slice(name.search(/[^:/#]*$/)).toLowerCase();
  // A registry's own event comes first: what it calls by a common name is its own.
  return listEventTypes(profile)
    .toReversed()
    .find((event) => [event.name, ...event.synonyms].some((known) => known.toLowerCase() === bare));
}

/** What a change is called: several names where several rules fit. */
export function findRaisedEvents(profile: Profile, change: RaisedChange): readonly string[] {
  return listEventTypes(profile)
    .filter((event) => event.raisedBy.some((rule) => isRaised(rule, change)))
    .map((event) => event.name);
}

function isRaised(rule: EventType['raisedBy'][number], { kind, recordType, changed }: RaisedChange): boolean {
  if (rule.kind !== kind || (rule.recordType !== undefined && rule.recordType !== recordType)) return false;
  return rule.changed === undefined || changed.some((path) => rule.changed?.some((wanted) => touches(path, wanted)));
}

/** A change of a container may be one of what is in it, and one of a field is one of its container. */
function touches(path: string, wanted: string): boolean {
  return path === wanted || path.startsWith(`${wanted}.`) || wanted.startsWith(`${path}.`);
}
