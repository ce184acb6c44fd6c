import { writeFilter } from './filter-text.ts';
import type { Filter } from './plan.ts';

/**
 * Which records a partner may see at all. It holds wherever a search touches a record: at the record that is answered, at
 * members that are written with it, at records on which it depends or by which it is sorted. What is out of sight is as
 * good as not there: it is not found, not counted, and decides nothing.
 */
export interface Sight {
  /** Record types of which nothing is seen. */
  readonly closed: ReadonlySet<string>;
  /** By record type: only records that meet the condition are seen. A type that is not named is seen whole. */
  readonly rows: ReadonlyMap<string, Filter>;
  /** Only records are seen for which there is consent, and of each the fields it covers. */
  readonly consent?: ConsentTerms;
}

/** Whose consent counts: given to one of these recipients, for one of these purposes, and valid now. */
export interface ConsentTerms {
  readonly recipients: readonly string[];
  readonly purposes: readonly string[];
}

/** What may be seen, as a text that two share only if it is the same. */
export function describeSight({ closed, rows, consent }: Sight): string {
  const known = sights.get(rows);
  const scope = known ?? JSON.stringify([[...closed], [...rows].map(([recordType, filter]) => [recordType, writeFilter(filter)])]);
  if (known === undefined) sights.set(rows, scope);
  return consent === undefined ? scope : `${scope} ${JSON.stringify(consent)}`;
}

// A scope may be long, and is the same for all that a partner asks.
const sights = new WeakMap<Sight['rows'], string>();
