import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { publishedSchema, specDir } from '../../../protocol/test/support/published-schema.ts';
import { BUILT_IN_PROFILES } from '../../src/profiles/index.ts';
import { changePartner } from '../../src/services/register-partner.ts';
import { importPersons, type Person } from '../support/persons.ts';
import { type RecordingReceiver, startRecordingReceiver } from '../support/recording-receiver.ts';
import { messageBody, post, searchBody, startTestApp, type TestApp, type TestPartner } from '../support/test-app.ts';

let test: TestApp;
let receiver: RecordingReceiver;
let persons: Person[];
let asker: TestPartner;
let stranger: TestPartner;
let number = 0;

beforeAll(async () => {
  test = await startTestApp({}, { DCI_ALLOW_HTTP_CALLBACKS: 'true', DCI_ALLOW_PRIVATE_CALLBACKS: 'true' });
  persons = await importPersons(test.database, 8);
});
afterAll(() => test.close());

beforeEach(async () => {
  receiver = await startRecordingReceiver(test.base);
  const terms = { notifyUri: `${receiver.origin}/inbox` };
  [asker, stranger] = [await test.addPartner(`asker-${(number += 1)}`, terms), await test.addPartner(`stranger-${number}`, terms)];
  return () => receiver.close();
});

interface Asked {
  readonly type?: string;
  readonly by: string;
  readonly value: string | string[];
}

function statusBody(partner: TestPartner, { type = 'search', by, value }: Asked): string {
  const asked = { reference_id: 's0', txn_type: type, attribute_type: by, attribute_value: value };
  return messageBody(partner, { action: 'txn-status', total_count: 1 }, { txnstatus_request: asked });
}

interface StatusAnswer {
  readonly header: { action: string; status: string };
  readonly message: {
    readonly transaction_id: string;
    readonly txnstatus_response: { txn_type: string; txn_status: Record<string, unknown> & { search_response: Record<string, unknown>[] } };
  };
}

async function look(partner: TestPartner, asked: Asked, path = '/registry/sync/txn/status'): Promise<StatusAnswer> {
  const answer = await post(`${test.base}${path}`, partner.token, statusBody(partner, asked));
  expect(answer.status).toBe(200);
  if (specDir !== undefined) {
    const validate = publishedSchema('social').response('/registry/sync/txn/status');
    expect([validate(answer.body), validate.errors ?? []]).toEqual([true, []]);
  }
  return answer.body as unknown as StatusAnswer;
}

async function ask(references: readonly string[] = [`ref-${randomUUID()}`]) {
  const transactionId = randomUUID();
  const search_request = references.map((reference_id) => ({
    reference_id,
    timestamp: new Date().toISOString(),
    search_criteria: { query_type: 'idtype-value', query: { type: 'UIN', value: persons[0]?.uin } },
  }));
  const body = searchBody(
    asker,
    references.map(() => ({})),
    { message: { transaction_id: transactionId, search_request } },
  );
  const answer = await post(`${test.base}/registry/search`, asker.token, body);
  return { transactionId, correlationId: answer.body.message?.correlation_id ?? '', references };
}

async function rows<T extends object>(sql: string, values: unknown[] = []): Promise<T[]> {
  return (await test.database.pool.query<T>(sql, values)).rows;
}

it('tells what became of a search, by every name it has', async () => {
  const asked = await ask(['a', 'b'].map((name) => `${name}-${randomUUID()}`));
  await receiver.waitFor(1);
  await vi.waitFor(async () => expect((await rows(`select id from dci_transaction where state = 'pending'`)).length).toBe(0));
  for (const key of [
    { by: 'transaction_id', value: asked.transactionId },
    { by: 'correlation_id', value: asked.correlationId },
    { by: 'reference_id_list', value: [...asked.references] },
    { by: 'reference_id_list', value: [asked.references[1] ?? ''] },
  ]) {
    const { header, message } = await look(asker, key);
    expect(header).toMatchObject({ action: 'txn-on-status', status: 'succ' });
    expect(message.txnstatus_response).toMatchObject({
      txn_type: 'search',
      txn_status: { transaction_id: asked.transactionId, correlation_id: asked.correlationId },
    });
    expect(message.txnstatus_response.txn_status.search_response).toMatchObject(
      asked.references.map((reference_id) => ({
        reference_id,
        status: 'succ',
        data: { reg_records: [{ name: { given_name: persons[0]?.given } }] },
      })),
    );
  }
  const seen = await rows(`select record_count from audit where action = 'txn-status' and sender_id = $1`, [asker.senderId]);
  expect(seen).toEqual(Array.from({ length: 4 }, () => ({ record_count: 2 })));
});

