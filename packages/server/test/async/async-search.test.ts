import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { describeWithSpec, publishedSchema, specDir } from '../../../protocol/test/support/published-schema.ts';
import { changePartner } from '../../src/services/register-partner.ts';
import { BUILT_IN_PROFILES } from '../../src/profiles/index.ts';
import { importPersons, type Person } from '../support/persons.ts';
import { type RecordingReceiver, startRecordingReceiver } from '../support/recording-receiver.ts';
import { post, searchBody, startTestApp, type TestApp, type TestPartner } from '../support/test-app.ts';

let test: TestApp;
let receiver: RecordingReceiver;
let partner: TestPartner;
let persons: Person[];
let number = 0;

beforeAll(async () => {
  test = await startTestApp({}, { DCI_ALLOW_HTTP_CALLBACKS: 'true', DCI_ALLOW_PRIVATE_CALLBACKS: 'true' });
  persons = await importPersons(test.database, 60);
});
afterAll(() => test.close());

beforeEach(async () => {
  receiver = await startRecordingReceiver(test.base);
  partner = await test.addPartner(`partner-${(number += 1)}`, { callbackPrefixes: [`${receiver.origin}/dci`] });
  return () => receiver.close();
});

const search = (body: string, path = '/registry/search', asked = partner) => post(`${test.base}${path}`, asked.token, body);
const uri = (path = '/dci/on-search') => ({ sender_uri: `${receiver.origin}${path}` });
const byUin = (uin: string) => ({ query_type: 'idtype-value', query: { type: 'UIN', value: uin } });
const EVERYBODY = {
  query_type: 'predicate',
  query: [{ seq_num: 1, expression1: { attribute_name: 'sub_region_code', operator: 'eq', attribute_value: 'D-01' } }],
};

async function rows<T extends object>(sql: string, values: unknown[] = []): Promise<T[]> {
  return (await test.database.pool.query<T>(sql, values)).rows;
}

async function untilEnded(transactionId: string, state: string): Promise<void> {
  await vi.waitFor(async () => {
    expect(await rows('select state from dci_transaction where transaction_id = $1', [transactionId])).toEqual([{ state }]);
  }, 10_000);
}

it('acknowledges at once and answers by a signed callback', async () => {
  const transactionId = randomUUID();
  const [person] = persons;
  const body = searchBody(partner, [byUin(person?.uin ?? '')], { header: uri(), message: { transaction_id: transactionId } });
  const answer = await search(body);
  expect([answer.status, answer.body.message?.ack_status]).toEqual([202, 'ACK']);
  const [callback] = await receiver.waitFor(1);
  expect(callback).toMatchObject({
    path: 'POST /dci/on-search',
    signature: 'good',
    header: { action: 'on-search', status: 'succ', total_count: 1, completed_count: 1, receiver_id: partner.senderId },
    message: { transaction_id: transactionId, correlation_id: answer.body.message?.correlation_id },
  });
  expect(callback?.message.search_response).toMatchObject([
    { reference_id: 'r0', status: 'succ', data: { reg_records: [{ name: { given_name: person?.given } }] } },
  ]);
  await untilEnded(transactionId, 'answered');
  await vi.waitFor(async () => {
    expect(await rows('select state, content, attempts from delivery where transaction_id = $1', [transactionId])).toEqual([
      { state: 'delivered', content: null, attempts: 1 },
    ]);
  });
  expect(await rows('select outcome, record_count from audit where transaction_id = $1 order by seq', [transactionId])).toEqual([
    { outcome: 'accepted', record_count: 0 },
    { outcome: 'answered', record_count: 1 },
  ]);
  // What is settled is cleared away a moment later.
  await vi.waitFor(async () => {
    expect(await rows(`select id from job where state <> 'dead'`)).toEqual([]);
  });
});

it('answers under the name of a registry as well', async () => {
  const answer = await search(searchBody(partner, [byUin(persons[1]?.uin ?? '')], { header: uri() }), '/sr/registry/search');
  expect(answer.status).toBe(202);
  expect((await receiver.waitFor(1))[0]?.header.status).toBe('succ');
});

it('answers items that cannot be served by their code, and the others', async () => {
  await search(
    searchBody(partner, [byUin(persons[0]?.uin ?? ''), { query_type: 'idtype-value', query: { type: 'NOPE', value: '1' } }], {
      header: uri(),
    }),
  );
  const [callback] = await receiver.waitFor(1);
  expect(callback?.header).toMatchObject({ status: 'succ', status_reason_message: '1 of 2 items refused', total_count: 2 });
  expect(callback?.message.search_response).toMatchObject([
    { status: 'succ' },
    { status: 'rjct', status_reason_code: 'rjct.search_criteria.invalid' },
  ]);
});

