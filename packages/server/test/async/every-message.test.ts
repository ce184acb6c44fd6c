import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { describeWithSpec, publishedSchema } from '../../../protocol/test/support/published-schema.ts';
import { BUILT_IN_PROFILES } from '../../src/profiles/index.ts';
import { socialProfile } from '../../src/profiles/social.ts';
import { deleteRecord, linkMember, putRecords, unlinkMember } from '../../src/registry/write.ts';
import { ANSWER } from '../../src/services/answer-request.ts';
import type { TermChanges } from '../../src/services/partner-terms.ts';
import { changePartner } from '../../src/services/register-partner.ts';
import { holdJobs, resumeJobs } from '../../src/store/lanes.ts';
import { group, household, person, uin } from '../records/registry-fixture.ts';
import { type ReceivedMessage, type RecordingReceiver, startRecordingReceiver } from '../support/recording-receiver.ts';
import { signedMessage } from '../support/signed-message.ts';
import { post, startTestApp, type TestApp, type TestPartner } from '../support/test-app.ts';

/** Every kind of message that is sent of itself, those that are sent when something was taken away meanwhile among them. */

const PATHS: Readonly<Record<string, string>> = {
  'on-search': '/registry/on-search',
  'on-subscribe': '/registry/on-subscribe',
  'on-unsubscribe': '/registry/on-unsubscribe',
  'txn-on-status': '/registry/txn/on-status',
  notify: '/registry/notify',
};

type Json = Record<string, unknown>;

let test: TestApp;
let receiver: RecordingReceiver;
let partner: TestPartner;
let number = 0;

beforeAll(async () => {
  test = await startTestApp({}, { DCI_ALLOW_HTTP_CALLBACKS: 'true', DCI_ALLOW_PRIVATE_CALLBACKS: 'true' });
  await putRecords(
    test.database.db,
    socialProfile,
    Array.from({ length: 5 }, (_, index) => person(`e${index}`)),
  );
});
afterAll(() => test.close());

beforeEach(async () => {
  receiver = await startRecordingReceiver(test.base);
  partner = await test.addPartner(`every-${(number += 1)}`, {
    scopes: ['registry/search', 'registry/subscribe', 'registry/subscribe-all'],
    notifyUri: `${receiver.origin}/`,
    limits: { pageSize: 2 },
  });
});
afterEach(() => receiver.close());

const now = (): string => new Date().toISOString();
const SEARCH = {
  query_type: 'predicate',
  query: [{ seq_num: 1, expression1: { attribute_name: 'sex', operator: 'eq', attribute_value: 'female' } }],
};

async function send(path: string, action: string, content: Json): Promise<Json> {
  const message = { transaction_id: randomUUID(), ...content };
  const answer = await post(`${test.base}/social/registry/${path}`, partner.token, signedMessage(partner, action, message));
  expect(answer.status).toBe(202);
  return { ...message, ...answer.body.message };
}

const search = (criteria: Json = SEARCH): Promise<Json> =>
  send('search', 'search', { search_request: [{ reference_id: 'r0', timestamp: now(), search_criteria: criteria }] });

const subscribe = (type: string, record: string, filter: Json = { filter: { type: '*', value: '*' } }): Promise<Json> =>
  send('subscribe', 'subscribe', {
    subscribe_request: [
      { reference_id: 'r0', timestamp: now(), subscribe_criteria: { reg_event_type: type, notify_record_type: record, ...filter } },
    ],
  });

const unsubscribe = (codes: readonly unknown[]): Promise<Json> =>
  send('unsubscribe', 'unsubscribe', { timestamp: now(), subscription_codes: codes });

const askStatus = (type: string, transactionId: unknown): Promise<Json> =>
  send('txn/status', 'txn-status', {
    txnstatus_request: { reference_id: 'r0', txn_type: type, attribute_type: 'transaction_id', attribute_value: transactionId },
  });

/** Each fits its schema, and is signed; which there were, as `action status`. */
function judge(messages: readonly ReceivedMessage[] = receiver.received): string[] {
  for (const { header, text, signature } of messages) {
    const fits = publishedSchema('social').request(PATHS[header.action] ?? header.action);
    expect(fits(JSON.parse(text)), `${text}\n${JSON.stringify(fits.errors)}`).toBe(true);
    expect(signature).toBe('good');
  }
  return messages.map(({ header }) => `${header.action} ${header.status}`).toSorted();
}

