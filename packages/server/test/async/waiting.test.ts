import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { BUILT_IN_PROFILES } from '../../src/profiles/index.ts';
import { socialProfile } from '../../src/profiles/social.ts';
import { deleteRecord, putRecords } from '../../src/registry/write.ts';
import { parseGivenConsent } from '../../src/services/consent-request.ts';
import { giveConsent, withdrawConsent } from '../../src/services/consents.ts';
import { createIdentifierHash, erasePerson } from '../../src/services/erase-person.ts';
import { manageSubscription } from '../../src/services/manage-subscription.ts';
import type { TermChanges } from '../../src/services/partner-terms.ts';
import { changePartner } from '../../src/services/register-partner.ts';
import { DELIVER, deliveryOwner, forgetContents, retryDeliveries } from '../../src/store/deliveries.ts';
import { holdJobs, resumeJobs } from '../../src/store/lanes.ts';
import { person, uin } from '../records/registry-fixture.ts';
import { type ReceivedMessage, type RecordingReceiver, startRecordingReceiver } from '../support/recording-receiver.ts';
import { signedMessage } from '../support/signed-message.ts';
import { post, searchBody, startTestApp, type TestApp, type TestPartner } from '../support/test-app.ts';

/** What waits to be delivered: by the time it is sent, its partner, a consent or the person may be others, or gone. */

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
  return async () => {
    await rows(`update subscription set state = 'ended'`);
    await rows('truncate job, job_hold, receiver_trouble, delivery, pending_event');
    await receiver.close();
  };
});

async function rows<T extends object>(sql: string, values: unknown[] = []): Promise<T[]> {
  return (await test.database.pool.query<T>(sql, values)).rows;
}

async function addPartner(terms: TermChanges = {}): Promise<void> {
  partner = await test.addPartner(`waiting-${(number += 1)}`, {
    scopes: ['registry/search', 'registry/subscribe'],
    notifyUri: `${receiver.origin}/`,
    ...terms,
  });
}

const put = (id: string, name: string): Promise<unknown> =>
  putRecords(test.database.db, socialProfile, [person(id, {}, { name: { given_name: name } })]);

async function ask(id: string): Promise<string> {
  const transactionId = randomUUID();
  const criteria = { query_type: 'idtype-value', query: { type: 'UIN', value: id } };
  const body = searchBody(partner, [criteria], { message: { transaction_id: transactionId } });
  expect((await post(`${test.base}/social/registry/search`, partner.token, body)).status).toBe(202);
  return transactionId;
}

/** Its deliveries wait, as behind a receiver that does not answer. */
async function queue(): Promise<{ kind: string; owner: string }> {
  const [found] = await rows<{ id: string }>('select id from partner where sender_id = $1', [partner.senderId]);
  return { kind: DELIVER, owner: deliveryOwner({ partnerId: found?.id ?? '', url: receiver.origin }) };
}
const hold = async (): Promise<void> => holdJobs(test.database.db, { ...(await queue()), reason: 'test' });
const letGo = async (): Promise<void> => resumeJobs(test.database.db, await queue());

interface Waiting {
  readonly content: string | null;
  readonly state: string;
  readonly attempts: number;
}

async function untilWaiting(expected: Partial<Waiting>): Promise<void> {
  await vi.waitFor(async () => {
    expect(await rows('select content, state, attempts from delivery order by id desc limit 1')).toMatchObject([expected]);
  }, 15_000);
}

/** What is to be tried later is tried now. */
const hasten = (): Promise<unknown> => rows(`update job set run_at = now() where state = 'ready'`);
const records = (arrived: ReceivedMessage | undefined): number =>
  (arrived?.message.search_response ?? []).flatMap((item) => (item['data'] as { reg_records?: unknown[] } | undefined)?.reg_records ?? [])
    .length;

