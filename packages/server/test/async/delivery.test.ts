import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { OutboundError } from '../../src/outbound/outbound-error.ts';
import { BUILT_IN_PROFILES } from '../../src/profiles/index.ts';
import { judgeReply, type Reply } from '../../src/services/delivery-schedule.ts';
import { sealCallbackAuth } from '../../src/services/receiver-credentials.ts';
import { changePartner } from '../../src/services/register-partner.ts';
import { openSealer } from '../../src/services/sealer.ts';
import { makeCertificate } from '../outbound/certificate.ts';
import { startRecorder } from '../outbound/recorder.ts';
import { importPersons, type Person } from '../support/persons.ts';
import { type ReceivedMessage, type RecordingReceiver, startRecordingReceiver } from '../support/recording-receiver.ts';
import { post, searchBody, startTestApp, type TestApp, type TestPartner } from '../support/test-app.ts';
import type { TermChanges } from '../../src/services/partner-terms.ts';
import { runHere } from '../partners/command-line.ts';

const certificate = makeCertificate(['127.0.0.1']);
let test: TestApp;
let receiver: RecordingReceiver;
let persons: Person[];
let number = 0;

beforeAll(async () => {
  test = await startTestApp(
    { outbound: { trustedCertificates: certificate.cert } },
    { DCI_ALLOW_HTTP_CALLBACKS: 'true', DCI_ALLOW_PRIVATE_CALLBACKS: 'true' },
  );
  persons = await importPersons(test.database, 8);
});
afterAll(() => test.close());

beforeEach(async () => {
  receiver = await startRecordingReceiver(test.base);
  return async () => {
    await receiver.close();
    await rows('truncate job, job_hold, receiver_trouble, delivery');
  };
});

async function rows<T extends object>(sql: string, values: unknown[] = []): Promise<T[]> {
  return (await test.database.pool.query<T>(sql, values)).rows;
}

const addPartner = (terms: TermChanges = {}): Promise<TestPartner> =>
  test.addPartner(`receiver-${(number += 1)}`, { notifyUri: `${receiver.origin}/inbox`, ...terms });

/** Asks for the first person; the transaction's id. */
async function ask(partner: TestPartner): Promise<string> {
  const transactionId = randomUUID();
  const criteria = { query_type: 'idtype-value', query: { type: 'UIN', value: persons[0]?.uin } };
  const answer = await post(
    `${test.base}/registry/search`,
    partner.token,
    searchBody(partner, [criteria], { message: { transaction_id: transactionId } }),
  );
  expect(answer.status).toBe(202);
  return transactionId;
}

interface Shown {
  readonly state: string;
  readonly attempts: number;
  readonly status: number | null;
  readonly error: string | null;
}

async function untilDelivery(transactionId: string, expected: Partial<Shown>): Promise<Shown> {
  return await vi.waitFor(async () => {
    const [found] = await rows<Shown>(
      'select state, attempts, status, error from delivery where transaction_id = $1 order by id desc limit 1',
      [transactionId],
    );
    expect(found).toMatchObject(expected);
    if (found === undefined) throw new Error('there is no delivery');
    return found;
  }, 15_000);
}

/** When it was answered is another time each time. */
const withoutTimes = (message: ReceivedMessage | undefined): unknown =>
  JSON.parse(JSON.stringify(message?.message, (name, value: unknown) => (name === 'timestamp' ? undefined : value)));

/** What is to be tried later is tried now. */
const hasten = () => rows(`update job set run_at = now() where state = 'ready'`);