it('sends a large result page by page, with how many items are complete', async () => {
  await changePartner(test.database.db, BUILT_IN_PROFILES, partner.senderId, { terms: { limits: { pageSize: 25 } } });
  await vi.waitFor(async () => expect((await search(searchBody(partner, [], { header: { total_count: 0 } }))).status).toBe(202));
  await search(searchBody(partner, [byUin(persons[0]?.uin ?? ''), EVERYBODY], { header: uri() }));
  const callbacks = await receiver.waitFor(3);
  expect(callbacks.map(({ header }) => [header['total_count'], header['completed_count']])).toEqual([
    [2, 1],
    [2, 1],
    [2, 2],
  ]);
  expect(new Set(callbacks.map(({ message }) => message.correlation_id)).size).toBe(1);
  const items = callbacks.flatMap(({ message }) => message.search_response ?? []).filter(({ reference_id }) => reference_id === 'r1');
  expect(items.map((item) => item['pagination'])).toMatchObject([
    { page_number: 1, page_size: 25, total_count: 60 },
    { page_number: 2, page_size: 25, total_count: 60 },
    { page_number: 3, page_size: 25, total_count: 60 },
  ]);
  const names = items.flatMap((item) =>
    (item['data'] as { reg_records: { name: { given_name: string } }[] }).reg_records.map(({ name }) => name.given_name),
  );
  expect(names.toSorted()).toEqual(persons.map(({ given }) => given).toSorted());
});

it('sends the page that was asked for and no other', async () => {
  await search(searchBody(partner, [{ ...EVERYBODY, pagination: { page_size: 10, page_number: 2 } }], { header: uri() }));
  const [callback] = await receiver.waitFor(1);
  expect(callback?.message.search_response).toMatchObject([{ pagination: { page_size: 10, page_number: 2, total_count: 60 } }]);
  await untilEnded(callback?.message.transaction_id ?? '', 'answered');
  expect(receiver.received).toHaveLength(1);
});

it('acknowledges the same request alike, whatever its envelope, and answers once', async () => {
  const message = { transaction_id: randomUUID() };
  const timed = {
    search_request: [{ reference_id: 'r0', timestamp: '2026-01-01T00:00:00Z', search_criteria: byUin(persons[0]?.uin ?? '') }],
  };
  const send = (header: Record<string, unknown> = {}) =>
    search(searchBody(partner, [{}], { header: { ...uri(), ...header }, message: { ...message, ...timed } }));
  const first = await send({ message_id: 'same' });
  const again = await Promise.all([send({ message_id: 'same' }), send(), send()]);
  for (const answer of again) expect([answer.status, answer.text]).toEqual([202, first.text]);
  await untilEnded(message.transaction_id, 'answered');
  await receiver.waitFor(1);
  expect((await send()).text).toBe(first.text);
  expect(receiver.received).toHaveLength(1);
});

it('refuses another request with a message id that was used before, and keeps nothing of it', async () => {
  const header = { ...uri(), message_id: randomUUID() };
  await search(searchBody(partner, [byUin(persons[0]?.uin ?? '')], { header }));
  const transactionId = randomUUID();
  const answer = await search(searchBody(partner, [byUin(persons[1]?.uin ?? '')], { header, message: { transaction_id: transactionId } }));
  expect([answer.status, answer.body.errors?.[0]?.code, answer.body.message?.ack_status]).toEqual([
    400,
    'rjct.message_id.duplicate',
    'ERR',
  ]);
  expect(answer.body.message?.error).toMatchObject({
    code: 'err.request.bad',
    message: expect.stringMatching(/^rjct\.message_id\.duplicate/),
  });
  expect(await rows('select id from dci_transaction where transaction_id = $1', [transactionId])).toEqual([]);
});

it('sends to registered addresses only', async () => {
  for (const address of [
    `${receiver.origin}/elsewhere`,
    `${receiver.origin}/dci-not`,
    'https://127.0.0.1/dci',
    'http://user@127.0.0.1/dci',
  ]) {
    const transactionId = randomUUID();
    const answer = await search(
      searchBody(partner, [byUin(persons[0]?.uin ?? '')], { header: { sender_uri: address }, message: { transaction_id: transactionId } }),
    );
    expect([address, answer.status, answer.body.message?.error?.code]).toEqual([address, 400, 'err.sender_uri.invalid']);
    expect(await rows('select id from dci_transaction where transaction_id = $1', [transactionId])).toEqual([]);
  }
  expect(receiver.received).toEqual([]);
});

it('sends to the registered address where the message names none', async () => {
  const registered = await test.addPartner(`registered-${number}`, { notifyUri: `${receiver.origin}/inbox` });
  await search(searchBody(registered, [byUin(persons[0]?.uin ?? '')]), undefined, registered);
  expect((await receiver.waitFor(1))[0]?.path).toBe('POST /inbox');
});

it('keeps what has nowhere to go', async () => {
  const transactionId = randomUUID();
  await search(searchBody(partner, [byUin(persons[0]?.uin ?? '')], { message: { transaction_id: transactionId } }));
  await untilEnded(transactionId, 'answered');
  expect(await rows('select id from delivery where transaction_id = $1', [transactionId])).toEqual([]);
});

