import type { SearchCriteria } from '@dci/protocol';
import type { Attribute, IdentifierType, Profile, RecordType } from '../profiles/profile.ts';
import type { CursorSettings } from './cursor.ts';
import type { Filter, SearchPlan } from './plan.ts';
import type { QueryLimits } from './read-query/query.ts';

/** Under what a search is planned. */
export interface SearchContext extends CursorSettings {
  readonly profile: Profile;
  /** Entity in which the partner is answered when the criteria name none. */
  readonly defaultEntity?: string;
  /** Fields that the partner may read: only these may be filtered or sorted by. */
  readonly mayUse: (recordType: RecordType, field: Attribute | IdentifierType) => boolean;
  readonly limits: SearchLimits;
  /** The day on which ages are counted, `YYYY-MM-DD`. */
  readonly today: string;
  /** JSON pointer of the criteria in the message. */
  readonly pointer: string;
  /** The records that the partner may see at all. */
  readonly rowScope?: Filter;
}

export interface SearchLimits extends QueryLimits {
  readonly defaultPageSize: number;
  readonly maxPageSize: number;
  /** Most records that a search may match. */
  readonly maxMatches: number;
}

export type Pass = (plan: SearchPlan, criteria: SearchCriteria, context: SearchContext) => SearchPlan;
