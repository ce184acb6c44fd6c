import { randomUUID } from 'node:crypto';
import type { SubscribeCriteria, SubscribeRequest, UnsubscribeRequest } from '@dci/protocol';
import type { Content } from './message.ts';

interface Asked {
  readonly transactionId?: string | undefined;
  /** Epoch milliseconds. */
  readonly now: number;
}

/** What a request to be told of events says: an item for each of the criteria, `reference_id` `1`, `2`, …. */
export function composeSubscribe(
  criteria: readonly SubscribeCriteria[],
  { transactionId, locale, now }: Asked & { readonly locale?: string | undefined },
): Content<SubscribeRequest> {
  const timestamp = new Date(now).toISOString();
  const items = criteria.map((asked, index) => ({
    reference_id: String(index + 1),
    timestamp,
    subscribe_criteria: asked,
    ...(locale === undefined ? {} : { locale }),
  }));
  return {
    action: 'subscribe',
    totalCount: items.length,
    message: { transaction_id: transactionId ?? randomUUID(), subscribe_request: items },
  };
}

/** What a request to end subscriptions says. */
export function composeUnsubscribe(codes: readonly string[], { transactionId, now }: Asked): Content<UnsubscribeRequest> {
  const message = {
    transaction_id: transactionId ?? randomUUID(),
    timestamp: new Date(now).toISOString(),
    subscription_codes: [...codes],
  };
  return { action: 'unsubscribe', totalCount: codes.length, message };
}