describe('an answer', () => {
  it('is kept for one attempt, and then made anew', async () => {
    await addPartner();
    await put('w1', 'Before');
    receiver.answerWith({ status: 500 });
    const transactionId = await ask('w1');
    await untilWaiting({ content: null, state: 'pending', attempts: 1 });
    await put('w1', 'After');
    receiver.answerWith('ack');
    await hasten();
    const [first, second] = await receiver.waitFor(2);
    expect([first?.text.includes('Before'), second?.text.includes('Before'), second?.text.includes('After')]).toEqual([true, false, true]);
    expect(second?.message).toMatchObject({ transaction_id: transactionId, correlation_id: first?.message.correlation_id });
    await untilWaiting({ content: null, state: 'delivered', attempts: 2 });
    const onRecord = await rows(`select 1 from audit where transaction_id = $1 and outcome = 'answered'`, [transactionId]);
    expect(onRecord).toHaveLength(2);
  });

  it('is made anew where it has waited, and kept no longer', async () => {
    await addPartner();
    await put('w2', 'Before');
    await hold();
    await ask('w2');
    await untilWaiting({ content: expect.stringContaining('Before') as unknown as string });
    await forgetContents(test.database.db);
    await untilWaiting({ content: expect.stringContaining('Before') as unknown as string });
    await rows(`update delivery set created_at = now() - interval '31 seconds'`);
    await put('w2', 'After');
    await letGo();
    const [arrived] = await receiver.waitFor(1);
    expect([arrived?.text.includes('Before'), arrived?.text.includes('After')]).toEqual([false, true]);
  });

  it('leaves the database with its time, though nobody takes it', async () => {
    await addPartner();
    await put('w3', 'Before');
    await hold();
    await ask('w3');
    await untilWaiting({ content: expect.stringContaining('Before') as unknown as string });
    await rows(`update delivery set created_at = now() - interval '31 seconds'`);
    await forgetContents(test.database.db);
    await untilWaiting({ content: null, state: 'pending', attempts: 0 });
  });

  it('tells nothing on a consent that was withdrawn meanwhile', async () => {
    await addPartner({ legalBasis: 'consent: form 3', purposes: ['care'] });
    await put('w4', 'Before');
    const given = {
      subject: { identifier_type: 'UIN', identifier_value: 'w4' },
      recipient: { partner: partner.senderId },
      purposes: ['care'],
      covers: ['*'],
    };
    const { id } = await giveConsent(test.database.db, socialProfile, parseGivenConsent(given), 'operator', Date.now());
    await hold();
    await ask('w4');
    await untilWaiting({ content: expect.stringContaining('Before') as unknown as string });
    await withdrawConsent(test.database.db, socialProfile, id, { by: 'operator' });
    await letGo();
    const [arrived] = await receiver.waitFor(1);
    expect(arrived?.header.status).toBe('succ');
    expect(records(arrived)).toBe(0);
    expect(arrived?.text).not.toContain('Before');
  });

  it('tells nothing of a person who was erased meanwhile, and nothing of him is left in the queue', async () => {
    await addPartner();
    await put('w5', 'Before');
    await hold();
    await ask('w5');
    await untilWaiting({ content: expect.stringContaining('Before') as unknown as string });
    const order = { reference: uin('w5'), reason: 'asked for' };
    const hash = createIdentifierHash(Buffer.alloc(32, 1));
    expect(await erasePerson(test.database, socialProfile, order, { hash, now: Date.now() })).toMatchObject({ status: 'erased' });
    await untilWaiting({ content: null, state: 'pending' });
    await letGo();
    const [arrived] = await receiver.waitFor(1);
    expect(records(arrived)).toBe(0);
    expect(arrived?.text).not.toContain('Before');
  });

  it('is sent again by hand as it would be given now', async () => {
    await addPartner();
    await put('w6', 'Before');
    receiver.answerWith({ status: 410 });
    await ask('w6');
    await untilWaiting({ content: null, state: 'dead' });
    await put('w6', 'After');
    receiver.answerWith('ack');
    expect(await retryDeliveries(test.database.db, { since: new Date(0) })).toBe(1);
    const [, arrived] = await receiver.waitFor(2);
    expect(arrived?.text).toContain('After');
  });
});

