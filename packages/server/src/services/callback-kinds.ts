import {
  parseExportResponse,
  parseNotifyRequest,
  parseSearchResponse,
  parseSubscribeResponse,
  parseTxnStatusResponse,
  parseUnsubscribeResponse,
} from '@dci/protocol';

/** What another registry may send us, how each is read, and which request of ours it may belong to. One line a kind. */
export interface CallbackKind {
  readonly action: string;
  /** Action of the request that it belongs to. */
  readonly answers: string;
  /** Throws a `DciError` where the message does not have the form of its kind. */
  readonly read: (message: unknown) => CallbackFacts;
}

export interface CallbackFacts {
  readonly transactionId: string;
  readonly correlationId?: string;
  /** What tells one part of an answer from another: reference ids and pages. */
  readonly parts: readonly (readonly [referenceId: string, page: number])[];
  /** Codes of subscriptions that were made. */
  readonly made?: readonly string[];
  /** Codes of subscriptions that have ended. */
  readonly ended?: readonly string[];
}

export const CALLBACK_KINDS: readonly CallbackKind[] = [
  { action: 'on-search', answers: 'search', read: readSearch },
  { action: 'on-subscribe', answers: 'subscribe', read: readSubscribe },
  { action: 'on-unsubscribe', answers: 'unsubscribe', read: readUnsubscribe },
  { action: 'on-export', answers: 'export', read: readExport },
  { action: 'txn-on-status', answers: 'txn-status', read: readStatus },
  { action: 'notify', answers: 'subscribe', read: readNotification },
];

function readSearch(message: unknown): CallbackFacts {
  const { transaction_id: transactionId, correlation_id: correlationId, search_response: items } = parseSearchResponse(message);
  const parts = items.map((item) => [item.reference_id, item.pagination?.page_number ?? 1] as const);
  return { transactionId, correlationId, parts };
}

function readSubscribe(message: unknown): CallbackFacts {
  const { transaction_id: transactionId, correlation_id: correlationId, subscribe_response: items } = parseSubscribeResponse(message);
  const parts = items.map((item) => [item.reference_id, 1] as const);
  const made = items.filter(({ status }) => status !== 'rjct').flatMap(({ subscriptions = [] }) => subscriptions.map(({ code }) => code));
  return { transactionId, correlationId, parts, made };
}

function readUnsubscribe(message: unknown): CallbackFacts {
  const {
    transaction_id: transactionId,
    correlation_id: correlationId,
    subscription_status: codes = [],
  } = parseUnsubscribeResponse(message);
  const ended = codes.filter(({ status }) => status === 'unsubscribe').map(({ code }) => code);
  return { transactionId, correlationId, parts: [], ended };
}

function readExport(message: unknown): CallbackFacts {
  const { transaction_id: transactionId, correlation_id: correlationId, export_response: items } = parseExportResponse(message);
  return { transactionId, correlationId, parts: items.map((item) => [item.reference_id, 1] as const) };
}

function readStatus(message: unknown): CallbackFacts {
  const { transaction_id: transactionId, correlation_id: correlationId } = parseTxnStatusResponse(message);
  return { transactionId, correlationId, parts: [] };
}

function readNotification(message: unknown): CallbackFacts {
  const { transaction_id: transactionId, notify_event: events } = parseNotifyRequest(message);
  return { transactionId, parts: events.map((event) => [event.reference_id, 1] as const) };
}
