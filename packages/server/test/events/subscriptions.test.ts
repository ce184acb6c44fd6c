import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { describeWithSpec, publishedSchema, specDir } from '../../../protocol/test/support/published-schema.ts';
import { BUILT_IN_PROFILES } from '../../src/profiles/index.ts';
import { socialProfile } from '../../src/profiles/social.ts';
import { deleteRecord, inWriteTransaction, linkMember, putRecords } from '../../src/registry/write.ts';
import { writeOperations } from '../../src/registry/write-operations.ts';
import { parseGivenConsent } from '../../src/services/consent-request.ts';
import { giveConsent } from '../../src/services/consents.ts';
import type { TermChanges } from '../../src/services/partner-terms.ts';
import { changePartner } from '../../src/services/register-partner.ts';
import { runHere } from '../partners/command-line.ts';
import { group, household, person, uin } from '../records/registry-fixture.ts';
import { type ReceivedMessage, type RecordingReceiver, startRecordingReceiver } from '../support/recording-receiver.ts';
import { signedMessage } from '../support/signed-message.ts';
import { type AnswerBody, post, startTestApp, type TestApp, type TestPartner } from '../support/test-app.ts';

let test: TestApp;
let receiver: RecordingReceiver;
let partner: TestPartner;
let number = 0;

beforeAll(async () => {
  test = await startTestApp({}, { DCI_ALLOW_HTTP_CALLBACKS: 'true', DCI_ALLOW_PRIVATE_CALLBACKS: 'true' });
});
afterAll(() => test.close());

beforeEach(async () => {
  receiver = await startRecordingReceiver(test.base);
  partner = await addPartner();
  return async () => {
    await test.database.pool.query(`update subscription set state = 'ended'`);
    await receiver.close();
  };
});

// Other databases of the same PostgreSQL, and the making of new ones, hold up the reading of events.
const PATIENCE_MS = 45_000;

type Json = Record<string, unknown>;

function addPartner(terms: TermChanges = {}): Promise<TestPartner> {
  return test.addPartner(`subscriber-${(number += 1)}.test`, {
    scopes: ['registry/search', 'registry/subscribe', 'registry/subscribe-all'],
    callbackPrefixes: [`${receiver.origin}/dci`],
    ...terms,
  });
}

const BY_UIN = (value: string): Json => ({ filter_type: 'idtype-value', filter: { type: 'UIN', value } });
const EVERYTHING: Json = { filter: { type: '*', value: '*' } };

function criteria(change: Json = {}): Json {
  return { reg_event_type: 'UPDATE', notify_record_type: 'Member', ...BY_UIN('nobody'), ...change };
}

interface Acknowledged {
  readonly status: number;
  readonly body: AnswerBody & { readonly message?: Json };
}

async function subscribe(items: readonly Json[], by = partner, header: Json = {}, message: Json = {}): Promise<Acknowledged> {
  const whole = {
    transaction_id: randomUUID(),
    subscribe_request: items.map((item, index) => ({
      reference_id: `r${index}`,
      timestamp: new Date().toISOString(),
      subscribe_criteria: item,
    })),
    ...message,
  };
  const from = { sender_uri: `${receiver.origin}/dci/on-subscribe`, total_count: items.length, ...header };
  return (await post(`${test.base}/social/registry/subscribe`, by.token, signedMessage(by, 'subscribe', whole, from))) as Acknowledged;
}

async function unsubscribe(codes: readonly unknown[], by = partner): Promise<Acknowledged> {
  const message = { transaction_id: randomUUID(), timestamp: new Date().toISOString(), subscription_codes: codes };
  const from = { sender_uri: `${receiver.origin}/dci/on-unsubscribe` };
  return (await post(
    `${test.base}/social/registry/unsubscribe`,
    by.token,
    signedMessage(by, 'unsubscribe', message, from),
  )) as Acknowledged;
}

const dci = (...args: string[]) => runHere({ DCI_DATABASE_URL: test.config.databaseUrl ?? '' }, ['subscription', ...args]);
const put = (...documents: readonly unknown[]) => putRecords(test.database.db, socialProfile, documents);

async function rows(sql: string, values: unknown[] = []): Promise<Json[]> {
  return (await test.database.pool.query<Json>(sql, values)).rows;
}