describe('notifications', () => {
  async function subscribe(id: string): Promise<string> {
    const filter = { filter_type: 'idtype-value', filter: { type: 'UIN', value: id } };
    const criteria = { reg_event_type: 'UPDATE', notify_record_type: 'Member', ...filter };
    const message = {
      transaction_id: randomUUID(),
      subscribe_request: [{ reference_id: 'r0', timestamp: new Date().toISOString(), subscribe_criteria: criteria }],
    };
    const answer = await post(`${test.base}/social/registry/subscribe`, partner.token, signedMessage(partner, 'subscribe', message));
    await receiver.waitFor(1);
    return (answer.body.message as { subscription_code: string }).subscription_code;
  }

  const notified = (): ReceivedMessage[] => receiver.received.filter(({ header }) => header.action === 'notify');
  const eventVersions = (messages = notified()): number[] =>
    messages.flatMap(({ header }) =>
      (header['meta'] as { records: { event_version: number }[] }).records.map(({ event_version: version }) => version),
    );

  /** Changes, each with a delivery of its own; the first has been tried in vain. */
  async function failThreeTimes(id: string): Promise<string> {
    await put(id, 'One');
    const code = await subscribe(id);
    receiver.answerWith({ status: 503 });
    for (const [index, name] of ['Two', 'Three', 'Four'].entries()) {
      await put(id, name);
      await vi.waitFor(async () => {
        const lane = `select 1 from delivery d join subscription s on s.id::text = d.lane where s.code = $1`;
        expect(await rows(lane, [code])).toHaveLength(index + 1);
      }, 15_000);
    }
    await vi.waitFor(() => expect(notified().length).toBeGreaterThan(0), 15_000);
    return code;
  }

  async function untilTold(versions: readonly number[]): Promise<void> {
    await vi.waitFor(async () => {
      await hasten();
      expect(eventVersions(notified().slice(1))).toEqual(versions);
    }, 20_000);
  }

  it('that are made anew keep their places', async () => {
    await addPartner();
    await failThreeTimes('n1');
    await changePartner(test.database.db, BUILT_IN_PROFILES, partner.senderId, { terms: { fields: 'minimal' } });
    receiver.answerWith('ack');
    await rows('delete from job_hold');
    await untilTold([2, 3, 4]);
    const [first, ...others] = notified();
    expect(first?.text).toContain('birth_date');
    expect(others.map(({ text }) => text.includes('phone_number'))).toEqual([false, false, false]);
    expect(others[0]?.message.transaction_id).toBe(first?.message.transaction_id);
    await vi.waitFor(async () => expect(await rows(`select 1 from delivery where state <> 'delivered'`)).toEqual([]), 15_000);
    expect(await rows('select 1 from pending_event')).toEqual([]);
  });

  it('never tell an earlier state after a later one', async () => {
    await addPartner();
    await failThreeTimes('n5');
    receiver.answerWith('ack');
    await rows('delete from job_hold');
    await untilTold([2, 3, 4]);
    const states = notified()
      .slice(1)
      .map(({ text }) => /"given_name":"(\w+)"/.exec(text)?.[1]);
    expect(states).toEqual(['Four', 'Four', 'Four']);
  });

  it('of which nothing is left to tell are not sent, and have not failed', async () => {
    await addPartner();
    await put('n4', 'One');
    const code = await subscribe('n4');
    await hold();
    await put('n4', 'Two');
    await untilWaiting({ content: expect.stringContaining('Two') as unknown as string });
    await deleteRecord(test.database.db, socialProfile, uin('n4'));
    await rows(`update delivery set created_at = now() - interval '31 seconds'`);
    await letGo();
    await untilWaiting({ content: null, state: 'dead' });
    expect(await rows('select error from delivery where state = $1', ['dead'])).toEqual([{ error: 'nothing of it may be told any more' }]);
    expect(await rows('select failing_since from subscription where code = $1', [code])).toEqual([{ failing_since: null }]);
    expect(notified()).toEqual([]);
    expect(await rows('select 1 from pending_event')).toEqual([]);
  });

  it('on their way are taken back when their subscription is suspended, and told in order when it goes on', async () => {
    await addPartner();
    const code = await failThreeTimes('n2');
    await manageSubscription(test.database.db, code, 'suspend');
    const before = notified().length;
    receiver.answerWith('ack');
    await rows('delete from job_hold');
    await vi.waitFor(async () => {
      await hasten();
      expect(await rows(`select 1 from delivery where state <> 'delivered'`)).toEqual([]);
    }, 20_000);
    expect(notified()).toHaveLength(before);
    expect(await rows('select version from pending_event where told_in is null order by seq')).toEqual(
      [2, 3, 4].map((version) => ({ version })),
    );
    await manageSubscription(test.database.db, code, 'resume');
    await vi.waitFor(() => expect(eventVersions(notified().slice(before))).toEqual([2, 3, 4]), 15_000);
  });

  it('that were made while their subscription ended are not sent', async () => {
    await addPartner();
    await put('n3', 'One');
    const code = await subscribe('n3');
    const [found] = await rows<{ id: string }>('select id from partner where sender_id = $1', [partner.senderId]);
    const making = { kind: 'notify', owner: found?.id ?? '' };
    await holdJobs(test.database.db, { ...making, reason: 'test' });
    await put('n3', 'Two');
    await vi.waitFor(async () => expect(await rows(`select 1 from job where kind = 'notify'`)).toHaveLength(1), 15_000);
    const ending = await test.database.pool.connect();
    try {
      await ending.query('begin');
      await ending.query(`update subscription set state = 'ended' where code = $1`, [code]);
      await resumeJobs(test.database.db, making);
      await vi.waitFor(async () => {
        const waiting = `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and query like '%for share%'`;
        expect(await rows(waiting)).toHaveLength(1);
      }, 15_000);
      await ending.query('commit');
    } finally {
      ending.release();
    }
    await vi.waitFor(async () => expect(await rows(`select 1 from job where kind = 'notify'`)).toEqual([]), 15_000);
    expect(await rows(`select 1 from delivery where action = 'notify'`)).toEqual([]);
    expect(notified()).toEqual([]);
  });
});
