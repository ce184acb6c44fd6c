import { randomUUID } from 'node:crypto';
import { type DecryptionKey, type EncryptedMessage, type EncryptionKey, decryptText, encryptText, SIGNATURE_DIALECTS } from '@dci/protocol';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { BUILT_IN_PROFILES } from '../../src/profiles/index.ts';
import { socialProfile } from '../../src/profiles/social.ts';
import { putRecords } from '../../src/registry/write.ts';
import type { TermChanges } from '../../src/services/partner-terms.ts';
import { changePartner } from '../../src/services/register-partner.ts';
import { person as registered } from '../records/registry-fixture.ts';
import { importPersons, type Person } from '../support/persons.ts';
import { type ReceivedMessage, type RecordingReceiver, startRecordingReceiver } from '../support/recording-receiver.ts';
import { signedMessage } from '../support/signed-message.ts';
import { encryptedBody, post, searchBody, startTestApp, type TestApp, type TestPartner } from '../support/test-app.ts';
import { DECRYPTION_KEYS, serverEncryptionKeys } from './trust-fixture.ts';

const own = DECRYPTION_KEYS[0] as DecryptionKey;

let test: TestApp;
let receiver: RecordingReceiver;
let person: Person;
let serverKey: EncryptionKey;
let number = 0;

beforeAll(async () => {
  test = await startTestApp({}, { DCI_ALLOW_HTTP_CALLBACKS: 'true', DCI_ALLOW_PRIVATE_CALLBACKS: 'true' });
  [person] = (await importPersons(test.database, 3)) as [Person];
  serverKey = (await serverEncryptionKeys(test.base))[0] as EncryptionKey;
});
afterAll(() => test.close());

beforeEach(async () => {
  receiver = await startRecordingReceiver(test.base);
  return () => receiver.close();
});

const byId = (): Record<string, unknown> => ({ query_type: 'idtype-value', query: { type: 'UIN', value: person.uin } });
const addPartner = (terms = {}): Promise<TestPartner> =>
  test.addPartner(`callback-${(number += 1)}.test`, { notifyUri: `${receiver.origin}/inbox`, ...terms }, own);

async function ask(partner: TestPartner, body: string): Promise<void> {
  const answer = await post(`${test.base}/registry/search`, partner.token, body);
  expect([answer.status, answer.body.message?.ack_status]).toEqual([202, 'ACK']);
}

async function opened({ message }: ReceivedMessage): Promise<string> {
  const encrypted = message as unknown as EncryptedMessage;
  return Buffer.from(await decryptText(encrypted, { findKey: () => own, maxBytes: 1_000_000 })).toString();
}

describe.each(SIGNATURE_DIALECTS)('an asynchronous search that was signed in the dialect %s', (dialect) => {
  const shape = {
    dci: /"signature":"Signature: namespace/,
    jws: /"signature":"[\w-]+\.[\w-]+\.[\w-]+"/,
    'jws-detached': /"signature":"[\w-]+\.\.[\w-]+"/,
  };

  it('is called back in it', async () => {
    const partner = await addPartner();
    await ask(partner, searchBody(partner, [byId()], { dialect }));
    const [callback] = await receiver.waitFor(1);
    expect(callback).toMatchObject({ signature: 'good', header: { status: 'succ', is_msg_encrypted: false } });
    expect(callback?.text).toMatch(shape[dialect]);
    expect(callback?.text).toContain(person.uin);
  });

  it('and encrypted is called back encrypted', async () => {
    const partner = await addPartner();
    await ask(partner, await encryptedBody(partner, [byId()], serverKey, { dialect }));
    const [callback] = await receiver.waitFor(1);
    expect(callback).toMatchObject({ signature: 'good', header: { status: 'succ', is_msg_encrypted: true } });
    expect(callback?.text).toMatch(shape[dialect]);
    expect(callback?.text).not.toContain(person.uin);
    expect(callback?.text).not.toContain('search_response');
    expect(await opened(callback as ReceivedMessage)).toContain(person.uin);
  });
});