/** Subscribes, and waits until that is told. */
async function subscribed(change: Json, by = partner): Promise<string> {
  const before = receiver.received.length;
  const { body } = await subscribe([criteria(change)], by);
  const told = (await receiver.waitFor(before + 1, PATIENCE_MS)).at(-1);
  expect(told?.header).toMatchObject({ action: 'on-subscribe', status: 'succ' });
  return String(body.message?.['subscription_code']);
}

/** The next notifications. */
async function notified(count: number): Promise<readonly ReceivedMessage[]> {
  await vi.waitFor(() => expect(listNotifications().length).toBeGreaterThanOrEqual(count), PATIENCE_MS);
  return listNotifications();
}

function listNotifications(): readonly ReceivedMessage[] {
  return receiver.received.filter(({ header }) => header.action === 'notify');
}

interface Told {
  readonly reference_id: string;
  readonly timestamp: string;
  readonly data: Json & { readonly reg_records: Json };
}

const events = (message: ReceivedMessage | undefined): Told[] => (message?.message['notify_event'] ?? []) as Told[];
const meta = (message: ReceivedMessage | undefined): Json => (message?.header['meta'] ?? {}) as Json;

/** Waits until all that has happened was read, and all that follows from it is done. */
async function settled(): Promise<void> {
  await vi.waitFor(async () => {
    const [row] =
      await rows(`select (select count(*)::integer from change_event, event_cursor where name = 'subscriptions' and (xid >= until_xid or seq >= until_seq or seq > last_seq)) as unread,
      (select count(*)::integer from job where state not in ('dead') and run_at <= now()) as jobs`);
    expect(row).toEqual({ unread: 0, jobs: 0 });
  }, PATIENCE_MS);
}

