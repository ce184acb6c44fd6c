import { randomUUID } from 'node:crypto';
import { generateSigningKey, SIGNATURE_DIALECTS } from '@dci/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BUILT_IN_PROFILES } from '../../src/profiles/index.ts';
import { openContent } from '../../src/services/inbox-content.ts';
import { changePartner } from '../../src/services/register-partner.ts';
import { resealAll } from '../../src/services/reseal.ts';
import { createSealer, readSealer } from '../../src/services/sealer.ts';
import { findInboxMessage } from '../../src/store/inbox.ts';
import { insertOwnRequest, noteCorrelation, type OwnRequest } from '../../src/store/own-requests.ts';
import { findPartner } from '../../src/store/partners.ts';
import { runHere } from '../partners/command-line.ts';
import { type Answer, post, startTestApp, type TestApp, type TestPartner } from '../support/test-app.ts';
import { serverEncryptionKeys } from '../trust/trust-fixture.ts';
import { CALLBACK_SAMPLES, callbackBody, encryptedCallback, searchResponse } from './peer.ts';

let test: TestApp;
let peer: TestPartner;
let other: TestPartner;

beforeAll(async () => {
  test = await startTestApp();
  // It needs no right to search here to answer us.
  peer = await test.addPartner('crvs.peer', { scopes: ['registry/write'], registries: [], signature: 'optional' });
  other = await test.addPartner('other.peer');
});
afterAll(() => test.close());

type Json = Record<string, unknown>;

async function rows<T extends object = Json>(sql: string, values: unknown[] = []): Promise<T[]> {
  return (await test.database.pool.query<T>(sql, values)).rows;
}

const send = (body: string, path = '/registry/on-search', token?: string): Promise<Answer> => post(`${test.base}${path}`, token, body);
const kept = (transactionId: unknown) => rows('select * from inbox_message where transaction_id = $1', [transactionId]);
const countAudited = () => rows('select count(*) from audit');
const audited = () =>
  rows('select sender_id, action, outcome, message_id, record_count, query from audit order by at desc, seq desc limit 1');

async function countKept(): Promise<number> {
  const [row] = await rows<{ count: number }>('select count(*)::int as count from inbox_message');
  return row?.count ?? -1;
}

async function ask(change: Partial<OwnRequest> = {}): Promise<OwnRequest> {
  const request = {
    id: randomUUID(),
    partnerId: (await findPartner(test.database.db, peer.senderId))?.id ?? '',
    action: 'search',
    transactionId: randomUUID(),
    referenceIds: ['1'],
    isEncrypted: false,
    sentAt: new Date(),
    ...change,
  };
  await insertOwnRequest(test.database.db, request);
  return request;
}

