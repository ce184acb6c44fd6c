import { canonicalJson, type DciError, parseSubscribeRequest, SubscriptionInfo, type SubscribeRequest } from '@dci/protocol';
import { Check } from 'typebox/value';
import { decideGrant } from '../disclosure/grant.ts';
import type { Transaction } from '../store/transactions.ts';
import type { AnswerHeader } from './answer-writer.ts';
import type { Acknowledged, AsyncAction } from './async-action.ts';
import { checkHeader, type Reception } from './receive-message.ts';
import { tell } from './search-message.ts';
import { type MadeSubscription, subscribe, type SubscribeOutcome, type SubscribeParts } from './subscribe.ts';

/**
 * Subscriptions are made before they are acknowledged, in one commit with the request; the callback tells what came of each
 * item. The acknowledgement is that of the standard with what OpenSPP reads in it: a signed header, the code of the
 * subscription, and when it ends.
 */
const MAX_ITEMS = 100;

/** Kept with the transaction. */
interface Begun {
  readonly outcomes: readonly SubscribeOutcome[];
}

export function createAsyncSubscribe(parts: SubscribeParts & { readonly reception: Reception }): AsyncAction {
  return {
    action: 'subscribe',
    answeredBy: 'on-subscribe',
    scope: 'registry/subscribe',
    read(message, partner) {
      decideGrant(partner);
      const items = countItems(message.message);
      checkHeader(parts.reception, message, { action: 'subscribe', items, maxItems: partner.limits.itemsPerMessage ?? MAX_ITEMS });
      const request = parseSubscribeRequest(message.message, message.header.message_ts);
      return {
        transactionId: request.transaction_id,
        referenceIds: request.subscribe_request.map((item) => item.reference_id),
        items: request.subscribe_request.length,
      };
    },
    async begin(db, { partner, scopes, mounted, message, replyTerms }): Promise<Begun> {
      const request = parseSubscribeRequest(message.message, message.header.message_ts);
      const grant = decideGrant(partner);
      const senderUri = message.header.sender_uri;
      return { outcomes: await subscribe(parts, db, { partner, scopes, grant, mounted, request, senderUri, replyTerms }) };
    },
    listCodes: (begun) => listMade(begun as Begun).map(({ code }) => code),
    acknowledge: (begun) => acknowledge(begun as Begun),
    run: async ({ transaction }) => ({
      header: summarise((transaction.begun as Begun).outcomes),
      content: write(transaction, (transaction.begun as Begun).outcomes),
    }),
    refuse: (transaction, fault) => refuse(transaction, fault),
  };
}

function countItems(message: unknown): number | undefined {
  const { subscribe_request: list } = (message ?? {}) as Partial<SubscribeRequest>;
  if (Array.isArray(list)) return list.length;
  return typeof message === 'object' && message !== null && 'subscribe_criteria' in message ? 1 : undefined;
}

function listMade({ outcomes }: Begun): MadeSubscription[] {
  return outcomes.flatMap(({ subscription }) => subscription ?? []);
}

function acknowledge(begun: Begun): Acknowledged {
  const made = listMade(begun);
  const [first, ...others] = made;
  return {
    header: summarise(begun.outcomes),
    message: {
      ...(first === undefined ? {} : { subscription_code: first.code, ...(first.endsAt === undefined ? {} : { expires: first.endsAt }) }),
      ...(others.length === 0 ? {} : { subscription_codes: made.map(({ code }) => code) }),
    },
  };
}

function summarise(outcomes: readonly SubscribeOutcome[]): AnswerHeader {
  const all = outcomes.length;
  const refused = outcomes.filter(({ refusal }) => refusal !== undefined).length;
  const counts = { action: 'on-subscribe', totalCount: all, completedCount: all };
  const reasonMessage = `${refused} of ${all} items refused`;
  if (refused === all) return { ...counts, status: 'rjct', reasonCode: 'rjct.errors.too_many', reasonMessage };
  return { ...counts, status: 'succ', ...(refused > 0 ? { reasonMessage } : {}) };
}

function write({ transactionId, correlationId, receivedAt }: Transaction, outcomes: readonly SubscribeOutcome[]): string {
  const timestamp = receivedAt.toISOString();
  return canonicalJson({
    transaction_id: transactionId,
    correlation_id: correlationId,
    subscribe_response: outcomes.map(({ referenceId, locale, subscription, refusal }) => ({
      reference_id: referenceId,
      timestamp,
      status: subscription === undefined ? 'rjct' : subscription.state === 'pending' ? 'pdng' : 'succ',
      ...(refusal === undefined ? {} : { status_reason_code: refusal.code, status_reason_message: refusal.message.slice(0, 999) }),
      ...(subscription === undefined ? {} : { subscriptions: [describeSubscription(subscription)] }),
      ...(locale === undefined ? {} : { locale }),
    })),
  });
}

/** What the published form has no place for, such as a filter with whole numbers, is left out. */
function describeSubscription({ code, state, createdAt, criteria }: MadeSubscription): SubscriptionInfo {
  const { reg_type, reg_event_type, frequency, filter_type, filter, notify_record_type } = criteria;
  const told = { reg_type, reg_event_type, frequency, filter_type, filter, notify_record_type };
  const info = { version: '1.0.0', code, status: state === 'active' ? 'subscribe' : 'unsubscribe', timestamp: createdAt } as const;
  const sayable = Object.entries(told).filter(
    ([name, value]) => value !== undefined && Check(SubscriptionInfo, { ...info, [name]: value }),
  );
  return { ...info, ...Object.fromEntries(sayable) };
}

/** The standard has no code for why none of it is done. */
function refuse(transaction: Transaction, fault: DciError): { header: AnswerHeader; content: string } {
  const items = transaction.request === undefined ? [] : parseSubscribeRequest(JSON.parse(transaction.request), '').subscribe_request;
  const reasonMessage = tell(fault);
  const timestamp = transaction.receivedAt.toISOString();
  return {
    header: {
      action: 'on-subscribe',
      status: 'rjct',
      reasonCode: 'rjct.errors.too_many',
      reasonMessage,
      totalCount: items.length,
      completedCount: items.length,
    },
    content: canonicalJson({
      transaction_id: transaction.transactionId,
      correlation_id: transaction.correlationId,
      subscribe_response: items.map((item) => ({
        reference_id: item.reference_id,
        timestamp,
        status: 'rjct',
        status_reason_message: reasonMessage.slice(0, 999),
      })),
    }),
  };
}