describe('subscribing', () => {
  it('is done when it is acknowledged, in the form of the standard and of OpenSPP at once; then the callback tells of it', async () => {
    const end = new Date(Date.now() + 86_400_000).toISOString();
    const frequency = { start_time: new Date().toISOString(), end_time: end, frequency: 'immediate' };
    const { status, body } = await subscribe([criteria({ frequency })]);
    expect(status).toBe(202);
    expect(body).toMatchObject({
      header: { action: 'on-subscribe', status: 'succ', total_count: 1, receiver_id: partner.senderId },
      message: { ack_status: 'ACK', expires: end },
    });
    expect(body.signature).toContain('signature=');
    const code = body.message?.['subscription_code'];
    expect(await rows('select state, event_type from subscription where code = $1', [code])).toEqual([
      { state: 'active', event_type: 'UPDATE' },
    ]);
    const [callback] = await receiver.waitFor(1, PATIENCE_MS);
    expect(callback).toMatchObject({
      path: 'POST /dci/on-subscribe',
      signature: 'good',
      header: { action: 'on-subscribe', status: 'succ' },
      message: { correlation_id: body.message?.correlation_id },
    });
    expect(callback?.message['subscribe_response']).toMatchObject([
      {
        reference_id: 'r0',
        status: 'succ',
        subscriptions: [{ code, status: 'subscribe', reg_event_type: 'UPDATE', notify_record_type: 'Member', frequency }],
      },
    ]);
  });

  it('takes the shorthand as a list of one', async () => {
    const message = { transaction_id: randomUUID(), subscribe_criteria: criteria() };
    const from = { sender_uri: `${receiver.origin}/dci/on-subscribe` };
    const { status, body } = (await post(
      `${test.base}/social/registry/subscribe`,
      partner.token,
      signedMessage(partner, 'subscribe', message, from),
    )) as Acknowledged;
    expect(status).toBe(202);
    expect(body.message?.['subscription_code']).toMatch(/^[\w-]{24}$/);
  });

  it('acknowledges the same request alike, and makes nothing twice', async () => {
    const message = {
      transaction_id: randomUUID(),
      subscribe_request: [{ reference_id: 'r', timestamp: new Date().toISOString(), subscribe_criteria: criteria() }],
    };
    const [one, two] = [await subscribe([{}], partner, {}, message), await subscribe([{}], partner, {}, message)];
    expect(two.body.message).toEqual(one.body.message);
    expect(
      await rows(`select 1 from subscription s join partner p on p.id = s.partner_id where p.sender_id = $1`, [partner.senderId]),
    ).toHaveLength(1);
  });

  it('tells item by item what could not be done, and does the others', async () => {
    const limited = await addPartner({ scopes: ['registry/subscribe'] });
    const poor = {
      filter_type: 'expression',
      filter: { type: 'x', value: { expression: { collection: 'Group', query: { poverty_score: { $lt: 5 } } } } },
    };
    const past = { start_time: '2020-01-01T00:00:00Z', end_time: '2021-01-01T00:00:00Z', frequency: 'daily' };
    const never = { start_time: '2020-01-01T00:00:00Z', frequency: '0 0 0 31 2 ?' };
    const items: (readonly [Json, string])[] = [
      [criteria(), ''],
      [criteria(), 'rjct.event.already_subscribed'],
      [criteria({ reg_event_type: 'spdci-common:RegistryEventType:Deregister' }), ''],
      [criteria({ reg_event_type: 'BIRTHDAY' }), 'rjct.notify_types.invalid'],
      [criteria({ filter: { type: 'SHOE', value: '44' } }), 'rjct.notify_details.invalid'],
      [criteria({ ...poor, notify_record_type: 'Group' }), ''],
      [
        criteria({ filter_type: 'expression', filter: { type: 'x', value: { expression: { collection: 'Group', query: {} } } } }),
        'rjct.notify_details.invalid',
      ],
      [criteria({ notify_record_type: 'Ghost' }), 'rjct.notify_details.invalid'],
      [criteria({ reg_type: 'ns:org:RegistryType:Farmer' }), 'rjct.notify_details.invalid'],
      [criteria(EVERYTHING), 'rjct.notify_details.invalid'],
      [criteria({ ...BY_UIN('other'), frequency: past }), 'rjct.notify_details.invalid'],
      [criteria({ ...BY_UIN('other'), frequency: never }), 'rjct.notify_details.invalid'],
    ];
    const { body } = await subscribe(
      items.map(([item]) => item),
      limited,
    );
    expect(body.header).toMatchObject({ status: 'succ', status_reason_message: '9 of 12 items refused' });
    expect(body.message?.['subscription_codes']).toHaveLength(3);
    const [callback] = await receiver.waitFor(1, PATIENCE_MS);
    const told = callback?.message['subscribe_response'] as Json[];
    expect(told.map((item) => item['status_reason_code'] ?? '')).toEqual(items.map(([, code]) => code));
    expect(
      await rows(`select 1 from subscription s join partner p on p.id = s.partner_id where p.sender_id = $1`, [limited.senderId]),
    ).toHaveLength(3);
  });

  it('acknowledges what is refused as a whole, without a code', async () => {
    const { status, body } = await subscribe([criteria({ reg_event_type: 'BIRTHDAY' })]);
    expect([status, body.message?.ack_status, body.header?.status]).toEqual([202, 'ACK', 'rjct']);
    expect(body.message).not.toHaveProperty('subscription_code');
    expect((await receiver.waitFor(1, PATIENCE_MS))[0]?.header.status).toBe('rjct');
  });

  it('is refused to who may not subscribe, and by field rule; nothing is kept', async () => {
    const before = await rows('select count(*) from subscription');
    const searcher = await addPartner({ scopes: ['registry/search'] });
    expect((await subscribe([criteria()], searcher)).status).toBe(403);
    const minimal = await addPartner({ fields: 'minimal' });
    const widows = {
      filter_type: 'predicate',
      filter: [{ seq_num: 1, expression1: { attribute_name: 'marital_status', operator: 'eq', attribute_value: 'W' } }],
    };
    const { body } = await subscribe([criteria(widows)], minimal);
    expect(body.header?.status).toBe('rjct');
    const elsewhere = await subscribe([criteria()], partner, { sender_uri: 'http://127.0.0.1:9/dci/on-subscribe' });
    expect([elsewhere.status, elsewhere.body.errors?.[0]?.code]).toEqual([400, 'err.sender_uri.invalid']);
    expect(await rows('select count(*) from subscription')).toEqual(before);
  });

  it('ends by code; codes of others and unknown ones look alike', async () => {
    const code = await subscribed({});
    const other = await addPartner();
    const foreign = await unsubscribe([code], other);
    expect([foreign.status, foreign.body.message?.ack_status, foreign.body.header?.status]).toEqual([202, 'ACK', 'rjct']);
    expect(await rows('select state from subscription where code = $1', [code])).toEqual([{ state: 'active' }]);
    const told = (await receiver.waitFor(2, PATIENCE_MS)).at(-1);
    expect(told).toMatchObject({
      path: 'POST /dci/on-unsubscribe',
      signature: 'good',
      message: { status: 'rjct', status_reason_code: 'rjct.subscription_code.invalid', subscription_status: [{ code }] },
    });
    expect((await unsubscribe([code, 'no-such-code'])).body.header?.status).toBe('succ');
    expect(await rows('select state from subscription where code = $1', [code])).toEqual([{ state: 'ended' }]);
    expect((await receiver.waitFor(3, PATIENCE_MS)).at(-1)?.message).toMatchObject({
      status: 'succ',
      status_reason_code: 'rjct.subscription_code.invalid',
      subscription_status: [
        { code, status: 'unsubscribe' },
        { code: 'no-such-code', status: 'unsubscribe' },
      ],
    });
    await unsubscribe([code]);
    expect((await receiver.waitFor(4, PATIENCE_MS)).at(-1)?.message).toMatchObject({
      status: 'rjct',
      status_reason_code: 'rjct.event.already_unsubscribed',
    });
  });
});