it('tells of a search that has not ended, and gives nothing', async () => {
  const [{ id } = { id: '' }] = await rows<{ id: string }>('select id from partner where sender_id = $1', [asker.senderId]);
  await rows(`insert into job_hold (kind, owner, reason) values ('answer', $1, 'test')`, [id]);
  const asked = await ask();
  const { message } = await look(asker, { by: 'transaction_id', value: asked.transactionId });
  const [item] = message.txnstatus_response.txn_status.search_response;
  expect([item?.['reference_id'], item?.['status'], item?.['data']]).toEqual([asked.references[0], 'pdng', undefined]);
  await rows('delete from job_hold');
});

it('knows nothing of what others asked: unknown and foreign look alike', async () => {
  const asked = await ask();
  await receiver.waitFor(1);
  const answers = [
    await look(stranger, { by: 'transaction_id', value: asked.transactionId }),
    await look(stranger, { by: 'transaction_id', value: randomUUID() }),
    await look(stranger, { by: 'correlation_id', value: asked.correlationId }),
    await look(stranger, { by: 'reference_id_list', value: [...asked.references] }),
    await look(asker, { by: 'reference_id_list', value: [...asked.references, 'another'] }),
    await look(asker, { type: 'subscribe', by: 'transaction_id', value: asked.transactionId }),
  ];
  for (const { header, message } of answers) {
    expect(header.status).toBe('rjct');
    expect(message.txnstatus_response.txn_status.search_response).toEqual([]);
    expect(JSON.stringify(message)).not.toContain(persons[0]?.given);
  }
  expect(await rows(`select outcome from audit where action = 'txn-status' and sender_id = $1`, [stranger.senderId])).toEqual(
    Array.from({ length: 4 }, () => ({ outcome: 'not_found' })),
  );
});

it('shows no more than the partner may see now', async () => {
  const asked = await ask();
  await receiver.waitFor(1);
  const whole = await look(asker, { by: 'transaction_id', value: asked.transactionId });
  expect(JSON.stringify(whole)).toContain('phone_number');
  await changePartner(test.database.db, BUILT_IN_PROFILES, asker.senderId, { terms: { fields: 'minimal' } });
  await vi.waitFor(async () => {
    expect(JSON.stringify(await look(asker, { by: 'transaction_id', value: asked.transactionId }))).not.toContain('phone_number');
  });
  await changePartner(test.database.db, BUILT_IN_PROFILES, asker.senderId, { terms: { legalBasis: '' } });
  await vi.waitFor(async () => {
    const answer = await post(
      `${test.base}/registry/sync/txn/status`,
      asker.token,
      statusBody(asker, { by: 'transaction_id', value: asked.transactionId }),
    );
    expect(answer.status).toBe(403);
  });
});

it('refuses an id where a list is meant, and an empty list', async () => {
  for (const asked of [
    { by: 'transaction_id', value: ['a'] },
    { by: 'reference_id_list', value: [] },
  ]) {
    const answer = await post(`${test.base}/registry/sync/txn/status`, asker.token, statusBody(asker, asked));
    expect([answer.status, answer.body.error?.code]).toEqual([400, 'err.request.bad']);
  }
});

