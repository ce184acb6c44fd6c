import { canonicalJson, type Statistics, type StatisticsResponse, type StatisticsResponseItem } from '@dci/protocol';
import type { DisclosedCount, DisclosedStatistics } from '../disclosure/disclose-statistics.ts';
import { answeredItem, refusedItem } from './search-message.ts';
import type { StatisticsOutcome } from './statistics.ts';

/** The answer to a request for statistics as canonical text. */
export function writeStatisticsMessage(
  ids: Pick<StatisticsResponse, 'transaction_id' | 'correlation_id'>,
  outcomes: readonly StatisticsOutcome[],
  now: number,
): string {
  const timestamp = new Date(now).toISOString();
  return canonicalJson({ ...ids, statistics_response: outcomes.map((outcome) => writeItem(outcome, timestamp)) });
}

function writeItem(outcome: StatisticsOutcome, timestamp: string): StatisticsResponseItem {
  if ('refusal' in outcome) return refusedItem(outcome, timestamp);
  return { ...answeredItem(outcome.item, timestamp), status: 'succ', statistics: writeStatistics(outcome.statistics) };
}

function writeStatistics({ plan, rows, total, threshold, asOf }: DisclosedStatistics): Statistics {
  const names = plan.dimensions.map(({ name }) => name);
  return {
    reg_type: plan.profile.regTypes[0] ?? plan.profile.registry,
    reg_record_type: plan.entity.name,
    dimensions: names,
    rows: rows.map((row) => ({
      values: Object.fromEntries(names.map((name, place) => [name, row.values[place] ?? null])),
      ...writeCount(row),
    })),
    total: total === undefined ? { suppressed: true } : writeCount(total),
    threshold,
    as_of: new Date(asOf).toISOString(),
  };
}

function writeCount({ count, accuracy }: DisclosedCount): { count: number; accuracy: number } {
  return { count, accuracy };
}
