import type { SearchCriteria } from '@dci/protocol';
import type { Attribute, IdentifierType, Profile, RecordType } from '../profiles/profile.ts';
import type { CursorSettings } from './cursor.ts';
import type { SearchPlan } from './plan.ts';
import type { QueryLimits } from './read-query/query.ts';
import type { Sight } from './sight.ts';

/** Under what a search is planned. */
export interface SearchContext extends CursorSettings {
  readonly profile: Profile;
  /** Entity in which the partner is answered when the criteria name none. */
  readonly defaultEntity?: string;
  /** How far a field may be compared and sorted by: no further than the partner is given it. */
  readonly useOf: (recordType: RecordType, field: Attribute | IdentifierType) => FieldUse;
  readonly limits: SearchLimits;
  /** The day on which ages are counted, `YYYY-MM-DD`. */
  readonly today: string;
  /** JSON pointer of the criteria in the message. */
  readonly pointer: string;
  /** The records that the partner may see at all; absent: every one. */
  readonly sight?: Sight;
}

/**
 * - `open`: as the profile has it;
 * - `closed`: not at all;
 * - `alone`: asked for by one value, which is all that the query asks;
 * - steps of so many months: compared at the beginnings of steps only, and not sorted by.
 */
export type FieldUse = 'open' | 'closed' | 'alone' | { readonly months: number };

export interface SearchLimits extends QueryLimits {
  readonly defaultPageSize: number;
  readonly maxPageSize: number;
  /** Most records that a search may match. */
  readonly maxMatches: number;
}

export type Pass = (plan: SearchPlan, criteria: Pick<SearchCriteria, 'sort' | 'pagination'>, context: SearchContext) => SearchPlan;
