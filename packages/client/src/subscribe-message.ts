import { randomUUID } from 'node:crypto';
import type { SubscribeCriteria, SubscribeRequest, UnsubscribeRequest } from '@dci/protocol';
import { type AskedItems, composeItems, type Content } from './message.ts';

/** What a request to be told of events says. */
export function composeSubscribe(asked: AskedItems<SubscribeCriteria>): Content<SubscribeRequest> {
  return composeItems('subscribe', asked) as Content<SubscribeRequest>;
}

/** What a request to end subscriptions says. */
export function composeUnsubscribe(
  codes: readonly string[],
  { transactionId, now }: Pick<AskedItems<never>, 'transactionId' | 'now'>,
): Content<UnsubscribeRequest> {
  const message = {
    transaction_id: transactionId ?? randomUUID(),
    timestamp: new Date(now).toISOString(),
    subscription_codes: [...codes],
  };
  return { action: 'unsubscribe', totalCount: codes.length, message };
}
