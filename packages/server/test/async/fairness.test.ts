import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { makeCertificate } from '../outbound/certificate.ts';
import { importPersons, type Person } from '../support/persons.ts';
import { type RecordingReceiver, startRecordingReceiver } from '../support/recording-receiver.ts';
import { post, searchBody, startTestApp, type TestApp, type TestPartner } from '../support/test-app.ts';

const ASKED = 12;
/** Deliveries to one receiver at a time, over all processes. */
const CAP = 8;

let test: TestApp;
let persons: Person[];
const receivers: RecordingReceiver[] = [];

beforeAll(async () => {
  test = await startTestApp({}, { DCI_ALLOW_HTTP_CALLBACKS: 'true', DCI_ALLOW_PRIVATE_CALLBACKS: 'true' });
  persons = await importPersons(test.database, 4);
});
afterAll(async () => {
  await Promise.all(receivers.map((receiver) => receiver.close()));
  await test.close();
});

async function receive(...options: Parameters<typeof startRecordingReceiver>): Promise<RecordingReceiver> {
  const receiver = await startRecordingReceiver(...options);
  receivers.push(receiver);
  return receiver;
}

async function ask(partner: TestPartner): Promise<string> {
  const transactionId = randomUUID();
  const criteria = { query_type: 'idtype-value', query: { type: 'UIN', value: persons[0]?.uin } };
  const body = searchBody(partner, [criteria], { message: { transaction_id: transactionId } });
  expect((await post(`${test.base}/social/registry/search`, partner.token, body)).status).toBe(202);
  return transactionId;
}

interface Queue {
  readonly owner: string;
  readonly running: number;
}

async function countRunning(): Promise<Queue[]> {
  const { rows } = await test.database.pool.query<Queue>(
    `select owner, count(*)::integer as running from job where kind = 'deliver' and state in ('running', 'done', 'failed') group by owner`,
  );
  return rows;
}

async function countSick(): Promise<{ states: string[]; count: number }[]> {
  const { rows } = await test.database.pool.query<{ states: string[]; count: number }>(
    `select array_agg(distinct delivery.state) as states, count(*)::integer as count
     from delivery join partner on partner.id = delivery.partner_id where sender_id like 'sick-%' group by sender_id`,
  );
  return rows;
}

it('receivers that are dead, silent, failing, elsewhere or not who they say delay nobody else', async () => {
  const dead = await startRecordingReceiver();
  await dead.close();
  const silent = await receive();
  silent.answerWith('hang');
  const failing = await receive();
  failing.answerWith({ status: 500 });
  const elsewhere = await receive();
  elsewhere.answerWith({ status: 307, headers: { location: `${silent.origin}/` } });
  const pretending = await receive(undefined, { certificate: makeCertificate(['other.example.org']) });
  const healthy = await receive(test.base);
  const sick = [dead, silent, failing, elsewhere, pretending];
  const add = (receiver: RecordingReceiver, name: string): Promise<TestPartner> =>
    test.addPartner(name, { notifyUri: `${receiver.origin}/inbox` });
  const ill = await Promise.all(sick.map((receiver, index) => add(receiver, `sick-${index}`)));
  const well = await Promise.all(['well-0', 'well-1'].map((name) => add(healthy, name)));
  for (const partner of ill) await Promise.all(Array.from({ length: ASKED }, () => ask(partner)));
  await vi.waitFor(async () => expect((await countSick()).map(({ count }) => count)).toEqual(ill.map(() => ASKED)), 30_000);
  await silent.waitFor(CAP);
  const asked = await Promise.all(well.flatMap((partner) => Array.from({ length: ASKED }, () => ask(partner))));

  const overCap: Queue[] = [];
  while (healthy.received.length < asked.length) {
    overCap.push(...(await countRunning()).filter(({ running }) => running > CAP));
    await sleep(5);
  }
  expect(overCap).toEqual([]);
  expect(healthy.received.map(({ message }) => message.transaction_id).toSorted()).toEqual(asked.toSorted());
  // All that while nothing of the others has come to an end.
  expect((await countSick()).map(({ states }) => states)).toEqual(ill.map(() => ['pending']));
});