describe('a notification', () => {
  it('tells the record as a search would give it, with its version and event, on record', async () => {
    const code = await subscribed(BY_UIN('n1'));
    await put(person('n1'));
    await put(person('n1', { marital_status: 'W' }));
    const [message] = await notified(1);
    expect(message).toMatchObject({
      path: 'POST /dci/notify',
      signature: 'good',
      header: { status: 'succ', total_count: 1, receiver_id: partner.senderId },
    });
    const [told] = events(message);
    expect(told?.data).toMatchObject({
      reg_type: 'ns:org:RegistryType:Social',
      reg_record_type: 'Member',
      version: '1.0.0',
      reg_records: { '@type': 'Member', marital_status: 'W' },
    });
    expect(told?.data).not.toHaveProperty('reg_event_type');
    expect(meta(message)).toMatchObject({
      event_type: 'UPDATE',
      subscription_code: code,
      records: [{ reference_id: told?.reference_id, version: 2, event_version: 2, changed: ['marital_status'] }],
    });
    const [record] = await rows(`select record_id as id from identifier where value = 'n1'`);
    expect(
      await rows(`select action, sender_id, outcome, record_count, disclosed from audit where action = 'notify' order by seq desc limit 1`),
    ).toMatchObject([
      { sender_id: partner.senderId, outcome: 'answered', record_count: 1, disclosed: [{ entity: 'Member', records: [record?.['id']] }] },
    ]);
    await settled();
    expect(await rows('select 1 from pending_event')).toEqual([]);
  });

  it('follows the order of versions, and nothing is lost while the receiver fails', async () => {
    await subscribed(BY_UIN('o1'));
    let calls = 0;
    receiver.answerWith(({ header }) =>
      header.action === 'notify' && (calls += 1) <= 1 ? { status: 503, headers: { 'retry-after': '1' } } : 'ack',
    );
    await put(person('o1'));
    for (let version = 2; version <= 9; version += 1) await put(person('o1', {}, { email: [`${version}@x.test`] }));
    const versionsOf = (messages: readonly ReceivedMessage[]): number[] =>
      messages.flatMap((message) => (meta(message)['records'] as Json[]).map((record) => Number(record['event_version'])));
    // The first call was not answered well, and so counts for nothing.
    await vi.waitFor(
      () => expect(new Set(versionsOf(listNotifications().slice(1)))).toEqual(new Set([2, 3, 4, 5, 6, 7, 8, 9])),
      PATIENCE_MS,
    );
    const arrived = listNotifications().slice(1);
    const told = arrived.flatMap((message) => meta(message)['records'] as { version: number; event_version: number }[]);
    expect(told.map((record) => record.event_version)).toEqual([2, 3, 4, 5, 6, 7, 8, 9]);
    expect(told.map((record) => record.version)).toEqual(told.map((record) => record.version).toSorted((a, b) => a - b));
    expect(listNotifications().every(({ signature }) => signature === 'good')).toBe(true);
  });

  it('of every record goes to who may have that; LINK, and names of the registry’s own', async () => {
    await subscribed({ ...EVERYTHING, reg_event_type: 'NewHouseHoldMember', notify_record_type: 'Group' });
    await put(group('hg'), person('h1'));
    await linkMember(test.database.db, socialProfile, household('hg'), uin('h1'));
    const [message] = await notified(1);
    expect(events(message)[0]?.data).toMatchObject({
      reg_event_type: 'NewHouseHoldMember',
      reg_records: { '@type': 'Group', group_size: 1, member_list: [{ '@type': 'Member' }] },
    });
  });

  it('of a record that is gone carries its identifiers and no more; then what was in it is forgotten', async () => {
    await subscribed({ ...BY_UIN('d1'), reg_event_type: 'DELETE' });
    await put(person('d1', { marital_status: 'W', member_identifier: [{ identifier_type: 'UIN', identifier_value: 'd1' }] }));
    await deleteRecord(test.database.db, socialProfile, uin('d1'));
    const [message] = await notified(1);
    const [told] = events(message);
    expect(told?.data.reg_records).toEqual({
      '@context': expect.anything(),
      '@type': 'Member',
      demographic_info: { '@type': 'SRPerson', identifier: [{ identifier_type: 'UIN', identifier_value: 'd1' }] },
      member_identifier: [{ identifier_type: 'UIN', identifier_value: 'd1' }],
    });
    expect(meta(message)).toMatchObject({ event_type: 'DELETE', records: [{ version: 2 }] });
  });

  it('has only what the field rule gives now, and does not tell of changes of what it hides', async () => {
    const code = await subscribed(BY_UIN('f1'));
    await put(person('f1'));
    await changePartner(test.database.db, BUILT_IN_PROFILES, partner.senderId, { terms: { fields: 'minimal' } });
    await put(person('f1', { is_disabled: true }));
    await put(person('f1', { is_disabled: true }, { name: { given_name: 'Ana' } }));
    const [message] = await notified(1);
    expect(message?.text).not.toContain('is_disabled');
    expect(message?.text).not.toContain('birth_date');
    expect(meta(message)['records']).toMatchObject([{ version: 3, changed: ['demographic_info.name'] }]);
    await settled();
    expect(listNotifications()).toHaveLength(1);
    expect(await rows('select state from subscription where code = $1', [code])).toEqual([{ state: 'active' }]);
  });

  it.each<[string, TermChanges]>([
    ['a field rule', { fields: { name: 'given-names', classes: { identifier: 'give' }, fields: { given_name: 'give' } } }],
    ['consent', { legalBasis: 'consent: form', purposes: ['care'] }],
  ])('of a field that %s gives a part of is told when that part changed', async (ground, terms) => {
    const [value, reader] = [`part by ${ground}`, await addPartner(terms)];
    const named = (name: Json): Json => person(value, {}, { name });
    await put(named({ given_name: 'Ana', surname: 'Lima' }));
    const given = parseGivenConsent({
      subject: { identifier_type: 'UIN', identifier_value: value },
      recipient: { partner: reader.senderId },
      purposes: ['care'],
      covers: ['identifier', 'given_name'],
    });
    await giveConsent(test.database.db, socialProfile, given, 'operator', Date.now());
    await subscribed(BY_UIN(value), reader);
    await put(named({ given_name: 'Ana', surname: 'Costa' }));
    await put(named({ given_name: 'Ana' }));
    await settled();
    expect(listNotifications()).toEqual([]);
    await put(named({ given_name: 'Anna', surname: 'Costa' }));
    const [message] = await notified(1);
    expect(meta(message)['records']).toMatchObject([{ event_version: 4, changed: ['demographic_info.name'] }]);
    expect(events(message)[0]?.data.reg_records).toMatchObject({ demographic_info: { name: { given_name: 'Anna' } } });
    expect(message?.text).not.toMatch(/Lima|Costa/);
    // Events that were stored before name the whole property.
    await inWriteTransaction(test.database.db, async (transaction) => {
      await writeOperations(transaction, socialProfile, [{ op: 'put', document: named({ given_name: 'Anne' }) }]);
      await transaction
        .updateTable('change_event')
        .set({ changed: ['demographic_info.name'] })
        .where('version', '=', 5)
        .where('record_id', 'in', (query) => query.selectFrom('identifier').select('record_id').where('value', '=', value))
        .execute();
    });
    const [, older] = await notified(2);
    expect(meta(older)['records']).toMatchObject([{ event_version: 5, changed: ['demographic_info.name'] }]);
  });

  it('does not go to who was shut out, lost the right, or may not filter like that any more', async () => {
    const sex = {
      filter_type: 'predicate',
      filter: [{ seq_num: 1, expression1: { attribute_name: 'sex', operator: 'eq', attribute_value: 'female' } }],
    };
    const [shut, robbed, blinded] = [partner, await addPartner(), await addPartner()];
    await subscribed(BY_UIN('x1'), shut);
    const lost = await subscribed(BY_UIN('x1'), robbed);
    const blind = await subscribed(sex, blinded);
    await put(person('x1'));
    const change = (who: TestPartner, terms: TermChanges) => changePartner(test.database.db, BUILT_IN_PROFILES, who.senderId, { terms });
    await change(shut, { active: false });
    await change(robbed, { scopes: ['registry/search'] });
    await change(blinded, { fields: 'minimal' });
    await put(person('x1', { member_identifier: [{ identifier_type: 'BRN', identifier_value: 'x1' }] }));
    await settled();
    expect(listNotifications()).toEqual([]);
    expect(await rows(`select state, reason from subscription where code = any ($1) order by code = $2`, [[lost, blind], blind])).toEqual([
      { state: 'suspended', reason: 'it is not open to the partner any more (err.request.forbidden)' },
      { state: 'suspended', reason: 'it is not open to the partner any more (rjct.filter.invalid)' },
    ]);
    expect(
      await rows(`select 1 from audit where action = 'notify' and sender_id = any ($1)`, [
        [shut, robbed, blinded].map(({ senderId }) => senderId),
      ]),
    ).toEqual([]);
  });

  it('goes to the registered address where there is one', async () => {
    await changePartner(test.database.db, BUILT_IN_PROFILES, partner.senderId, { terms: { notifyUri: `${receiver.origin}/events` } });
    await subscribed(BY_UIN('a1'));
    await put(person('a1'));
    await put(person('a1', { is_disabled: true }));
    expect((await notified(1))[0]?.path).toBe('POST /events');
  });

  it('waits for approval where it must, and tells what happens from then on', async () => {
    const watched = await addPartner({ subscriptions: 'approval' });
    const { body } = await subscribe([criteria(BY_UIN('p1'))], watched);
    const code = String(body.message?.['subscription_code']);
    const [callback] = await receiver.waitFor(1, PATIENCE_MS);
    expect(callback?.message['subscribe_response']).toMatchObject([{ status: 'pdng', subscriptions: [{ status: 'unsubscribe' }] }]);
    await put(person('p1'));
    await put(person('p1', { is_disabled: true }));
    await settled();
    expect(listNotifications()).toEqual([]);
    expect(JSON.parse((await dci('list', '--state', 'pending', '--json')).out)).toMatchObject([
      { code, partner: watched.senderId, event: 'UPDATE', entity: 'Member', state: 'pending' },
    ]);
    expect(await dci('approve', code)).toMatchObject({ status: 0, out: `${code} is active\n` });
    expect(await dci('approve', code)).toMatchObject({ status: 1, out: '' });
    await put(person('p1', { is_disabled: false }));
    expect(meta((await notified(1))[0])['records']).toMatchObject([{ version: 3 }]);
  });

  it('is held back while an operator suspends it, and not told once it has ended', async () => {
    const code = await subscribed(BY_UIN('m1'));
    await put(person('m1'));
    expect(await dci('suspend', code, '--reason', 'asked by phone')).toMatchObject({ status: 0 });
    await put(person('m1', { is_disabled: true }));
    await settled();
    expect(listNotifications()).toEqual([]);
    expect(JSON.parse((await dci('show', code, '--json')).out)).toMatchObject({
      state: 'suspended',
      reason: 'asked by phone',
      waiting: 1,
      criteria: { reg_event_type: 'UPDATE' },
    });
    expect(await dci('resume', code)).toMatchObject({ status: 0 });
    expect(meta((await notified(1))[0])['records']).toMatchObject([{ version: 2 }]);
    expect(await dci('end', code)).toMatchObject({ status: 0 });
    await put(person('m1', { is_disabled: false }));
    await settled();
    expect(listNotifications()).toHaveLength(1);
    expect(await dci('resume', code)).toMatchObject({ status: 1 });
    expect(await dci('show', 'nobody-s')).toMatchObject({ status: 1 });
    expect(await dci('list', '--state', 'gone')).toMatchObject({ status: 2 });
  });

  it('tells of more records than its subscriber may ask for at a time', async () => {
    const modest = await addPartner({ limits: { pageSize: 1 } });
    const code = await subscribed(EVERYTHING, modest);
    await dci('suspend', code);
    await put(person('q1'), person('q2'));
    await put(person('q1', { is_disabled: true }), person('q2', { is_disabled: true }));
    await settled();
    await dci('resume', code);
    await notified(1);
    await settled();
    expect(listNotifications().flatMap(events)).toHaveLength(2);
    expect(await rows('select state from subscription where code = $1', [code])).toEqual([{ state: 'active' }]);
  });

  it('is gathered until its time', async () => {
    await subscribed({ ...BY_UIN('g1'), frequency: { start_time: new Date().toISOString(), frequency: '*/3 * * * * ?' } });
    await put(person('g1'));
    for (const marital_status of ['W', 'M', 'S']) await put(person('g1', { marital_status }));
    const told = (await notified(1)).flatMap(events);
    await vi.waitFor(() => expect(listNotifications().flatMap(events)).toHaveLength(3), PATIENCE_MS);
    expect(told.length).toBeGreaterThanOrEqual(1);
    expect(listNotifications().length).toBeLessThanOrEqual(2);
  });

  it('ends with the subscription, also one that is on its way', async () => {
    const code = await subscribed(BY_UIN('e1'));
    receiver.answerWith(({ header }) => (header.action === 'notify' ? { status: 503 } : 'ack'));
    await put(person('e1'));
    await put(person('e1', { is_disabled: true }));
    await notified(1);
    await unsubscribe([code]);
    receiver.answerWith('ack');
    await put(person('e1', { is_disabled: false }));
    await vi.waitFor(async () =>
      expect(await rows('select 1 from delivery d join subscription s on s.id::text = d.lane where s.code = $1', [code])).toEqual([]),
    );
    await settled();
    expect(listNotifications()).toHaveLength(1);
  });

  it('that has not arrived for five days suspends the subscription', async () => {
    const code = await subscribed(BY_UIN('s1'));
    receiver.answerWith(({ header }) => (header.action === 'notify' ? { status: 503 } : 'ack'));
    await put(person('s1'));
    await put(person('s1', { is_disabled: true }));
    await vi.waitFor(
      async () =>
        expect(await rows('select failing_since is not null as failing from subscription where code = $1', [code])).toEqual([
          { failing: true },
        ]),
      10_000,
    );
    await rows(`update subscription set failing_since = now() - interval '6 days' where code = $1`, [code]);
    await vi.waitFor(
      async () =>
        expect(await rows('select state, reason from subscription where code = $1', [code])).toEqual([
          { state: 'suspended', reason: 'nothing has arrived for 5 days' },
        ]),
      PATIENCE_MS,
    );
  });
});

