import { DciError, type SearchItem, type SearchRequest } from '@dci/protocol';
import { type DisclosedResult, disclose } from '../disclosure/disclose.ts';
import type { Grant } from '../disclosure/grant.ts';
import type { Pseudonyms } from '../disclosure/pseudonyms.ts';
import { decidePurpose } from '../disclosure/stated-purpose.ts';
import type { Profile } from '../profiles/profile.ts';
import type { SearchPlan } from '../registry/plan.ts';
import { executeSearches } from '../registry/execute.ts';
import { createLanes } from '../registry/lanes.ts';
import { openMessageBudget } from '../registry/message-budget.ts';
import type { Reader } from '../registry/reader.ts';
import { planSearch } from '../registry/search.ts';
import type { Partner } from '../store/partners.ts';
import type { ConsentTokens } from './consent-tokens.ts';
import type { ServedRegistries } from './open-registry.ts';
import { chooseProfile, planItems, type RefusedItem } from './plan-items.ts';
import { planningContext } from './planning-context.ts';
import { acceptPresentedConsents } from './present-consents.ts';

/**
 * The search: the items of a request, each answered or refused. Items are planned one by one, so that one that cannot be
 * served does not harm the others, and read together. It knows neither how the request came nor how its answer leaves.
 */
export interface Search {
  run(asked: AskedSearch): Promise<SearchOutcome[]>;
}

/** What is asked, by whom, and what he may see. */
export interface AskedSearch {
  readonly partner: Partner;
  readonly grant: Grant;
  /** The registry of the path, where the path names one. */
  readonly mounted: Profile | undefined;
  readonly request: SearchRequest;
  readonly pages: PageSizes;
  /** Whoever asked has gone: nothing more is read for him. */
  readonly gone?: AbortSignal | undefined;
}

/** Records a page, where the item does not say and at most; a partner's own limit stands in place of both. */
export interface PageSizes {
  readonly usual: number;
  readonly most: number;
}

export type SearchOutcome = AnsweredItem | RefusedItem<SearchItem>;

export interface AnsweredItem {
  readonly item: SearchItem;
  /** For what the records are to be used, where that is told. */
  readonly purpose: string | undefined;
  readonly result: DisclosedResult;
}

export interface SearchParts extends ServedRegistries {
  readonly reader: Reader;
  readonly cursorKey: Buffer;
  readonly pseudonyms: Pseudonyms;
  readonly consentTokens: ConsentTokens;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

/** Of one partner, at a time; look-ups by identifier do not count. */
const SEARCHES_SIDE_BY_SIDE = 2;
const MESSAGE_LIMITS = { milliseconds: 10_000, records: 20_000, characters: 32_000_000 };

export function createSearch(parts: SearchParts): Search {
  const lanes = createLanes(SEARCHES_SIDE_BY_SIDE);
  return {
    async run(asked) {
      const refusals = await acceptPresentedConsents(parts.consentTokens, {
        partner: asked.partner,
        grant: asked.grant,
        items: asked.request.search_request,
        chooseProfile: (item, pointer) => chooseProfile(parts, asked.partner, asked.mounted, item.search_criteria, pointer),
      });
      const planned = planItems(asked.request.search_request, '/message/search_request', (item, pointer, index) => {
        const refusal = refusals.get(index);
        if (refusal !== undefined) throw refusal;
        return planItem(parts, asked, item, `${pointer}/search_criteria`);
      });
      const plans = planned.flatMap((entry) => ('plan' in entry ? [entry.plan] : []));
      const results = await executeSearches(parts.reader, plans, {
        budget: openMessageBudget(MESSAGE_LIMITS, () => performance.now()),
        inTurn: (work) => lanes.run(asked.partner.id, work),
        gone: asked.gone,
      });
      let next = 0;
      return planned.map((entry): SearchOutcome => {
        if ('refusal' in entry) return entry;
        const { item, purpose } = entry;
        const result = results[next++];
        if (result === undefined) throw new Error('a search was planned and not executed');
        if (result instanceof DciError) return { item, refusal: result };
        return { item, purpose, result: disclose(asked.grant, result, parts.pseudonyms) };
      });
    },
  };
}

function planItem(
  parts: SearchParts,
  { partner, grant, mounted, pages }: AskedSearch,
  item: SearchItem,
  pointer: string,
): { plan: SearchPlan; purpose: string | undefined } {
  const criteria = item.search_criteria;
  const profile = chooseProfile(parts, partner, mounted, criteria, pointer);
  const plan = planSearch(criteria, planningContext(parts, { partner, grant, profile, criteria, pointer, pages }));
  return { plan, purpose: decidePurpose(grant, criteria, pointer) };
}