describe('an asynchronous search', () => {
  it('in clear is not acknowledged where encryption is required', async () => {
    const partner = await addPartner({ encryption: 'required' });
    const answer = await post(`${test.base}/registry/search`, partner.token, searchBody(partner, [byId()]));
    expect([answer.status, answer.body.message?.error?.code]).toEqual([400, 'err.encryption.invalid']);
    await ask(partner, await encryptedBody(partner, [byId()], serverKey));
    expect(await opened((await receiver.waitFor(1))[0] as ReceivedMessage)).toContain(person.uin);
    expect(receiver.received).toHaveLength(1);
  });

  it('is not answered in clear when the key to encrypt to is gone by then', async () => {
    const partner = await addPartner();
    receiver.answerWith({ status: 500 });
    const transactionId = randomUUID();
    await ask(partner, await encryptedBody(partner, [byId()], serverKey, { message: { transaction_id: transactionId } }));
    await receiver.waitFor(1);
    receiver.answerWith('ack');
    await changePartner(test.database.db, BUILT_IN_PROFILES, partner.senderId, { keys: { revoke: [own.kid] } });
    const select = 'select state, error from delivery where transaction_id = $1 order by id desc limit 1';
    await vi.waitFor(async () => {
      await test.database.pool.query(`update job set run_at = now() where state = 'ready'`);
      const { rows } = await test.database.pool.query(select, [transactionId]);
      expect(rows).toEqual([{ state: 'dead', error: 'the partner has no key any more to encrypt to' }]);
    }, 15_000);
    for (const { text } of receiver.received) expect(text).not.toContain(person.uin);
  });
});

/** By hand, whatever it waits for. */
const hurry = (): Promise<unknown> => test.database.pool.query(`update job set run_at = now() where state = 'ready'`);

describe('what was asked for in clear, by a partner that must have it encrypted by the time it leaves,', () => {
  const change = (partner: TestPartner, terms: TermChanges): Promise<void> =>
    changePartner(test.database.db, BUILT_IN_PROFILES, partner.senderId, { terms });

  it('is called back encrypted, in the dialect that is set for it since', async () => {
    const partner = await addPartner();
    receiver.answerWith({ status: 500 });
    await ask(partner, searchBody(partner, [byId()]));
    await receiver.waitFor(1);
    await change(partner, { encryption: 'required', dialect: 'jws' });
    receiver.answerWith('ack');
    const last = await vi.waitFor(async () => {
      await hurry();
      const callback = receiver.received.at(-1);
      expect(callback?.header.is_msg_encrypted).toBe(true);
      return callback as ReceivedMessage;
    }, 15_000);
    expect(last.text).toMatch(/"signature":"[\w-]+\.[\w-]+\.[\w-]+"/);
    expect(last.text).not.toContain(person.uin);
    expect(await opened(last)).toContain(person.uin);
  });

  it('is notified of encrypted', async () => {
    const partner = await addPartner({ scopes: ['registry/subscribe', 'registry/subscribe-all'] });
    const criteria = { reg_event_type: 'REGISTER', notify_record_type: 'Member', filter: { type: '*', value: '*' } };
    const item = { reference_id: 'r0', timestamp: new Date().toISOString(), subscribe_criteria: criteria };
    const body = signedMessage(partner, 'subscribe', { transaction_id: randomUUID(), subscribe_request: [item] });
    expect((await post(`${test.base}/social/registry/subscribe`, partner.token, body)).status).toBe(202);
    await receiver.waitFor(1);
    await change(partner, { encryption: 'required' });
    await putRecords(test.database.db, socialProfile, [registered('callback-uin-2')]);
    const [, notified] = await receiver.waitFor(2, 20_000);
    expect(notified).toMatchObject({ signature: 'good', header: { action: 'notify', is_msg_encrypted: true } });
    expect(await opened(notified as ReceivedMessage)).toContain('callback-uin-2');
  });
});

describe('an encrypted subscription', () => {
  it('is acknowledged in clear, and all that follows from it is encrypted', async () => {
    const partner = await addPartner({ scopes: ['registry/subscribe', 'registry/subscribe-all'] });
    const criteria = { reg_event_type: 'REGISTER', notify_record_type: 'Member', filter: { type: '*', value: '*' } };
    const item = { reference_id: 'r0', timestamp: new Date().toISOString(), subscribe_criteria: criteria };
    const message = await encryptText(JSON.stringify({ transaction_id: randomUUID(), subscribe_request: [item] }), serverKey);
    const body = signedMessage(partner, 'subscribe', { ...message }, { is_msg_encrypted: true });
    const answer = await post(`${test.base}/social/registry/subscribe`, partner.token, body);
    expect([answer.status, answer.body.message?.ack_status, answer.body.header?.['is_msg_encrypted']]).toEqual([202, 'ACK', false]);
    const [told] = await receiver.waitFor(1);
    expect(told).toMatchObject({ signature: 'good', header: { action: 'on-subscribe', is_msg_encrypted: true } });
    expect(await opened(told as ReceivedMessage)).toContain('subscribe_response');

    await putRecords(test.database.db, socialProfile, [registered('callback-uin-1')]);
    const [, notified] = await receiver.waitFor(2, 20_000);
    expect(notified).toMatchObject({ signature: 'good', header: { action: 'notify', is_msg_encrypted: true } });
    expect(notified?.text).not.toContain('callback-uin-1');
    expect(await opened(notified as ReceivedMessage)).toContain('callback-uin-1');
  });
});
