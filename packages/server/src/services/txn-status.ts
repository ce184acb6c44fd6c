import {
  canonicalJson,
  DciError,
  parseSearchRequest,
  type RequestStatus,
  type TxnStatusRequest,
  type TxnType,
  writeSearchResponse,
  writeTxnStatusResponse,
} from '@dci/protocol';
import { decideGrant } from '../disclosure/grant.ts';
import type { QueryDescriber } from '../disclosure/query-description.ts';
import type { Profile } from '../profiles/profile.ts';
import type { Db } from '../store/database.ts';
import type { Partner } from '../store/partners.ts';
import { findTransactionOf, type Transaction, type TransactionKey } from '../store/transactions.ts';
import type { AsyncAction } from './async-action.ts';
import type { SyncAnswer } from './answer-sync.ts';
import { describeSearch } from './search-audit.ts';
import { holdsScope } from './scopes.ts';
import { searchCost } from './search-cost.ts';
import { writeSearchMessage } from './search-message.ts';
import type { PageSizes, Search } from './search.ts';

/**
 * What became of an earlier request: of the asker's own, and of nobody else's, so that an unknown one and a stranger's look
 * alike. Results are not kept to be shown again. Of a search that was answered the status says what it finds now, under what
 * the partner may see now, on record as any other search; what has not ended, or was refused, says so item by item.
 */
export interface TxnStatus {
  look(asked: AskedStatus): Promise<SyncAnswer>;
}

export interface AskedStatus {
  readonly partner: Partner;
  /** What may be told: of the token that the question came with or, of who is called back, of the partner. */
  readonly scopes: ReadonlySet<string>;
  /** The registry of the path, where the path names one. */
  readonly mounted: Profile | undefined;
  readonly request: TxnStatusRequest;
  readonly correlationId: string;
  readonly pages: PageSizes;
  readonly gone?: AbortSignal | undefined;
  /** Takes what the search costs that is made again, before it is; throws `err.request.too_many_requests`. */
  readonly charge: (points: number) => Promise<void>;
}