/** What is asked is taken, and answered only when the partner has become another. */
async function changeBeforeAnswer(terms: TermChanges, ask: () => Promise<unknown>): Promise<void> {
  const { rows } = await test.database.pool.query<{ id: string }>('select id from partner where sender_id = $1', [partner.senderId]);
  const queue = { kind: ANSWER, owner: rows[0]?.id ?? '' };
  await holdJobs(test.database.db, { ...queue, reason: 'test' });
  await ask();
  await changePartner(test.database.db, BUILT_IN_PROFILES, partner.senderId, { terms });
  await new Promise((resolve) => setTimeout(resolve, 300));
  await resumeJobs(test.database.db, queue);
}

describeWithSpec('the published schema accepts', () => {
  it('answers page by page, and ones of which every item is refused', async () => {
    await search();
    await receiver.waitFor(3, 15_000);
    await search({ query_type: 'idtype-value', query: { type: 'NOPE', value: '1' } });
    await receiver.waitFor(4, 15_000);
    expect(judge()).toEqual(['on-search rjct', 'on-search succ', 'on-search succ', 'on-search succ']);
  });

  it('refusals of what was taken while it was still allowed', async () => {
    await changeBeforeAnswer({ scopes: [] }, async () => {
      const { transaction_id: id } = await search();
      const { subscription_code: code } = await subscribe('UPDATE', 'Member');
      await unsubscribe([code]);
      await askStatus('search', id);
    });
    await receiver.waitFor(4, 20_000);
    expect(judge().map((kind) => kind.split(' ')[0])).toEqual(['on-search', 'on-subscribe', 'on-unsubscribe', 'txn-on-status']);
  });

  it('what becomes of subscriptions: refused, waiting for approval, ended, not there', async () => {
    await subscribe('BIRTHDAY', 'Member');
    await receiver.waitFor(1);
    await changePartner(test.database.db, BUILT_IN_PROFILES, partner.senderId, { terms: { subscriptions: 'approval' } });
    await vi.waitFor(async () => {
      const { subscription_code: code } = await subscribe('UPDATE', 'Member', {
        filter_type: 'idtype-value',
        filter: { type: 'UIN', value: randomUUID() },
      });
      const { rows } = await test.database.pool.query<{ state: string }>('select state from subscription where code = $1', [code]);
      expect(rows).toEqual([{ state: 'pending' }]);
    });
    const { subscription_code: code } = await subscribe('REGISTER', 'Member');
    await unsubscribe([code, 'nobody’s']);
    await unsubscribe(['nobody’s']);
    await vi.waitFor(() => expect(receiver.received.filter(({ header }) => header.action === 'on-unsubscribe')).toHaveLength(2), 15_000);
    expect(new Set(judge())).toEqual(new Set(['on-subscribe rjct', 'on-subscribe succ', 'on-unsubscribe succ', 'on-unsubscribe rjct']));
  });

  it('notifications of every event, in every entity', async () => {
    const events = ['REGISTER', 'UPDATE', 'DELETE', 'LINK', 'UNLINK'].flatMap((type) =>
      ['Member', 'Group', 'SRPerson'].map((entity) => [type, entity]),
    );
    const wanted = [...events, ['NewHouseHoldMember', 'Group']] as [string, string][];
    const refused: string[] = [];
    for (const [type, entity] of wanted) {
      const { subscription_code: code } = await subscribe(type, entity);
      if (code === undefined) refused.push(`${type} ${entity}`);
    }
    expect(refused).toEqual([]);
    const { db } = test.database;
    await putRecords(db, socialProfile, [group('ge'), person('pe')]);
    await putRecords(db, socialProfile, [group('ge', { poverty_score: 3 }), person('pe', { is_disabled: true })]);
    await linkMember(db, socialProfile, household('ge'), uin('pe'));
    await vi.waitFor(
      () => expect(kinds()).toEqual(expect.arrayContaining(['LINK Member', 'LINK Group', 'NewHouseHoldMember Group'])),
      20_000,
    );
    await unlinkMember(db, socialProfile, household('ge'), uin('pe'));
    await vi.waitFor(() => expect(kinds()).toEqual(expect.arrayContaining(['UNLINK Member', 'UNLINK Group'])), 20_000);
    await deleteRecord(db, socialProfile, uin('pe'));
    await deleteRecord(db, socialProfile, household('ge'));
    await vi.waitFor(() => expect(new Set(kinds())).toEqual(new Set(wanted.map(([type, entity]) => `${type} ${entity}`))), 20_000);
    expect(new Set(judge())).toEqual(new Set(['notify succ', 'on-subscribe succ']));
  });
});

/** Of what there were notifications: the event and the entity. */
function kinds(): string[] {
  return receiver.received
    .filter(({ header }) => header.action === 'notify')
    .flatMap(({ header, message }) => {
      const { event_type: type } = header['meta'] as { event_type: string };
      return (message['notify_event'] as { data: { reg_record_type: string } }[]).map(({ data }) => `${type} ${data.reg_record_type}`);
    });
}
