import type { UnsubscribeReasonCode } from '@dci/protocol';
import type { Db } from '../store/database.ts';
import type { Partner } from '../store/partners.ts';
import { changeSubscription, findSubscriptions } from '../store/subscriptions.ts';

/** What came of a request to end subscriptions. Plain JSON, to be kept until it is told. */
export interface UnsubscribeOutcome {
  /** By code as asked; a code that is not the asker's own is one that is not in force. */
  readonly codes: readonly { readonly code: string; readonly status: 'subscribe' | 'unsubscribe' }[];
  readonly ended: number;
  readonly refusal?: { readonly code: UnsubscribeReasonCode; readonly message: string };
}

/** Within the transaction that takes the request. Codes of others, and ones that there are not, look the same. */
export async function unsubscribe(db: Db, partner: Partner, codes: readonly string[]): Promise<UnsubscribeOutcome> {
  const own = (await findSubscriptions(db, codes)).filter(({ partnerId }) => partnerId === partner.id);
  const byCode = new Map(own.map((subscription) => [subscription.code, subscription]));
  let ended = 0;
  let unknown = 0;
  for (const code of new Set(codes)) {
    const subscription = byCode.get(code);
    if (subscription === undefined) unknown += 1;
    else if (await changeSubscription(db, subscription.id, ['pending', 'active', 'suspended'], { state: 'ended', reason: 'unsubscribed' }))
      ended += 1;
  }
  const statuses = codes.map((code) => ({ code, status: 'unsubscribe' as const }));
  if (ended > 0 && unknown === 0) return { codes: statuses, ended };
  const [code, message]: [UnsubscribeReasonCode, string] =
    unknown > 0 || codes.length === 0
      ? ['rjct.subscription_code.invalid', `${unknown} of ${codes.length} codes are not those of your subscriptions`]
      : ['rjct.event.already_unsubscribed', 'all of these subscriptions have ended before'];
  return { codes: statuses, ended, refusal: { code, message } };
}