describe('an attempt that fails', () => {
  it('is made again, in a new envelope with the same content', async () => {
    const partner = await addPartner();
    receiver.answerWith({ status: 500 });
    const transactionId = await ask(partner);
    await untilDelivery(transactionId, { state: 'pending', attempts: 1, status: 500 });
    receiver.answerWith('ack');
    await hasten();
    await untilDelivery(transactionId, { state: 'delivered', attempts: 2, status: 200 });
    const [first, second] = receiver.received;
    expect([first?.signature, second?.signature]).toEqual(['good', 'good']);
    expect(withoutTimes(second)).toEqual(withoutTimes(first));
    expect(second?.header.message_id).not.toBe(first?.header.message_id);
  });

  it('is one that was answered ERR', async () => {
    receiver.answerWith({ status: 200, body: JSON.stringify({ message: { ack_status: 'ERR' } }) });
    const transactionId = await ask(await addPartner());
    await untilDelivery(transactionId, { state: 'pending', error: 'the receiver answered ack_status ERR' });
  });

  it('is one that was sent elsewhere: nobody goes there', async () => {
    const elsewhere = await startRecorder((_request, response) => response.end());
    receiver.answerWith({ status: 307, headers: { location: `http://127.0.0.1:${elsewhere.port}/` } });
    const { error } = await untilDelivery(await ask(await addPartner()), { state: 'pending', attempts: 1 });
    expect(error).toMatch(/^redirect/);
    expect(elsewhere.connections()).toBe(0);
    await elsewhere.close();
  });

  it('is one to a host with a certificate of another', async () => {
    const wrong = await startRecordingReceiver(undefined, { certificate: makeCertificate(['other.example.org']) });
    const { error } = await untilDelivery(await ask(await addPartner({ notifyUri: `${wrong.origin}/inbox` })), {
      state: 'pending',
      attempts: 1,
    });
    expect(error).toMatch(/^tls/);
    expect(wrong.received).toEqual([]);
    await wrong.close();
  });

  it('is one where nobody listens', async () => {
    const closed = await startRecorder(() => undefined);
    await closed.close();
    const partner = await addPartner({ notifyUri: `http://127.0.0.1:${closed.port}/` });
    const { error } = await untilDelivery(await ask(partner), { state: 'pending', attempts: 1 });
    expect(error).toMatch(/^connect/);
  });

  it('ends as a dead letter after three refusals, and can be sent again', async () => {
    receiver.answerWith({ status: 422 });
    const transactionId = await ask(await addPartner());
    for (const attempts of [1, 2]) {
      await untilDelivery(transactionId, { state: 'pending', attempts });
      await hasten();
    }
    await untilDelivery(transactionId, { state: 'dead', attempts: 3, status: 422 });
    receiver.answerWith('ack');
    const environment = { DCI_DATABASE_URL: test.config.databaseUrl ?? '', DCI_DATA_DIR: test.config.dataDir };
    const command = (...args: string[]) => runHere(environment, args);
    const listed = JSON.parse((await command('delivery', 'list', '--state', 'dead', '--json')).out) as {
      id: string;
      transaction_id: string;
    }[];
    const id = listed.find(({ transaction_id }) => transaction_id === transactionId)?.id ?? '';
    const shown = await command('delivery', 'show', id);
    expect(shown.out).toContain('422');
    expect(shown.out).not.toContain(persons[0]?.given);
    expect((await command('delivery', 'retry', id, '--json')).out).toContain('"retried": 1');
    await untilDelivery(transactionId, { state: 'delivered' });
    expect((await command('delivery', 'retry', id)).status).toBe(1);
    expect((await command('delivery', 'retry')).status).toBe(2);
    expect((await command('delivery', 'retry', '--all', '--since', 'yesterday')).status).toBe(2);
  });

  it('closes the way to a receiver that fails again and again, and opens it when it answers', async () => {
    const partner = await addPartner();
    receiver.answerWith({ status: 503 });
    await Promise.all(Array.from({ length: 6 }, () => ask(partner)));
    await vi.waitFor(async () => expect(await rows('select until > now() as held from job_hold')).toEqual([{ held: true }]), 10_000);
    const calls = receiver.received.length;
    const late = await ask(partner);
    await hasten();
    await vi.waitFor(async () => expect(await rows(`select id from job where kind = 'answer'`)).toEqual([]));
    await untilDelivery(late, { state: 'pending', attempts: 0 });
    expect(receiver.received.length).toBe(calls);
    receiver.answerWith('ack');
    await rows('update job_hold set until = now()');
    await hasten();
    await untilDelivery(late, { state: 'delivered' });
    expect(await rows('select owner from receiver_trouble')).toEqual([]);
  });
});

describe('a receiver that wants to be waited for', () => {
  it('is not called before', async () => {
    const partner = await addPartner();
    receiver.answerWith({ status: 429, headers: { 'retry-after': '3600' } });
    await untilDelivery(await ask(partner), { state: 'pending', attempts: 1 });
    const [job] = await rows<{ late: boolean }>(`select run_at > now() + interval '59 minutes' as late from job where kind = 'deliver'`);
    expect(job).toEqual({ late: true });
    await untilDelivery(await ask(partner), { attempts: 0 });
    expect(receiver.received).toHaveLength(1);
  });
});