describe.each(CALLBACK_SAMPLES)('$action', ({ action, path, message }) => {
  it('is acknowledged at every mount, kept sealed, and stands in the audit trail', async () => {
    for (const mount of ['', '/social', '/sr']) {
      const content = message();
      const answer = await send(callbackBody(peer, action, content), `${mount}${path}`);
      expect([mount, answer.status, answer.body.message?.ack_status]).toEqual([mount, 200, 'ACK']);
      const [row] = await kept(content['transaction_id']);
      expect(row).toMatchObject({ action, registry: mount === '' ? null : 'social', request_id: null, kid: peer.key.kid, status: 'succ' });
      expect(String(row?.['sealed_content'])).not.toContain('transaction_id');
      const found = await findInboxMessage(test.database.db, String(row?.['id']));
      if (found === undefined) throw new Error('it is not there');
      const sealer = readSealer(`${test.config.dataDir}/key-encryption.key`);
      expect(openContent(sealer, found)).toMatchObject({ header: { action, sender_id: peer.senderId }, message: content });
      expect(await audited()).toMatchObject([{ sender_id: peer.senderId, action, outcome: 'accepted', record_count: 0, query: null }]);
    }
  });

  it('that comes again, in whatever envelope, is acknowledged alike and kept once', async () => {
    const content = message();
    const body = callbackBody(peer, action, content);
    const first = await send(body, path);
    const again = [await send(body, path), await send(callbackBody(peer, action, content, { dialect: 'jws' }), path)];
    for (const answer of again) expect([answer.status, answer.text]).toEqual([200, first.text]);
    expect(await kept(content['transaction_id'])).toHaveLength(1);
    expect(await audited()).toMatchObject([{ action, outcome: 'repeated' }]);
  });

  it('of the same names from another peer is no repeat', async () => {
    const content = message();
    await send(callbackBody(peer, action, content), path);
    await send(callbackBody(other, action, content), path);
    expect(await kept(content['transaction_id'])).toHaveLength(2);
  });

  it('without what it must have is refused and not kept', async () => {
    const before = await countKept();
    for (const missing of Object.keys(message()).filter((name) => !['subscription_status'].includes(name))) {
      const content = { ...message(), [missing]: undefined };
      const answer = await send(callbackBody(peer, action, JSON.parse(JSON.stringify(content)) as Json), path);
      expect([missing, answer.status, answer.body.message?.ack_status, answer.body.errors?.[0]?.code]).toEqual([
        missing,
        400,
        'ERR',
        'err.request.bad',
      ]);
    }
    expect(await countKept()).toBe(before);
    expect(await audited()).toMatchObject([{ action, outcome: 'err.request.bad' }]);
  });
});

it('a notification with the ids of an earlier one and another content is another one', async () => {
  const event = (state: string) => ({
    transaction_id: 'sub-1',
    notify_event: [
      {
        reference_id: '1',
        timestamp: '2026-01-01T00:00:00Z',
        data: { reg_record_type: 'SRPerson', reg_records: { '@type': 'SRPerson', state } },
      },
    ],
  });
  const tell = async (state: string) => (await send(callbackBody(peer, 'notify', event(state)), '/registry/notify')).text;
  const alive = await tell('alive');
  expect(await tell('dead')).not.toBe(alive);
  expect(await tell('alive')).toBe(alive);
  expect(await kept('sub-1')).toHaveLength(2);
});

describe('a signature', () => {
  it.each(SIGNATURE_DIALECTS)('is read in the dialect %s, of messages in clear and encrypted', async (dialect) => {
    const [key] = await serverEncryptionKeys(test.base);
    if (key === undefined) throw new Error('the server publishes no key to encrypt to');
    const [plain, secret] = [searchResponse(), searchResponse()];
    expect((await send(callbackBody(peer, 'on-search', plain, { dialect }))).status).toBe(200);
    expect((await send(await encryptedCallback(peer, 'on-search', secret, key, { dialect }))).status).toBe(200);
    expect(await kept(plain['transaction_id'])).toMatchObject([{ dialect, is_encrypted: false }]);
    expect(await kept(secret['transaction_id'])).toMatchObject([{ dialect, is_encrypted: true }]);
  });

  const now = () => Math.floor(Date.now() / 1000);
  it.each<[string, () => string, string]>([
    // The policy of this peer makes them optional; here they are not.
    ['is missing', () => callbackBody(peer, 'on-search', searchResponse(), { signature: null }), 'err.signature.missing'],
    ['is declared absent', () => callbackBody(peer, 'on-search', searchResponse(), { signature: 'unsigned' }), 'err.signature.missing'],
    ['is nonsense', () => callbackBody(peer, 'on-search', searchResponse(), { signature: 'nonsense' }), 'err.signature.invalid'],
    [
      'is by another key under the same id',
      () => callbackBody({ ...peer, key: { ...generateSigningKey('ES256'), kid: peer.key.kid } }, 'on-search', searchResponse()),
      'err.signature.invalid',
    ],
    ['is of another peer', () => callbackBody({ ...peer, key: other.key }, 'on-search', searchResponse()), 'err.signature.invalid'],
    [
      'has expired',
      () => callbackBody(peer, 'on-search', searchResponse(), { created: now() - 400, expires: now() - 1 }),
      'err.signature.invalid',
    ],
    [
      'is of what was changed on the way',
      () => callbackBody(peer, 'on-search', searchResponse()).replace('Lovelace', 'Byron'),
      'err.signature.invalid',
    ],
  ])('that %s is refused, nothing kept, and nothing in the trail under a name that anybody can write', async (_name, body, code) => {
    const before = await countKept();
    const rowsBefore = await countAudited();
    const answer = await send(body());
    expect([answer.status, answer.body.message?.ack_status, answer.body.message?.error?.code]).toEqual([401, 'ERR', code]);
    expect(answer.text).not.toContain('Ada');
    expect(await countKept()).toBe(before);
    expect(await countAudited()).toEqual(rowsBefore);
  });
});

