import { randomUUID } from 'node:crypto';
import { vi } from 'vitest';
import type { ReceivedMessage, RecordingReceiver } from '../support/recording-receiver.ts';
import { signedMessage } from '../support/signed-message.ts';
import { type AnswerItem, post, searchBody, type TestApp, type TestPartner } from '../support/test-app.ts';

/** A server, and what is called by it. */
export interface World {
  readonly test: TestApp;
  readonly receiver: RecordingReceiver;
  /** What became of the subscriptions to these questions, by partner. */
  readonly subscribed: ReadonlyMap<TestPartner, ReadonlyMap<Criteria, Subscribed>>;
}

/** How the answer to one question leaves the server: all of its pages, from the first on. */
export interface WayOut {
  ask(world: World, partner: TestPartner, criteria: Criteria): Promise<AnswerItem[]>;
  /** Whether the question can be put so. */
  takes(criteria: Criteria): boolean;
}

export type Criteria = Readonly<Record<string, unknown>>;

const PATIENCE = { timeout: 40_000, interval: 20 };

export const WAYS_OUT: Readonly<Record<string, WayOut>> = {
  'synchronous search': {
    ask: (world, partner, criteria) => askPages((page) => askNow(world, partner, page), criteria),
    takes: () => true,
  },
  'answer by callback': {
    ask: (world, partner, criteria) => askPages((page) => askLater(world, partner, page), criteria),
    takes: () => true,
  },
  // Whoever subscribed before anything was registered is told the same that he would find.
  notification: {
    ask: async ({ receiver, subscribed }, partner, criteria) => {
      const outcome = subscribed.get(partner)?.get(criteria);
      if (outcome === undefined) throw new Error('nobody subscribed to it');
      return [toItem(receiver, outcome)];
    },
    takes: (criteria) => !('sort' in criteria || 'pagination' in criteria),
  },
};

async function askPages(ask: (criteria: Criteria) => Promise<AnswerItem>, criteria: Criteria): Promise<AnswerItem[]> {
  const answers: AnswerItem[] = [];
  let asked = criteria;
  for (;;) {
    const item = await ask(asked);
    answers.push(item);
    if (item.pagination?.next_cursor === undefined) return answers;
    asked = { ...criteria, pagination: { page_size: item.pagination.page_size, cursor: item.pagination.next_cursor } };
  }
}

async function askNow({ test }: World, partner: TestPartner, criteria: Criteria): Promise<AnswerItem> {
  const answer = await post(`${test.base}/social/registry/sync/search`, partner.token, searchBody(partner, [criteria]));
  const item = answer.body.message?.search_response?.[0];
  if (item === undefined) throw new Error(answer.text);
  return item;
}

async function askLater({ test, receiver }: World, partner: TestPartner, criteria: Criteria): Promise<AnswerItem> {
  const transactionId = randomUUID();
  const header = { sender_uri: `${receiver.origin}/dci/on-search` };
  const body = searchBody(partner, [criteria], { header, message: { transaction_id: transactionId } });
  const answer = await post(`${test.base}/social/registry/search`, partner.token, body);
  if (answer.body.message?.ack_status !== 'ACK') throw new Error(answer.text);
  const [item] = (await calledBack(receiver, transactionId)).message.search_response ?? [];
  if (item === undefined) throw new Error('an answer without an item was called back');
  return item as unknown as AnswerItem;
}

/** A code, or the reason why there is none. */
export type Subscribed = { readonly code: string } | { readonly refusal: string };

/** Subscribes to each of the criteria; resolves to what the callback says of each. */
export async function subscribe(
  { test, receiver }: Pick<World, 'test' | 'receiver'>,
  partner: TestPartner,
  criteria: readonly Criteria[],
): Promise<Subscribed[]> {
  const transactionId = randomUUID();
  const message = {
    transaction_id: transactionId,
    subscribe_request: criteria.map((one, index) => ({
      reference_id: `r${index}`,
      timestamp: new Date().toISOString(),
      subscribe_criteria: one,
    })),
  };
  const header = { sender_uri: `${receiver.origin}/dci/on-subscribe`, total_count: criteria.length };
  const answer = await post(`${test.base}/social/registry/subscribe`, partner.token, signedMessage(partner, 'subscribe', message, header));
  if (answer.body.message?.ack_status !== 'ACK') throw new Error(answer.text);
  const told = (await calledBack(receiver, transactionId)).message['subscribe_response'] as readonly {
    readonly status_reason_code?: string;
    readonly subscriptions?: readonly { readonly code: string }[];
  }[];
  return told.map(({ status_reason_code: refusal, subscriptions }) =>
    refusal === undefined ? { code: subscriptions?.[0]?.code ?? '' } : { refusal },
  );
}

/** The question as a subscription to what is registered. */
export function toSubscription(criteria: Criteria): Criteria {
  const query = criteria['query'] as { readonly type?: string };
  return {
    reg_event_type: 'REGISTER',
    filter_type: criteria['query_type'],
    filter: query,
    notify_record_type: criteria['response_entity'] ?? (query.type === 'HHID' ? 'Group' : 'SRPerson'),
  };
}

/** What was told to a subscription, record by record, and how many the messages say there are. */
export function listTold(
  receiver: RecordingReceiver,
  { code }: { readonly code: string },
): { total: number; records: readonly ToldRecord[] } {
  const messages = receiver.received.filter(({ header }) => (header['meta'] as { subscription_code?: string })?.subscription_code === code);
  return {
    total: messages.reduce((sum, { header }) => sum + Number(header['total_count']), 0),
    records: messages.flatMap(({ header, message, signature }) => {
      if (signature !== 'good') throw new Error('a notification is not signed by the registry');
      const { records } = header['meta'] as { records: readonly { reference_id: string; changed?: readonly string[] }[] };
      return (message['notify_event'] as readonly { reference_id: string; data: { reg_records: Criteria } }[]).map((event) => ({
        record: event.data.reg_records,
        changed: records.find(({ reference_id: id }) => id === event.reference_id)?.changed ?? [],
      }));
    }),
  };
}

export interface ToldRecord {
  readonly record: Criteria;
  readonly changed: readonly string[];
}

function toItem(receiver: RecordingReceiver, outcome: Subscribed): AnswerItem {
  if ('refusal' in outcome) return { reference_id: '', status: 'rjct', status_reason_code: outcome.refusal };
  const { total, records } = listTold(receiver, outcome);
  return {
    reference_id: '',
    status: 'succ',
    data: { reg_type: '', reg_record_type: '', reg_records: records.map(({ record }) => record) },
    pagination: { page_size: total, page_number: 1, total_count: total },
  };
}

async function calledBack(receiver: RecordingReceiver, transactionId: string): Promise<ReceivedMessage> {
  return await vi.waitFor(() => {
    const told = receiver.received.find(({ message }) => message.transaction_id === transactionId);
    if (told === undefined) throw new Error('nothing was called back');
    return told;
  }, PATIENCE);
}
