import { randomInt } from 'node:crypto';
import { parseNotifyRequest, parseSearchResponse, parseSubscribeResponse, parseUnsubscribeResponse } from '@dci/protocol';
import { type DemoMessage } from './demo-receiver.ts';
import { clientFor, describeGroup, expect, type Json, POOR_HOUSEHOLDS, REGISTRY, type Step } from './demo-step.ts';

/** Asking now and being answered later; being told of what happens. */

export async function laterStep(step: Step): Promise<void> {
  const { client, title, done, print, receiver } = step;
  title('It asks for the poor households once more, asynchronously: acknowledged now, answered by a callback');
  const { pagination: _page, ...criteria } = POOR_HOUSEHOLDS;
  const asked = await client.searchLater(
    { ...criteria, pagination: { page_size: 3 } },
    { ...REGISTRY, senderUri: `${receiver.url}/on-search` },
  );
  print(`     202 ACK, correlation id ${asked.correlationId}`);
  const callback = await receiver.waitFor('the answer as a callback', isAnswer('on-search', asked.transactionId));
  const { correlation_id: correlationId, search_response: items } = parseSearchResponse(callback.message);
  expect(correlationId === asked.correlationId, 'the callback carries the id that was acknowledged');
  for (const group of items[0]?.data?.reg_records ?? []) print(`     ${describeGroup(group)}`);
  done(`arrived at ${receiver.url}/on-search, ${tellSignature(callback)}`);
}

export async function subscribeStep({ client, title, done, print, receiver, uin }: Step): Promise<void> {
  title('It subscribes: tell me when the record of this person is updated');
  const asked = await client.subscribe(
    { reg_event_type: 'UPDATE', notify_record_type: 'Member', filter_type: 'idtype-value', filter: { type: 'UIN', value: uin } },
    { ...REGISTRY, senderUri: `${receiver.url}/on-subscribe` },
  );
  const callback = await receiver.waitFor('what came of the subscription', isAnswer('on-subscribe', asked.transactionId));
  const [item] = parseSubscribeResponse(callback.message).subscribe_response;
  expect(item?.status === 'succ', 'the subscription is made');
  print(`     subscription ${item.subscriptions?.[0]?.code}`);
  done(`told of by a callback, ${tellSignature(callback)}`);
}

export async function changeStep(step: Step): Promise<void> {
  const { title, done, print, office, baseUrl, uin, member } = step;
  title(`The record changes: ${office.senderId}, which keeps the registry, writes a new telephone number`);
  const phone = `+9995${randomInt(1_000_000, 9_999_999)}`;
  const record = { ...member, demographic_info: { ...(member['demographic_info'] as Json), phone_number: [phone] } };
  const response = await fetch(`${baseUrl}/social/registry/records`, {
    method: 'POST',
    headers: { authorization: `Bearer ${await clientFor(step, office).getToken()}`, 'content-type': 'application/json' },
    body: JSON.stringify({ operations: [{ op: 'put', record }] }),
  });
  const { results } = (await response.json()) as { results?: { status: string; version: number }[] };
  expect(results?.[0]?.status === 'updated', 'the record is changed');
  print(`     UIN ${uin}: phone_number ${phone}`);
  done(`version ${results[0].version} of the record; record and event were written in one transaction`);
}

export async function notificationStep({ title, done, print, receiver, uin }: Step): Promise<void> {
  title('The notification arrives at the subscriber');
  const told = await receiver.waitFor(
    'a notification',
    ({ header, message }) => header['action'] === 'notify' && JSON.stringify(message).includes(uin),
  );
  const [event] = parseNotifyRequest(told.message).notify_event;
  const { event_type: type, records = [] } = (told.header['meta'] ?? {}) as {
    event_type?: string;
    records?: { version: number; changed?: string[] }[];
  };
  expect(type === 'UPDATE' && event !== undefined, 'it tells of the update');
  print(`     ${type} of a ${event.data.reg_record_type}, version ${records[0]?.version}, changed: ${records[0]?.changed?.join(', ')}`);
  done(tellSignature(told));
}

export async function unsubscribeStep({ client, title, done, receiver }: Step): Promise<void> {
  title('It unsubscribes');
  const made = await receiver.waitFor('a subscription', ({ header }) => header['action'] === 'on-subscribe');
  const codes = parseSubscribeResponse(made.message).subscribe_response.flatMap(({ subscriptions = [] }) =>
    subscriptions.map(({ code }) => code),
  );
  const asked = await client.unsubscribe(codes, { ...REGISTRY, senderUri: `${receiver.url}/on-unsubscribe` });
  const callback = await receiver.waitFor('the end of the subscription', isAnswer('on-unsubscribe', asked.transactionId));
  expect(parseUnsubscribeResponse(callback.message).status === 'succ', 'the subscription has ended');
  done(`told of by a callback, ${tellSignature(callback)}`);
}

export function isAnswer(action: string, transactionId: string): (message: DemoMessage) => boolean {
  return ({ header, message }) => header['action'] === action && message['transaction_id'] === transactionId;
}

export function tellSignature({ signedBy }: DemoMessage): string {
  return `signature verified with the key ${signedBy}`;
}