describe('a message is refused, and nothing kept,', () => {
  async function expectRefused(body: string | Promise<string>, status: number, code: string, token?: string): Promise<void> {
    const before = await countKept();
    const answer = await send(await body, '/registry/on-search', token);
    expect([answer.status, answer.body.message?.ack_status, answer.body.errors?.[0]?.code]).toEqual([status, 'ERR', code]);
    expect(await countKept()).toBe(before);
  }

  it('from somebody who is not registered; of him nothing stands in the trail', async () => {
    const [before] = await rows('select count(*) from audit');
    const stranger = { ...peer, senderId: 'stranger' };
    await expectRefused(callbackBody(stranger, 'on-search', searchResponse()), 401, 'err.sender_id.invalid');
    await expectRefused(
      callbackBody(peer, 'on-search', searchResponse(), { header: { sender_id: undefined } }),
      401,
      'err.sender_id.invalid',
    );
    expect((await rows('select count(*) from audit'))[0]).toEqual(before);
  });

  it('from a partner that was shut out', async () => {
    const shut = await test.addPartner('shut.peer');
    expect((await send(callbackBody(shut, 'on-search', searchResponse()))).status).toBe(200);
    await changePartner(test.database.db, BUILT_IN_PROFILES, shut.senderId, { terms: { active: false } });
    await expect.poll(async () => (await send(callbackBody(shut, 'on-search', searchResponse()))).status).toBe(401);
    await expectRefused(callbackBody(shut, 'on-search', searchResponse()), 401, 'err.sender_id.invalid');
  });

  it.each<[string, Json, number, string]>([
    ['of another kind than its path', { action: 'notify' }, 400, 'rjct.action.invalid'],
    ['of a kind that there is not', { action: 'on-export' }, 400, 'rjct.action.not_supported'],
    ['of another version', { version: '9.0.0' }, 400, 'rjct.version.invalid'],
    ['of another time', { message_ts: '2020-01-01T00:00:00Z' }, 400, 'rjct.message_ts.invalid'],
  ])('%s', async (_name, header, status, code) => {
    await expectRefused(callbackBody(peer, 'on-search', searchResponse(), { header }), status, code);
    expect(await audited()).toMatchObject([{ sender_id: peer.senderId, outcome: code }]);
  });

  it('for another receiver', async () => {
    const elsewhere = callbackBody(peer, 'on-search', searchResponse(), { header: { receiver_id: 'somebody.else' } });
    await expectRefused(elsewhere, 400, 'err.receiver_id.invalid');
  });

  it('that is no JSON, no envelope, or has no message', async () => {
    await expectRefused('{', 400, 'err.request.bad');
    await expectRefused('{"header": {}}', 400, 'err.request.bad');
    const { signature, header } = JSON.parse(callbackBody(peer, 'on-search', searchResponse())) as Json;
    await expectRefused(JSON.stringify({ signature, header }), 401, 'err.signature.invalid');
  });

  it('that should have been encrypted, or is encrypted to somebody else', async () => {
    const strict = await test.addPartner('strict.peer', { encryption: 'required' });
    await expectRefused(callbackBody(strict, 'on-search', searchResponse()), 400, 'err.encryption.invalid');
    const body = callbackBody(peer, 'on-search', searchResponse(), { header: { is_msg_encrypted: true } });
    await expectRefused(body, 400, 'err.request.bad');
    const request = await ask({ isEncrypted: true });
    const clear = callbackBody(peer, 'on-search', searchResponse({ transaction_id: request.transactionId }));
    await expectRefused(clear, 400, 'err.encryption.invalid');
  });

  it('with a token that is not good, or not of the one who signs; with its own it is taken', async () => {
    const body = () => callbackBody(peer, 'on-search', searchResponse());
    await expectRefused(body(), 401, 'err.request.unauthorized', 'nonsense');
    await expectRefused(body(), 401, 'err.sender_id.invalid', other.token);
    expect(await audited()).toMatchObject([{ sender_id: other.senderId, outcome: 'err.sender_id.invalid' }]);
    expect((await send(body(), '/registry/on-search', peer.token)).status).toBe(200);
  });

  it('beyond the limit of its peer, of which nobody else can take', async () => {
    const few = await test.addPartner('few.peer', { limits: { pointsPerMinute: 2 } });
    const forger = { ...few, key: { ...generateSigningKey('ES256'), kid: few.key.kid } };
    for (let count = 0; count < 5; count += 1)
      await expectRefused(callbackBody(forger, 'on-search', searchResponse()), 401, 'err.signature.invalid');
    const answers = [];
    for (let count = 0; count < 5; count += 1) answers.push((await send(callbackBody(few, 'on-search', searchResponse()))).status);
    // The minute may have turned in between.
    expect(answers.slice(0, 2)).toEqual([200, 200]);
    expect(answers).toContain(429);
  });
});

