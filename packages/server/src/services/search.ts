import { DciError, type SearchItem, type SearchRequest } from '@dci/protocol';
import { type DisclosedResult, disclose } from '../disclosure/disclose.ts';
import type { Pseudonyms } from '../disclosure/pseudonyms.ts';
import { executeSearches } from '../registry/execute.ts';
import { createLanes } from '../registry/lanes.ts';
import { openMessageBudget } from '../registry/message-budget.ts';
import type { Reader } from '../registry/reader.ts';
import { planSearch } from '../registry/search.ts';
import { type Asker, type CriteriaParts, planCriteria, type RefusedItem } from './plan-items.ts';

/**
 * The search: the items of a request, each answered or refused. Items are planned one by one, so that one that cannot be
 * served does not harm the others, and read together. It knows neither how the request came nor how its answer leaves.
 */
export interface Search {
  run(asked: AskedSearch): Promise<SearchOutcome[]>;
}

/** What is asked, by whom, and what he may see. */
export interface AskedSearch extends Asker {
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

export interface SearchParts extends CriteriaParts {
  readonly reader: Reader;
  readonly pseudonyms: Pseudonyms;
}

/** Of one partner, at a time; look-ups by identifier do not count. */
const SEARCHES_SIDE_BY_SIDE = 2;
const MESSAGE_LIMITS = { milliseconds: 10_000, records: 20_000, characters: 32_000_000 };

export function createSearch(parts: SearchParts): Search {
  const lanes = createLanes(SEARCHES_SIDE_BY_SIDE);
  return {
    async run(asked) {
      const list = {
        items: asked.request.search_request,
        names: ['search_request', 'search_criteria'],
        criteriaOf: (item: SearchItem) => item.search_criteria,
      } as const;
      const planned = await planCriteria(parts, asked, list, planSearch);
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
