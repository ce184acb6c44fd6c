import { randomUUID } from 'node:crypto';
import { parseSearchRequest } from '@dci/protocol';
import { decideGrant } from '../disclosure/grant.ts';
import type { QueryDescriber } from '../disclosure/query-description.ts';
import { type AskedNow, createSyncService, type SyncAnswer, type SyncService, type SyncServiceParts } from './answer-sync.ts';
import { checkHeader, type Sender } from './receive-message.ts';
import { describeSearch } from './search-audit.ts';
import { searchCost } from './search-cost.ts';
import { countItems, summariseOutcomes, writeSearchMessage } from './search-message.ts';
import type { Search } from './search.ts';

export interface SearchServiceParts extends SyncServiceParts {
  readonly search: Search;
  readonly describeQuery: QueryDescriber;
  readonly cursorKey: Buffer;
  /** Takes points beyond the one that every request costs; throws `err.request.too_many_requests`. */
  readonly charge: (sender: Sender, points: number) => Promise<void>;
}

const MAX_ITEMS = 1_000;
const PAGES = { usual: 20, most: 100 };

/** The synchronous edge of the search. */
export function createSearchService(parts: SearchServiceParts): SyncService {
  return createSyncService(parts, { action: 'search', answeredBy: 'on-search', answer: (asked) => answer(parts, asked) });
}

async function answer(parts: SearchServiceParts, { sender, mounted, message, gone }: AskedNow): Promise<SyncAnswer> {
  const { partner } = sender;
  const grant = decideGrant(partner);
  const items = countItems(message.message, 'search_request');
  checkHeader(parts.reception, message, { action: 'search', items, maxItems: partner.limits.itemsPerMessage ?? MAX_ITEMS });
  const request = parseSearchRequest(message.message);
  await parts.charge(sender, searchCost(request.search_request) - 1);
  const outcomes = await parts.search.run({ partner, grant, mounted, request, pages: PAGES, gone });
  const [transactionId, correlationId] = [request.transaction_id, randomUUID()];
  return {
    header: summariseOutcomes(outcomes),
    entry: describeSearch(parts.describeQuery, { grant, transactionId, correlationId, outcomes }),
    write: () =>
      writeSearchMessage(
        { transactionId, correlationId, partnerId: partner.id, cursorKey: parts.cursorKey, now: parts.reception.now },
        outcomes,
      ),
  };
}