describe('a request of ours', () => {
  it('has the answers of whom it asked, by transaction and correlation, and no others', async () => {
    const request = await ask();
    const answer = (change: Json = {}) => searchResponse({ transaction_id: request.transactionId, correlation_id: 'c-1', ...change });
    await send(callbackBody(other, 'on-search', answer()));
    await send(callbackBody(peer, 'on-search', answer({ correlation_id: 'c-0' })));
    await noteCorrelation(test.database.db, request.id, 'c-1');
    await send(callbackBody(peer, 'on-search', answer({ correlation_id: 'c-2' })));
    await send(callbackBody(peer, 'on-search', answer()));
    const found = await rows('select correlation_id from inbox_message where request_id = $1', [request.id]);
    expect(found).toEqual([{ correlation_id: 'c-1' }]);
    expect(await kept(request.transactionId)).toHaveLength(4);
  });

  it('has each page of its answer once', async () => {
    const request = await ask();
    const page = (number: number) =>
      searchResponse(
        { transaction_id: request.transactionId, correlation_id: 'c-1' },
        { page_number: number, page_size: 1, total_count: 3 },
      );
    for (const number of [1, 3, 2, 3, 1]) await send(callbackBody(peer, 'on-search', page(number)));
    expect(await rows('select id from inbox_message where request_id = $1', [request.id])).toHaveLength(3);
  });

  it('has the notifications of its subscription until that has ended', async () => {
    const request = await ask({ action: 'subscribe' });
    const code = randomUUID();
    const made = {
      transaction_id: request.transactionId,
      correlation_id: 'c-1',
      subscribe_response: [
        {
          reference_id: '1',
          timestamp: new Date().toISOString(),
          status: 'succ',
          subscriptions: [{ code, status: 'subscribe', timestamp: new Date().toISOString() }],
        },
      ],
    };
    await send(callbackBody(peer, 'on-subscribe', made), '/registry/on-subscribe');
    const notify = async (by: TestPartner): Promise<Json | undefined> => {
      const content = CALLBACK_SAMPLES.find(({ action }) => action === 'notify')?.message() ?? {};
      await send(callbackBody(by, 'notify', content, { header: { meta: { subscription_code: code } } }), '/registry/notify');
      return (await kept(content['transaction_id']))[0];
    };
    expect(await notify(peer)).toMatchObject({ request_id: request.id });
    expect(await notify(other)).toMatchObject({ request_id: null });
    const ended = { ...CALLBACK_SAMPLES[2]?.message(), subscription_status: [{ code, status: 'unsubscribe' }] };
    await send(callbackBody(other, 'on-unsubscribe', ended), '/registry/on-unsubscribe');
    expect(await notify(peer)).toMatchObject({ request_id: request.id });
    await send(callbackBody(peer, 'on-unsubscribe', ended), '/registry/on-unsubscribe');
    expect(await notify(peer)).toMatchObject({ request_id: null });
  });
});

