import { createExistsService } from './services/answer-exists.ts';
import { createMatchService } from './services/answer-match.ts';
import { createSearchService, type SearchServiceParts } from './services/answer-search.ts';
import { createStatisticsService } from './services/answer-statistics.ts';
import type { SyncService } from './services/answer-sync.ts';
import { createExistenceCheck } from './services/exists.ts';
import { createPersonMatching, type MatchingParts } from './services/match.ts';
import type { Sender } from './services/receive-message.ts';

/** What is asked and answered at once. */
export interface Foreground {
  readonly search: SyncService;
  readonly exists: SyncService;
  readonly match: SyncService;
  readonly statistics: SyncService;
}

export interface ForegroundParts extends SearchServiceParts {
  /** How records are found. */
  readonly finding: MatchingParts;
  /** Kept for statistics alone. */
  readonly statisticsKey: Buffer;
  /** Takes identifiers of those that the partner may check in a day; throws `err.request.too_many_requests`. */
  readonly chargeIdentifiers: (sender: Sender, identifiers: number) => Promise<void>;
}

export function createForeground({ finding, statisticsKey, ...parts }: ForegroundParts): Foreground {
  return {
    search: createSearchService(parts),
    exists: createExistsService({ ...parts, exists: createExistenceCheck(finding) }),
    match: createMatchService({ ...parts, match: createPersonMatching(finding) }),
    statistics: createStatisticsService({ ...parts, ...finding, key: statisticsKey }),
  };
}
