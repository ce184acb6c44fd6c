import { type DciError, parseSearchRequest, type SearchItem, type SearchRequest, writeSearchResponse } from '@dci/protocol';
import type { AuditLog } from '../disclosure/audit-log.ts';
import { decideGrant } from '../disclosure/grant.ts';
import type { QueryDescriber } from '../disclosure/query-description.ts';
import { sealCursor } from '../registry/cursor.ts';
import type { Transaction } from '../store/transactions.ts';
import { type ActionWork, type AnswerPart, type AsyncAction, claimPart } from './async-action.ts';
import { checkHeader, type Reception } from './receive-message.ts';
import { searchCost } from './search-cost.ts';
import { describeSearch, describeSender } from './search-audit.ts';
import { summariseOutcomes, tell, writeSearchMessage } from './search-message.ts';
import type { Search, SearchOutcome } from './search.ts';

/**
 * The search that is answered later. An item that names no page is answered with all that it finds, a callback a page; one
 * that names a page, with that page. `completed_count` counts the items whose last page has been sent.
 */
export interface AsyncSearchParts {
  readonly reception: Reception;
  readonly search: Search;
  readonly audit: AuditLog;
  readonly describeQuery: QueryDescriber;
  readonly cursorKey: Buffer;
}

const MAX_ITEMS = 1_000;
const LARGEST_PAGE = 2_000;
/** Records of one callback whose items name no page. */
const RECORDS_A_CALLBACK = 10_000;

/** Items that have more pages, by their place in the request, and where the next one begins. */
interface Rest {
  readonly next: Readonly<Record<string, { readonly cursor: string; readonly page_size: number }>>;
}

export function createAsyncSearch(parts: AsyncSearchParts): AsyncAction {
  return {
    action: 'search',
    answeredBy: 'on-search',
    scope: 'registry/search',
    read(message, partner) {
      decideGrant(partner);
      const { search_request: listed } = message.message as Partial<SearchRequest>;
      const items = Array.isArray(listed) ? listed.length : undefined;
      checkHeader(parts.reception, message, { action: 'search', items, maxItems: partner.limits.itemsPerMessage ?? MAX_ITEMS });
      const request = parseSearchRequest(message.message);
      return {
        transactionId: request.transaction_id,
        referenceIds: request.search_request.map((item) => item.reference_id),
        items: request.search_request.length,
        points: searchCost(request.search_request),
      };
    },
    run: (work) => run(parts, work),
    refuse: (transaction, fault) => refuse(parts, transaction, fault),
  };
}

async function run(parts: AsyncSearchParts, { transaction, request, partner, mounted, rest, signal }: ActionWork): Promise<AnswerPart> {
  const whole = parseSearchRequest(request);
  const asked = selectItems(whole, rest as Rest | undefined);
  const grant = decideGrant(partner);
  const usual = Math.max(1, Math.min(LARGEST_PAGE, Math.floor(RECORDS_A_CALLBACK / Math.max(1, whole.search_request.length))));
  const outcomes = await parts.search.run({
    partner,
    grant,
    mounted,
    request: { ...whole, search_request: asked.map(({ item }) => item) },
    pages: { usual, most: LARGEST_PAGE },
    gone: signal,
  });
  const { transactionId, correlationId } = transaction;
  const next = findFurtherPages(parts, partner.id, whole, asked, outcomes);
  const all = whole.search_request.length;
  const entry = {
    ...describeSender({ partner, remoteAddress: transaction.remoteAddress }, 'search'),
    ...describeSearch(parts.describeQuery, { grant, transactionId, correlationId, outcomes }),
    ...claimPart(parts.reception.now()),
  };
  const terms = { transactionId, correlationId, partnerId: partner.id, cursorKey: parts.cursorKey, now: parts.reception.now };
  const { text } = await parts.audit.release(entry, async () => writeSearchMessage(terms, outcomes));
  const left = Object.keys(next).length;
  return {
    header: { action: 'on-search', ...summariseOutcomes(outcomes), totalCount: all, completedCount: all - left },
    content: text,
    ...(left === 0 ? {} : { rest: { next } satisfies Rest }),
  };
}

interface AskedItem {
  readonly place: number;
  readonly item: SearchItem;
}

/** All items at first; then those with a further page, asking for that page. */
function selectItems({ search_request: items }: SearchRequest, rest: Rest | undefined): AskedItem[] {
  const listed = items.map((item, place) => ({ place, item }));
  if (rest === undefined) return listed;
  return listed.flatMap(({ place, item }) => {
    const pagination = rest.next[place];
    return pagination === undefined ? [] : [{ place, item: { ...item, search_criteria: { ...item.search_criteria, pagination } } }];
  });
}

function findFurtherPages(
  parts: AsyncSearchParts,
  partnerId: string,
  whole: SearchRequest,
  asked: readonly AskedItem[],
  outcomes: readonly SearchOutcome[],
): Rest['next'] {
  const next: Record<string, Rest['next'][string]> = {};
  for (const [index, { place }] of asked.entries()) {
    const outcome = outcomes[index];
    if (outcome === undefined || 'refusal' in outcome || whole.search_request[place]?.search_criteria.pagination !== undefined) continue;
    const cursor = sealCursor(outcome.result, { partnerId, cursorKey: parts.cursorKey });
    if (cursor !== undefined) next[place] = { cursor, page_size: outcome.result.plan.page.size };
  }
  return next;
}

/** Every item is refused, with the reason in words: the standard has no code for it. */
function refuse({ reception }: AsyncSearchParts, { transactionId, correlationId, request }: Transaction, fault: DciError): AnswerPart {
  const items = request === undefined ? [] : parseSearchRequest(JSON.parse(request)).search_request;
  const timestamp = new Date(reception.now()).toISOString();
  const content = writeSearchResponse({
    transaction_id: transactionId,
    correlation_id: correlationId,
    items: items.map((item) => ({ reference_id: item.reference_id, timestamp, status: 'rjct', status_reason_message: tell(fault) })),
  });
  return {
    header: {
      action: 'on-search',
      status: 'rjct',
      reasonCode: 'rjct.errors.too_many',
      reasonMessage: tell(fault),
      totalCount: items.length,
      completedCount: items.length,
    },
    content,
  };
}