describe('dci inbox', () => {
  const dci = (...args: string[]) =>
    runHere({ DCI_DATABASE_URL: test.config.databaseUrl ?? '', DCI_DATA_DIR: test.config.dataDir }, ['inbox', ...args]);
  const listed = async (...args: string[]) => {
    const { status, out, err } = await dci('list', '--json', ...args);
    expect({ status, err }).toEqual({ status: 0, err: '' });
    return JSON.parse(out) as (Json & { readonly id: string })[];
  };

  it('lists what has come, shows by whom and to which request, and marks it', async () => {
    const request = await ask();
    const content = searchResponse({ transaction_id: request.transactionId });
    await send(callbackBody(peer, 'on-search', content, { dialect: 'jws' }));
    const [message, ...others] = await listed('--transaction', request.transactionId, '--unread');
    expect(others).toEqual([]);
    expect(message).toMatchObject({
      partner: peer.senderId,
      action: 'on-search',
      signed_by: peer.key.kid,
      dialect: 'jws',
      request: { action: 'search', transaction_id: request.transactionId, asked_of: peer.senderId },
    });
    expect(JSON.stringify(message)).not.toContain('Lovelace');
    const shown = await dci('show', message?.id ?? '');
    expect(shown).toMatchObject({ status: 0, err: '' });
    expect(shown.out).toContain(`signed_by       ${peer.key.kid}`);
    expect(shown.out).toContain('"surname": "Lovelace"');
    expect(JSON.parse((await dci('show', message?.id ?? '', '--json')).out)).toMatchObject({ id: message?.id, message: content });
    expect(await dci('mark', message?.id ?? '')).toMatchObject({ status: 0, out: '1 marked\n' });
    expect(await listed('--transaction', request.transactionId, '--unread')).toEqual([]);
    expect(await dci('mark', message?.id ?? '', '--unread', '--json')).toMatchObject({ status: 0, out: '{\n  "marked": 1\n}\n' });
    expect(await listed('--transaction', request.transactionId, '--unread')).toHaveLength(1);
  });

  it('tells those of a peer and of a kind apart', async () => {
    const all = await listed('--limit', '1000');
    const some = await listed('--partner', other.senderId, '--action', 'notify');
    expect(some.length).toBeGreaterThan(0);
    expect(some).toEqual(all.filter(({ partner, action }) => partner === other.senderId && action === 'notify'));
  });

  it('says what is not there', async () => {
    expect(await dci('show', randomUUID())).toMatchObject({ status: 1, out: '' });
    expect(await dci('show', '1')).toMatchObject({ status: 2, out: '' });
    expect(await dci('mark', randomUUID())).toMatchObject({ status: 1, out: '0 marked\n' });
    expect(await dci('list', '--partner', 'nobody')).toMatchObject({ status: 1, out: '' });
  });

  it('opens what was sealed anew under another key', async () => {
    const [row] = await rows<{ id: string }>('select id from inbox_message limit 1');
    const [from, to] = [readSealer(`${test.config.dataDir}/key-encryption.key`), createSealer(Buffer.alloc(32, 7))];
    await resealAll(test.database.db, from, to);
    const found = await findInboxMessage(test.database.db, row?.id ?? '');
    if (found === undefined) throw new Error('it is not there');
    expect(openContent(to, found).header).toHaveProperty('action');
    expect(() => openContent(from, found)).toThrow('another key');
  });
});
