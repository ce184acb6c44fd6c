import { randomUUID } from 'node:crypto';
import { parseStatisticsRequest } from '@dci/protocol';
import { decideGrant } from '../disclosure/grant.ts';
import type { QueryDescriber } from '../disclosure/query-description.ts';
import { createSyncService, type SyncService, type SyncServiceParts } from './answer-sync.ts';
import { checkHeader, type Sender } from './receive-message.ts';
import { describeStatistics } from './statistics-audit.ts';
import { writeStatisticsMessage } from './statistics-message.ts';
import { countItems, summariseOutcomes } from './search-message.ts';
import { createStatistics, type StatisticsParts } from './statistics.ts';

export interface StatisticsServiceParts extends SyncServiceParts, StatisticsParts {
  readonly describeQuery: QueryDescriber;
  /** Takes points beyond those that every request costs; throws `err.request.too_many_requests`. */
  readonly charge: (sender: Sender, points: number) => Promise<void>;
}

const MAX_ITEMS = 20;
const POINTS_AN_ITEM = 5;

/** The synchronous edge of statistics. */
export function createStatisticsService(parts: StatisticsServiceParts): SyncService {
  const statistics = createStatistics(parts);
  return createSyncService(parts, {
    action: 'statistics',
    answeredBy: 'on-statistics',
    async answer({ sender, mounted, message, gone }) {
      const { partner } = sender;
      const grant = decideGrant(partner);
      const maxItems = Math.min(partner.limits.itemsPerMessage ?? MAX_ITEMS, MAX_ITEMS);
      checkHeader(parts.reception, message, { action: 'statistics', items: countItems(message.message, 'statistics_request'), maxItems });
      const request = parseStatisticsRequest(message.message);
      const items = request.statistics_request.length;
      if (items > 1) await parts.charge(sender, (items - 1) * POINTS_AN_ITEM);
      const outcomes = await statistics.run({ partner, grant, mounted, request, gone });
      const [transactionId, correlationId] = [request.transaction_id, randomUUID()];
      return {
        header: summariseOutcomes(outcomes),
        entry: describeStatistics(parts.describeQuery, { grant, transactionId, correlationId, outcomes }),
        write: () =>
          writeStatisticsMessage({ transaction_id: transactionId, correlation_id: correlationId }, outcomes, parts.reception.now()),
      };
    },
  });
}