it('answers by callback as well', async () => {
  const asked = await ask();
  await receiver.waitFor(1);
  await vi.waitFor(async () => expect((await rows(`select id from dci_transaction where state = 'pending'`)).length).toBe(0));
  const ack = await post(
    `${test.base}/social/registry/txn/status`,
    asker.token,
    statusBody(asker, { by: 'transaction_id', value: asked.transactionId }),
  );
  expect([ack.status, ack.body.message?.ack_status]).toEqual([202, 'ACK']);
  const unknown = await post(
    `${test.base}/registry/txn/status`,
    asker.token,
    statusBody(asker, { by: 'correlation_id', value: 'nothing' }),
  );
  expect(unknown.status).toBe(202);
  const callbacks = (await receiver.waitFor(3)).slice(1);
  const found = callbacks.find(({ message }) => message.correlation_id === ack.body.message?.correlation_id);
  const missing = callbacks.find(({ message }) => message.correlation_id === unknown.body.message?.correlation_id);
  expect(found).toMatchObject({ signature: 'good', header: { action: 'txn-on-status', status: 'succ' } });
  expect(found?.text).toContain(persons[0]?.given);
  expect(missing).toMatchObject({ signature: 'good', header: { status: 'rjct' } });
  if (specDir === undefined) return;
  const validate = publishedSchema('social').request('/registry/txn/on-status');
  for (const { text } of callbacks) expect([validate(JSON.parse(text)), validate.errors ?? []]).toEqual([true, []]);
});

it('tells again what came of a subscription, to who made it', async () => {
  const terms = { notifyUri: `${receiver.origin}/inbox`, scopes: ['registry/search', 'registry/subscribe'] };
  const subscriber = await test.addPartner(`subscriber-${number}`, terms);
  const item = {
    reference_id: `sub-${number}`,
    timestamp: new Date().toISOString(),
    subscribe_criteria: {
      reg_event_type: 'UPDATE',
      filter_type: 'idtype-value',
      filter: { type: 'UIN', value: persons[0]?.uin },
      notify_record_type: 'SRPerson',
    },
  };
  const body = messageBody(subscriber, { action: 'subscribe', total_count: 1 }, { subscribe_request: [item] });
  const ack = await post(`${test.base}/registry/subscribe`, subscriber.token, body);
  const code = (ack.body.message as { subscription_code?: string }).subscription_code ?? '';
  const [callback] = await receiver.waitFor(1);
  const { message } = await look(subscriber, { type: 'subscribe', by: 'subscription_code_list', value: [code] });
  expect(message.txnstatus_response.txn_status).toEqual({ ...callback?.message, search_response: [] });
  const foreign = await look(asker, { type: 'subscribe', by: 'subscription_code_list', value: [code] });
  expect([foreign.header.status, JSON.stringify(foreign.message).includes(persons[0]?.uin ?? '')]).toEqual(['rjct', false]);
});

it('costs what the search costs that is made again, and is refused where that is not left', async () => {
  const { senderId } = asker;
  const transactionId = randomUUID();
  const criteria = {
    query_type: 'expression',
    query: { type: 'x', value: { expression: { collection: 'SRPerson', query: { sex: { $eq: 'female' } } } } },
  };
  const search_request = ['a', 'b'].map((reference_id) => ({
    reference_id,
    timestamp: new Date().toISOString(),
    search_criteria: { ...criteria, pagination: { page_size: 1_000 } },
  }));
  const body = searchBody(asker, [{}, {}], { message: { transaction_id: transactionId, search_request } });
  expect((await post(`${test.base}/registry/search`, asker.token, body)).status).toBe(202);
  await vi.waitFor(() => expect(receiver.received).not.toEqual([]), 20_000);
  // Two broad searches of ten steps each: a hundred points.
  await changePartner(test.database.db, BUILT_IN_PROFILES, senderId, { terms: { limits: { pointsPerMinute: 90 } } });
  const asked: Asked = { by: 'transaction_id', value: transactionId };
  const countDisclosing = () => rows('select count(*) from audit where record_count > 0');
  await vi.waitFor(async () => {
    const before = await countDisclosing();
    const refused = await post(`${test.base}/registry/sync/txn/status`, asker.token, statusBody(asker, asked));
    expect([refused.status, await countDisclosing()]).toEqual([429, before]);
  }, 10_000);
});