it('says what is wrong with a header in an acknowledgement, and runs nothing', async () => {
  const asked = [byUin(persons[0]?.uin ?? '')];
  const faults = {
    'rjct.action.invalid': { action: 'subscribe' },
    'rjct.message_ts.invalid': { message_ts: '2020-01-01T00:00:00Z' },
    'rjct.total_count.invalid': { total_count: 2 },
    'rjct.version.invalid': { version: '2.0.0' },
  };
  for (const [code, header] of Object.entries(faults)) {
    const answer = await search(searchBody(partner, asked, { header: { ...uri(), ...header } }));
    expect([answer.status, answer.body.errors?.[0]?.code, answer.body.message?.error?.code]).toEqual([400, code, 'err.request.bad']);
  }
  const forged = await search(searchBody({ ...partner, key: (await test.addPartner(`forger-${number}`)).key }, asked, { header: uri() }));
  expect([forged.status, forged.body.message?.error?.code]).toEqual([401, 'err.signature.invalid']);
  expect(
    await rows('select id from dci_transaction where partner_id = (select id from partner where sender_id = $1)', [partner.senderId]),
  ).toEqual([]);
  expect(receiver.received).toEqual([]);
});

/** Keeps the workers from answering until `change` has been made. */
async function changeMeanwhile(change: () => Promise<unknown>): Promise<string> {
  const transactionId = randomUUID();
  const { id } = (await rows<{ id: string }>('select id from partner where sender_id = $1', [partner.senderId]))[0] ?? { id: '' };
  await rows(`insert into job_hold (kind, owner, reason) values ('answer', $1, 'test')`, [id]);
  await search(searchBody(partner, [byUin(persons[0]?.uin ?? '')], { header: uri(), message: { transaction_id: transactionId } }));
  await change();
  await rows(`delete from job_hold`);
  return transactionId;
}

const change = (terms: Parameters<typeof changePartner>[3]) => changePartner(test.database.db, BUILT_IN_PROFILES, partner.senderId, terms);

it('gives nothing to a partner that was shut out meanwhile', async () => {
  const transactionId = await changeMeanwhile(() => change({ terms: { active: false } }));
  await untilEnded(transactionId, 'refused');
  expect(await rows('select id from delivery where transaction_id = $1', [transactionId])).toEqual([]);
  expect(await rows(`select seq from audit where transaction_id = $1 and record_count > 0`, [transactionId])).toEqual([]);
});

it('refuses by callback what was taken from a partner meanwhile', async () => {
  for (const terms of [{ terms: { scopes: [] } }, { terms: { legalBasis: '' } }, { keys: { revoke: [partner.key.kid] } }]) {
    const before = receiver.received.length;
    const transactionId = await changeMeanwhile(() => change(terms));
    const callback = (await receiver.waitFor(before + 1))[before];
    expect(callback).toMatchObject({ signature: 'good', header: { status: 'rjct', status_reason_code: 'rjct.errors.too_many' } });
    expect(callback?.message).toMatchObject({ transaction_id: transactionId, search_response: [{ reference_id: 'r0', status: 'rjct' }] });
    expect(callback?.text).not.toContain(persons[0]?.given);
    await untilEnded(transactionId, 'refused');
    await change({ terms: { scopes: ['registry/search'], legalBasis: 'law' } });
    await vi.waitFor(async () => expect((await search(searchBody(partner, [], { header: { total_count: 0 } }))).status).not.toBe(403));
  }
});

it('calls back also where the work fails for good', async () => {
  const transactionId = await changeMeanwhile(async () => {
    await rows(`update job set attempts = 7 where kind = 'answer'`);
    await rows('alter table identifier rename to identifier_away');
  });
  try {
    const [callback] = await receiver.waitFor(1);
    expect(callback).toMatchObject({ header: { status: 'rjct' }, message: { transaction_id: transactionId } });
  } finally {
    await rows('alter table identifier_away rename to identifier');
  }
  await untilEnded(transactionId, 'failed');
});

describeWithSpec('every message', () => {
  it('fits the published schema', async () => {
    if (specDir === undefined) return;
    const schema = publishedSchema('social');
    const ack = await search(
      searchBody(partner, [byUin(persons[0]?.uin ?? ''), { query_type: 'idtype-value', query: { type: 'NOPE', value: '1' } }], {
        header: uri(),
      }),
    );
    const refused = await search(searchBody(partner, [], { header: { total_count: 5 } }));
    for (const body of [ack.body, refused.body]) {
      const validate = schema.response('/registry/search');
      expect([validate(body), validate.errors ?? []]).toEqual([true, []]);
    }
    const [callback] = await receiver.waitFor(1);
    const validate = schema.request('/registry/on-search');
    expect([validate(JSON.parse(callback?.text ?? '')), validate.errors ?? []]).toEqual([true, []]);
  });
});
