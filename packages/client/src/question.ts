import {
  type ExistsResponseItem,
  type MatchResponseItem,
  parseExistsResponse,
  parseMatchResponse,
  parseSearchResponse,
  parseStatisticsResponse,
  parseTxnStatusResponse,
  type RequestState,
  type SearchResponseItem,
  type StatisticsResponseItem,
} from '@dci/protocol';

import { FIRST_REFERENCE } from './message.ts';

/**
 * What can be asked at once, several items in one message: the lists in request and answer, and the criteria of an item,
 * are named after the action (`search_request`, `search_criteria`, `search_response`).
 */
export interface Question<Item extends AnswerItem> {
  readonly action: string;
  /** Action of the answer. */
  readonly answeredBy: string;
  /** Reads the message of the answer, or throws. */
  readonly parse: (message: unknown) => QuestionAnswer<Item>;
}

export interface QuestionAnswer<Item> {
  readonly transaction_id: string;
  readonly correlation_id: string;
  readonly items: readonly Item[];
}

/** What every item of every answer has. */
export interface AnswerItem {
  readonly reference_id: string;
  readonly status: string;
  readonly status_reason_code?: string;
  readonly status_reason_message?: string;
}

export const SEARCH: Question<SearchResponseItem> = {
  action: 'search',
  answeredBy: 'on-search',
  parse: (message) => {
    const { search_response: items, ...ids } = parseSearchResponse(message);
    return { ...ids, items };
  },
};

export const EXISTS: Question<ExistsResponseItem> = {
  action: 'exists',
  answeredBy: 'on-exists',
  parse: (message) => {
    const { exists_response: items, ...ids } = parseExistsResponse(message);
    return { ...ids, items };
  },
};

export const MATCH: Question<MatchResponseItem> = {
  action: 'match',
  answeredBy: 'on-match',
  parse: (message) => {
    const { match_response: items, ...ids } = parseMatchResponse(message);
    return { ...ids, items };
  },
};

export const STATISTICS: Question<StatisticsResponseItem> = {
  action: 'statistics',
  answeredBy: 'on-statistics',
  parse: (message) => {
    const { statistics_response: items, ...ids } = parseStatisticsResponse(message);
    return { ...ids, items };
  },
};

/** What became of an earlier request, as the one item of its answer. */
export interface StateItem extends AnswerItem {
  readonly state: RequestState;
}

export const TXN_STATUS: Question<StateItem> = {
  action: 'txn-status',
  answeredBy: 'txn-on-status',
  parse: (message) => {
    const { txnstatus_response: response, ...ids } = parseTxnStatusResponse(message);
    if (!('search_response' in response.txn_status)) throw new Error('it is the state of a receipt');
    return { ...ids, items: [{ reference_id: FIRST_REFERENCE, status: 'succ', state: response.txn_status }] };
  },
};