describe('who we are', () => {
  const terms = (auth: Parameters<typeof sealCallbackAuth>[1]) => ({
    sealedCallbackAuth: sealCallbackAuth(
      openSealer(test.config, () => undefined),
      auth,
    ),
  });

  it('is told by a token that never changes', async () => {
    await ask(await addPartner(terms({ kind: 'bearer', token: 'static-token' })));
    expect((await receiver.waitFor(1))[0]?.authorization).toBe('Bearer static-token');
    expect(JSON.stringify(await rows('select * from partner'))).not.toContain('static-token');
  });

  it('is told by a token of the receiver, which is used again until it is refused', async () => {
    let issued = 0;
    const tokens = await startRecorder((_request, response) =>
      response.end(JSON.stringify({ access_token: `token-${(issued += 1)}`, token_type: 'Bearer', expires_in: 3_600 })),
    );
    const partner = await addPartner(
      terms({ kind: 'oauth2', tokenUrl: `http://127.0.0.1:${tokens.port}/token`, clientId: 'us', clientSecret: 's/cret', scope: 'dci' }),
    );
    await ask(partner);
    await receiver.waitFor(1);
    await ask(partner);
    await receiver.waitFor(2);
    expect(receiver.received.map(({ authorization }) => authorization)).toEqual(['Bearer token-1', 'Bearer token-1']);
    expect(tokens.requests).toMatchObject([
      {
        line: 'POST /token',
        headers: { authorization: `Basic ${Buffer.from('us:s%2Fcret').toString('base64')}` },
        body: 'grant_type=client_credentials&scope=dci',
      },
    ]);
    receiver.answerWith({ status: 401 });
    const transactionId = await ask(partner);
    await untilDelivery(transactionId, { state: 'pending', status: 401 });
    receiver.answerWith('ack');
    await hasten();
    await untilDelivery(transactionId, { state: 'delivered' });
    expect(receiver.received.at(-1)?.authorization).toBe('Bearer token-2');
    await tokens.close();
  });

  it('is not told where no token is given, and nothing is sent', async () => {
    const tokens = await startRecorder((_request, response) => response.writeHead(403).end());
    const partner = await addPartner(
      terms({ kind: 'oauth2', tokenUrl: `http://127.0.0.1:${tokens.port}/`, clientId: 'us', clientSecret: 's' }),
    );
    const { error } = await untilDelivery(await ask(partner), { state: 'pending', attempts: 1 });
    expect(error).toMatch(/token address answered 403/);
    expect(receiver.received).toEqual([]);
    await tokens.close();
  });
});

describe('a partner that has changed since', () => {
  const change = (partner: TestPartner, terms: TermChanges) =>
    changePartner(test.database.db, BUILT_IN_PROFILES, partner.senderId, { terms });

  async function deliverAfter(terms: TermChanges): Promise<string> {
    const partner = await addPartner();
    receiver.answerWith({ status: 500 });
    const transactionId = await ask(partner);
    await untilDelivery(transactionId, { state: 'pending', attempts: 1 });
    receiver.answerWith('ack');
    await change(partner, terms);
    await new Promise((resolve) => setTimeout(resolve, 300));
    await hasten();
    return transactionId;
  }

  it('is sent nothing when it was shut out', async () => {
    const transactionId = await deliverAfter({ active: false });
    await untilDelivery(transactionId, { state: 'dead', error: 'the partner is not active' });
    expect(receiver.received).toHaveLength(1);
  });

  it('is sent nothing where it may not be called any more', async () => {
    const transactionId = await deliverAfter({ notifyUri: 'https://elsewhere.example.org/' });
    await untilDelivery(transactionId, { state: 'dead', error: 'the address is not registered for the partner any more' });
    expect(receiver.received).toHaveLength(1);
  });

  it('is sent what it may see now', async () => {
    const transactionId = await deliverAfter({ fields: 'minimal' });
    await receiver.waitFor(2);
    await untilDelivery(transactionId, { state: 'delivered' });
    const [before, after] = receiver.received;
    expect(before?.text).toContain('birth_date');
    expect(after?.message.correlation_id).toBe(before?.message.correlation_id);
    expect(after?.text).not.toContain('phone_number');
    expect(after?.text.length).toBeLessThan(before?.text.length ?? 0);
  });
});

describe('the schedule', () => {
  const at = (reply: Reply, attempts: number) => judgeReply(reply, attempts, 0, () => 0.5);
  const seconds = (verdict: ReturnType<typeof at>) => (verdict.state === 'pending' ? verdict.nextAt.getTime() / 1_000 : verdict.state);

  it('tries eight times in 27.6 hours', () => {
    const waits = [1, 2, 3, 4, 5, 6, 7, 8].map((attempts) => seconds(at({ status: 500 }, attempts)));
    expect(waits).toEqual([5, 300, 1_800, 7_200, 18_000, 36_000, 36_000, 'dead']);
  });

  it('spreads attempts, by a tenth to either side', () => {
    const [early, late] = [0, 1].map((random) => judgeReply({ status: 500 }, 2, 0, () => random));
    expect([early, late].map((verdict) => verdict && seconds(verdict))).toEqual([270, 330]);
  });

  it('believes a refusal after three attempts, and one for ever at once', () => {
    expect([1, 2, 3].map((attempts) => seconds(at({ status: 400 }, attempts)))).toEqual([5, 300, 'dead']);
    expect(seconds(at({ status: 410 }, 1))).toBe('dead');
    expect([408, 425, 429].map((status) => seconds(at({ status }, 3)))).toEqual([1_800, 1_800, 1_800]);
    expect(seconds(at(new OutboundError('url_refused', 'x'), 1))).toBe('dead');
  });

  it('waits as long as it is told to, within a day', () => {
    expect(seconds(at({ status: 503, retryAfter: '120' }, 1))).toBe(120);
    expect(seconds(at({ status: 503, retryAfter: new Date(90_000).toUTCString() }, 1))).toBe(90);
    expect(seconds(at({ status: 503, retryAfter: '1' }, 2))).toBe(300);
    expect(seconds(at({ status: 503, retryAfter: '99999999' }, 1))).toBe(86_400);
    expect(seconds(at({ status: 503, retryAfter: 'soon' }, 1))).toBe(5);
  });
});
