import type { DciError, StatisticsItem, StatisticsRequest } from '@dci/protocol';
import { type DisclosedStatistics, discloseStatistics } from '../disclosure/disclose-statistics.ts';
import type { Grant } from '../disclosure/grant.ts';
import { decidePurpose } from '../disclosure/stated-purpose.ts';
import { createCellProtection } from '../disclosure/tell-cells.ts';
import type { Profile } from '../profiles/profile.ts';
import { countCells } from '../registry/counting/count-cells.ts';
import { type CountPlan, planCount } from '../registry/counting/plan-count.ts';
import { createLanes } from '../registry/lanes.ts';
import type { Reader } from '../registry/reader.ts';
import type { Partner } from '../store/partners.ts';
import type { ServedRegistries } from './open-registry.ts';
import { asItemRefusal, chooseProfile, planItems, type RefusedItem } from './plan-items.ts';
import { type PlanningParts, planningContext } from './planning-context.ts';

/**
 * Statistics: the items of a request, each answered or refused. They are planned as searches are, so that nothing is
 * counted that a search by this partner would not find, and no dimension told that it is not given.
 */
export interface StatisticsUse {
  run(asked: AskedStatistics): Promise<StatisticsOutcome[]>;
}

export interface AskedStatistics {
  readonly partner: Partner;
  readonly grant: Grant;
  /** The registry of the path, where the path names one. */
  readonly mounted: Profile | undefined;
  readonly request: StatisticsRequest;
  /** Whoever asked has gone: nothing more is counted for him. */
  readonly gone?: AbortSignal | undefined;
}

export type StatisticsOutcome = AnsweredStatistics | RefusedItem<StatisticsItem>;

export interface AnsweredStatistics {
  readonly item: StatisticsItem;
  readonly purpose: string | undefined;
  readonly statistics: DisclosedStatistics;
}

export interface StatisticsParts extends ServedRegistries, PlanningParts {
  readonly reader: Reader;
  /** Kept for statistics alone: what counts are off by. */
  readonly key: Buffer;
}

/** Those of the filter among them. */
const MOST_DIMENSIONS = 4;
/** Of one partner, at a time: a count may read every record. */
const COUNTS_SIDE_BY_SIDE = 1;

export function createStatistics(parts: StatisticsParts): StatisticsUse {
  const lanes = createLanes(COUNTS_SIDE_BY_SIDE);
  const protection = createCellProtection(parts.key);

  async function count(asked: AskedStatistics, plan: CountPlan): Promise<{ statistics: DisclosedStatistics } | { refusal: DciError }> {
    try {
      asked.gone?.throwIfAborted();
      const counted = await countCells(parts.reader, plan, parts.now);
      return { statistics: await discloseStatistics(protection, counted, asked.partner.limits.statisticsThreshold) };
    } catch (error) {
      return { refusal: asItemRefusal(error) };
    }
  }

  return {
    async run(asked) {
      const planned = planItems(asked.request.statistics_request, '/message/statistics_request', (item, pointer) =>
        planItem(parts, asked, item, `${pointer}/statistics_criteria`),
      );
      return await Promise.all(
        planned.map(async (entry): Promise<StatisticsOutcome> => {
          if ('refusal' in entry) return entry;
          const { item, plan, purpose } = entry;
          const counted = await lanes.run(asked.partner.id, () => count(asked, plan));
          return 'refusal' in counted ? { item, refusal: counted.refusal } : { item, purpose, statistics: counted.statistics };
        }),
      );
    },
  };
}

function planItem(
  parts: StatisticsParts,
  { partner, grant, mounted }: AskedStatistics,
  { statistics_criteria: criteria }: StatisticsItem,
  pointer: string,
): { plan: CountPlan; purpose: string | undefined } {
  const profile = chooseProfile(parts, partner, mounted, criteria, pointer);
  const plan = planCount(criteria, planningContext(parts, { partner, grant, profile, criteria, pointer }), MOST_DIMENSIONS);
  return { plan, purpose: decidePurpose(grant, criteria, pointer) };
}
