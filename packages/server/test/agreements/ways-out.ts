import { randomUUID } from 'node:crypto';
import { vi } from 'vitest';
import type { RecordingReceiver } from '../support/recording-receiver.ts';
import { type AnswerItem, post, searchBody, type TestApp, type TestPartner } from '../support/test-app.ts';

/** A server, and what is called by it. */
export interface World {
  readonly test: TestApp;
  readonly receiver: RecordingReceiver;
}

/** How the answer to one question leaves the server: all of its pages, from the first on. */
export type WayOut = (world: World, partner: TestPartner, criteria: Criteria) => Promise<AnswerItem[]>;

type Criteria = Readonly<Record<string, unknown>>;

export const WAYS_OUT: Readonly<Record<string, WayOut>> = {
  'synchronous search': (world, partner, criteria) => askPages((page) => askNow(world, partner, page), criteria),
  'answer by callback': (world, partner, criteria) => askPages((page) => askLater(world, partner, page), criteria),
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
  return await vi.waitFor(
    () => {
      const told = receiver.received.find(({ message }) => message.transaction_id === transactionId);
      const [item] = told?.message.search_response ?? [];
      if (item === undefined) throw new Error('nothing was called back');
      return item as unknown as AnswerItem;
    },
    { timeout: 20_000, interval: 20 },
  );
}
