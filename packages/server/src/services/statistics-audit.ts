import type { QueryDescriber } from '../disclosure/query-description.ts';
import { type AuditedItems, describeItems } from './search-audit.ts';
import type { AnsweredStatistics } from './statistics.ts';

/** What the audit trail says of statistics: what was counted by what, and how many numbers were told. No record left. */
export function describeStatistics(
  describeQuery: QueryDescriber,
  audited: AuditedItems<AnsweredStatistics>,
): ReturnType<typeof describeItems> {
  return describeItems(audited, ({ statistics: { plan, rows, total, threshold } }) => ({
    profile: plan.profile,
    query: {
      ...describeQuery(plan),
      dimensions: plan.dimensions.map(({ name }) => name),
      rows: rows.length,
      total: total === undefined ? 0 : 1,
      threshold,
    },
  }));
}
