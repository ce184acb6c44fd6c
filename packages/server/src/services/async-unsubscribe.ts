import { canonicalJson, parseUnsubscribeRequest, type UnsubscribeRequest } from '@dci/protocol';
import type { Transaction } from '../store/transactions.ts';
import type { AnswerHeader } from './answer-writer.ts';
import type { AsyncAction } from './async-action.ts';
import { checkHeader, type Reception } from './receive-message.ts';
import { tell } from './search-message.ts';
import { unsubscribe, type UnsubscribeOutcome } from './unsubscribe.ts';

/** Subscriptions end before that is acknowledged; the callback tells the state of each code. */
const MAX_CODES = 1_000;

export function createAsyncUnsubscribe({ reception }: { readonly reception: Reception }): AsyncAction {
  return {
    action: 'unsubscribe',
    answeredBy: 'on-unsubscribe',
    scope: 'registry/subscribe',
    read(message, partner) {
      const { subscription_codes: listed } = message.message as Partial<UnsubscribeRequest>;
      const codes = Array.isArray(listed) ? listed.length : undefined;
      // `total_count` counts requests, of which there is one; senders that count codes are read as well.
      const items = codes !== undefined && message.header.total_count === 1 ? 1 : codes;
      checkHeader(reception, message, { action: 'unsubscribe', items, maxItems: partner.limits.itemsPerMessage ?? MAX_CODES });
      const request = parseUnsubscribeRequest(message.message);
      return { transactionId: request.transaction_id, referenceIds: [], items: request.subscription_codes.length };
    },
    begin: (db, { partner, message }) => unsubscribe(db, partner, parseUnsubscribeRequest(message.message).subscription_codes),
    listCodes: (begun) => (begun as UnsubscribeOutcome).codes.map(({ code }) => code),
    acknowledge: (begun) => ({ header: summarise(begun as UnsubscribeOutcome), message: {} }),
    run: async ({ transaction }) => {
      const outcome = transaction.begun as UnsubscribeOutcome;
      const { codes, refusal } = outcome;
      const status = outcome.ended > 0 ? 'succ' : 'rjct';
      return {
        header: summarise(outcome),
        content: canonicalJson({
          ...describe(transaction),
          status,
          ...(refusal === undefined ? {} : { status_reason_code: refusal.code, status_reason_message: refusal.message }),
          subscription_status: codes,
        }),
      };
    },
    refuse: (transaction, fault) => ({
      header: {
        action: 'on-unsubscribe',
        status: 'rjct',
        reasonCode: 'rjct.errors.too_many',
        reasonMessage: tell(fault),
        totalCount: 1,
        completedCount: 1,
      },
      content: canonicalJson({ ...describe(transaction), status: 'rjct', status_reason_message: tell(fault).slice(0, 999) }),
    }),
  };
}

function describe({ transactionId, correlationId, receivedAt }: Transaction): Record<string, string> {
  return { transaction_id: transactionId, correlation_id: correlationId, timestamp: receivedAt.toISOString() };
}

function summarise({ codes, ended, refusal }: UnsubscribeOutcome): AnswerHeader {
  const counts = { action: 'on-unsubscribe', totalCount: codes.length, completedCount: codes.length };
  const reason = refusal === undefined ? {} : { reasonMessage: refusal.message };
  if (ended > 0) return { ...counts, status: 'succ', ...reason };
  return { ...counts, status: 'rjct', reasonCode: 'rjct.errors.too_many', ...reason };
}
