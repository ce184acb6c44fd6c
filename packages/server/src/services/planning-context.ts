import type { SearchCriteria } from '@dci/protocol';
import { fieldUse, type Grant } from '../disclosure/grant.ts';
import { decideSight } from '../disclosure/sight.ts';
import { decidePurpose } from '../disclosure/stated-purpose.ts';
import type { Profile } from '../profiles/profile.ts';
import { dayOf } from '../registry/moments.ts';
import type { SearchContext } from '../registry/search-context.ts';
import type { Partner } from '../store/partners.ts';

export interface PlanningParts {
  readonly cursorKey: Buffer;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

/** For whom and where something is planned; records a page, where nothing says how many, and at most. */
export interface PlannedFor {
  readonly partner: Partner;
  readonly grant: Grant;
  readonly profile: Profile;
  /** Where the purpose is stated. */
  readonly criteria: Pick<SearchCriteria, 'consent' | 'authorize'>;
  /** JSON pointer of the criteria in the message. */
  readonly pointer: string;
  readonly pages?: { readonly usual: number; readonly most: number };
}

const MAX_MATCHES = 100_000;
const PAGES = { usual: 20, most: 100 };
const QUERY_LIMITS = { maxTerms: 50, maxDepth: 12, maxListValues: 1_000 };

/** Under what a search or a subscription of a partner is planned: what it is given, and its limits. Throws where its purpose is not agreed. */
export function planningContext(
  { cursorKey, now }: PlanningParts,
  { partner, grant, profile, criteria, pointer, pages = PAGES }: PlannedFor,
): SearchContext {
  const sight = decideSight(grant, profile, decidePurpose(grant, criteria, pointer));
  const maxPageSize = partner.limits.pageSize ?? pages.most;
  return {
    profile,
    partnerId: partner.id,
    ...(partner.defaultEntity === undefined ? {} : { defaultEntity: partner.defaultEntity }),
    ...(sight === undefined ? {} : { sight }),
    useOf: (recordType, field) => fieldUse(grant, profile, recordType, field),
    limits: {
      defaultPageSize: Math.min(pages.usual, maxPageSize),
      maxPageSize,
      maxMatches: partner.limits.maxMatches ?? MAX_MATCHES,
      ...QUERY_LIMITS,
    },
    cursorKey,
    today: dayOf(now()),
    pointer,
  };
}