export interface TxnStatusParts {
  readonly db: Db;
  readonly profiles: readonly Profile[];
  readonly search: Search;
  /** Actions whose answer stands since they were begun: it is told again. */
  readonly begun: readonly AsyncAction[];
  readonly describeQuery: QueryDescriber;
  readonly cursorKey: Buffer;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

type State = { readonly text: string; readonly entry: Partial<SyncAnswer['entry']> };

export function createTxnStatus(parts: TxnStatusParts): TxnStatus {
  return {
    async look(asked) {
      const { partner, mounted, request, correlationId } = asked;
      const { txn_type: type } = request.txnstatus_request;
      const found = await findTransactionOf(parts.db, partner.id, type, readKey(request));
      const transaction = found !== undefined && isServedAt(found, partner, mounted) ? found : undefined;
      const state = transaction === undefined ? undefined : await describeState(parts, asked, transaction);
      const common = { registry: transaction?.registry ?? '', purposes: [], itemCount: 1, recordCount: 0, disclosed: [] };
      return {
        header: {
          status: 'succ',
          totalCount: 1,
          completedCount: 1,
          ...(state === undefined ? { status: 'rjct', reasonMessage: UNKNOWN } : {}),
        },
        write: () => writeStatus(request, correlationId, state?.text),
        entry: {
          ...common,
          outcome: state === undefined ? 'not_found' : 'answered',
          transactionId: request.transaction_id,
          correlationId,
          ...state?.entry,
        },
      };
    },
  };
}

const UNKNOWN = 'no such request of yours is known';

/** `stateText`: canonical JSON; absent: the empty answer of the type. */
export function writeStatus(
  { transaction_id, txnstatus_request: asked }: TxnStatusRequest,
  correlationId: string,
  stateText?: string,
): string {
  return writeTxnStatusResponse({
    transaction_id,
    correlation_id: correlationId,
    txn_type: asked.txn_type,
    stateText: stateText ?? writeEmpty(asked.txn_type, nameAsked(asked) ?? transaction_id, correlationId),
  });
}

function writeEmpty(type: TxnType, transaction_id: string, correlation_id: string): string {
  if (type === 'receipt') return canonicalJson({ transaction_id, receipt_information: {} });
  const lists = {
    search_response: [],
    ...(type === 'subscribe' && { subscribe_response: [] }),
    ...(type === 'export' && { export_response: [] }),
  };
  return canonicalJson({ transaction_id, correlation_id, ...lists });
}

function nameAsked({ attribute_type: by, attribute_value: value }: TxnStatusRequest['txnstatus_request']): string | undefined {
  return by === 'transaction_id' && typeof value === 'string' ? value : undefined;
}

/** Throws `err.request.bad` where an id is expected and a list is given. */
export function readKey({ txnstatus_request: { attribute_type: by, attribute_value: value } }: TxnStatusRequest): TransactionKey {
  if (by === 'reference_id_list' || by === 'subscription_code_list') {
    const listed = typeof value === 'string' ? [value] : value;
    if (listed.length === 0) throw badValue('is an empty list');
    return by === 'reference_id_list' ? { referenceIds: listed } : { subscriptionCodes: listed };
  }
  if (typeof value !== 'string') throw badValue('must be one id');
  return by === 'transaction_id' ? { transactionId: value } : { correlationId: value };
}

function badValue(what: string): DciError {
  return new DciError('err.request.bad', `attribute_value ${what}`, { pointer: '/message/txnstatus_request/attribute_value' });
}

/** A request is known at the path it came by, and only while its registry is open to the partner. */
function isServedAt({ registry }: Transaction, partner: Partner, mounted: Profile | undefined): boolean {
  if (mounted !== undefined && registry !== undefined && registry !== mounted.registry) return false;
  return registry === undefined || partner.registries.has(registry);
}

async function describeState(parts: TxnStatusParts, asked: AskedStatus, transaction: Transaction): Promise<State | undefined> {
  if (transaction.action === 'search') return await describeSearchState(parts, asked, transaction);
  const action = parts.begun.find((candidate) => candidate.action === transaction.action);
  if (action === undefined || transaction.begun === undefined || !holdsScope(asked, action.scope)) return undefined;
  const { partner, mounted, gone = new AbortController().signal } = asked;
  const request: unknown = JSON.parse(transaction.request ?? '');
  const tell = action.look ?? action.run;
  const { content } = await tell({ transaction, request, partner, mounted, rest: undefined, signal: gone });
  // The published form of the state of any request has the answer to a search in it.
  return { text: canonicalJson({ search_response: [], ...(JSON.parse(content) as object) }), entry: {} };
}

async function describeSearchState(parts: TxnStatusParts, asked: AskedStatus, transaction: Transaction): Promise<State> {
  const request = parseSearchRequest(JSON.parse(transaction.request ?? ''));
  const { transactionId, correlationId, state } = transaction;
  if (state !== 'answered') {
    const timestamp = new Date(parts.now()).toISOString();
    const status: RequestStatus = state === 'pending' ? 'pdng' : 'rjct';
    const items = request.search_request.map(({ reference_id }) => ({ reference_id, timestamp, status }));
    return { text: writeSearchResponse({ transaction_id: transactionId, correlation_id: correlationId, items }), entry: {} };
  }
  const { partner, pages, gone } = asked;
  const grant = decideGrant(partner);
  await asked.charge(searchCost(request.search_request));
  const mounted = parts.profiles.find(({ registry }) => registry === transaction.registry);
  const outcomes = await parts.search.run({ partner, grant, mounted, request, pages, gone });
  const terms = { transactionId, correlationId, partnerId: partner.id, cursorKey: parts.cursorKey, now: parts.now };
  return {
    text: writeSearchMessage(terms, outcomes),
    entry: describeSearch(parts.describeQuery, { grant, transactionId, correlationId, outcomes }),
  };
}