describeWithSpec('what is sent fits the published schema', () => {
  it('of acknowledgement, callbacks and notifications', async () => {
    if (specDir === undefined) throw new Error('DCI_SPEC_DIR is not set');
    const schema = publishedSchema('social');
    const code = await subscribed({
      ...BY_UIN('c1'),
      frequency: { start_time: '2026-01-01T00:00:00Z', end_time: '2099-01-01T00:00:00Z', frequency: 'immediate' },
    });
    await subscribed({ ...BY_UIN('c1'), reg_event_type: 'REGISTER' });
    await subscribed({ ...BY_UIN('c1'), reg_event_type: 'DELETE' });
    await put(person('c1'));
    await put(person('c1', { is_disabled: true }));
    await notified(2);
    await deleteRecord(test.database.db, socialProfile, uin('c1'));
    await notified(3);
    const refused = await subscribe([criteria({ reg_event_type: 'BIRTHDAY' })]);
    const acknowledged = await unsubscribe([code]);
    await settled();
    for (const { body } of [refused, acknowledged]) {
      const fits = schema.response('/registry/subscribe');
      expect(fits(body), JSON.stringify(fits.errors)).toBe(true);
    }
    const paths: Record<string, string> = {
      'on-subscribe': '/registry/on-subscribe',
      'on-unsubscribe': '/registry/on-unsubscribe',
      notify: '/registry/notify',
    };
    for (const { header, text } of receiver.received) {
      const fits = schema.request(paths[header.action] ?? '');
      expect(fits(JSON.parse(text)), `${header.action}: ${JSON.stringify(fits.errors)}`).toBe(true);
    }
    expect(new Set(receiver.received.map(({ header }) => header.action))).toEqual(new Set(['on-subscribe', 'on-unsubscribe', 'notify']));
  });
});
