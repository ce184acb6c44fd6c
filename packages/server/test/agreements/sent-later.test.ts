import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { socialProfile } from '../../src/profiles/social.ts';
import { deleteRecord, putRecords } from '../../src/registry/write.ts';
import { parseGivenConsent } from '../../src/services/consent-request.ts';
import { giveConsent, withdrawConsent } from '../../src/services/consents.ts';
import type { TermChanges } from '../../src/services/partner-terms.ts';
import { callWorkers, holdJobs, resumeJobs } from '../../src/store/lanes.ts';
import { memberDocument } from '../support/persons.ts';
import { type ReceivedMessage, type RecordingReceiver, startRecordingReceiver } from '../support/recording-receiver.ts';
import { signedMessage } from '../support/signed-message.ts';
import { post, searchBody, startTestApp, type TestApp, type TestPartner } from '../support/test-app.ts';

/** What leaves later than it was asked for: what may be seen is what may be seen when it leaves. */
type Json = Record<string, unknown>;

let test: TestApp;
let receiver: RecordingReceiver;
let number = 0;

beforeAll(async () => {
  test = await startTestApp({}, { DCI_ALLOW_HTTP_CALLBACKS: 'true', DCI_ALLOW_PRIVATE_CALLBACKS: 'true' });
});
afterAll(() => test.close());
beforeEach(async () => {
  receiver = await startRecordingReceiver(test.base);
  return async () => {
    await test.database.pool.query(`update subscription set state = 'ended'`);
    await receiver.close();
  };
});

const addPartner = (terms: TermChanges): Promise<TestPartner> =>
  test.addPartner(`later-${(number += 1)}.test`, {
    scopes: ['registry/search', 'registry/subscribe', 'registry/subscribe-all'],
    callbackPrefixes: [`${receiver.origin}/dci`],
    ...terms,
  });
const CONSENT: TermChanges = { legalBasis: 'consent: form', purposes: ['care'] };

function person(uin: string, change: { name?: string; sex?: string; phone?: string; district?: string } = {}): Json {
  const document = memberDocument(uin, change.name ?? 'Ada', 0);
  const info = document['demographic_info'] as Json;
  const address = [{ sub_region_code: change.district ?? 'D-01' }];
  return { ...document, demographic_info: { ...info, sex: change.sex ?? 'female', phone_number: [change.phone ?? '1'], address } };
}

const put = (...documents: Json[]): Promise<unknown> => putRecords(test.database.db, socialProfile, documents);

async function give(uin: string, partner: TestPartner, covers: readonly string[]): Promise<string> {
  const subject = { identifier_type: 'UIN', identifier_value: uin };
  const given = parseGivenConsent({ subject, recipient: { partner: partner.senderId }, purposes: ['care'], covers });
  return (await giveConsent(test.database.db, socialProfile, given, 'operator', Date.now())).id;
}

const withdraw = (id: string): Promise<unknown> => withdrawConsent(test.database.db, socialProfile, id, { by: 'operator' });

async function subscribe(partner: TestPartner, criteria: Json): Promise<void> {
  const before = receiver.received.length;
  const message = {
    transaction_id: randomUUID(),
    subscribe_request: [
      {
        reference_id: 'r',
        timestamp: new Date().toISOString(),
        subscribe_criteria: { reg_event_type: 'UPDATE', notify_record_type: 'SRPerson', filter: { type: '*', value: '*' }, ...criteria },
      },
    ],
  };
  const from = { sender_uri: `${receiver.origin}/dci/on-subscribe`, total_count: 1 };
  await post(`${test.base}/social/registry/subscribe`, partner.token, signedMessage(partner, 'subscribe', message, from));
  expect((await receiver.waitFor(before + 1)).at(-1)?.header).toMatchObject({ action: 'on-subscribe', status: 'succ' });
}

/** Waits until so many records were told, and nothing is left to be done. */
async function tell(count: number): Promise<void> {
  await vi.waitFor(
    async () => {
      expect(told().length).toBeGreaterThanOrEqual(count);
      const { rows } = await test.database.pool.query(
        `select count(*)::integer as jobs from job where state <> 'dead' and run_at <= now()`,
      );
      expect(rows).toEqual([{ jobs: 0 }]);
    },
    { timeout: 40_000, interval: 50 },
  );
}

const told = (): Json[] =>
  receiver.received
    .filter(({ header }: ReceivedMessage) => header.action === 'notify')
    .flatMap(({ message }) => (message['notify_event'] as { data: { reg_records: Json } }[]).map(({ data }) => data.reg_records));

describe('a notification', () => {
  it('holds what the field rule gives, and is not made of a change of anything else', async () => {
    const minimal = await addPartner({ fields: 'minimal' });
    await put(person('100', { name: 'Old' }));
    await subscribe(minimal, {});
    await put(person('100', { name: 'Old', phone: '2' }));
    await put(person('100', { name: 'New', phone: '2' }));
    await tell(1);
    expect(told()).toHaveLength(1);
    expect(told()).toMatchObject([{ identifier: [{ identifier_value: '100' }], name: { given_name: 'New' } }]);
    expect(JSON.stringify(told())).not.toMatch(/sex|birth_date|phone|address/);
  });

  it('is made of records within the rows of the agreement only, when they are gone as well', async () => {
    const rows = { person: { district: 'D-01' }, group: 'all' as const };
    const district = await addPartner({ registryTerms: { social: { rows } } });
    await put(person('200'), person('201', { district: 'D-02' }), person('202'), person('203', { district: 'D-02' }));
    await subscribe(district, {});
    await subscribe(district, { reg_event_type: 'DELETE' });
    await put(person('200', { name: 'Changed' }), person('201', { name: 'Changed', district: 'D-02' }));
    for (const value of ['202', '203']) await deleteRecord(test.database.db, socialProfile, { recordType: 'person', type: 'UIN', value });
    await tell(2);
    const identifiers = told().map((record) => (record['identifier'] as Json[])[0]?.['identifier_value']);
    expect(identifiers.toSorted()).toEqual(['200', '202']);
  });

  it('under consent is made of records that are consented to, holds what is covered, and tells by no filter what is not', async () => {
    const clinic = await addPartner(CONSENT);
    await put(person('300'), person('301'), person('302'));
    await give('300', clinic, ['identifier', 'name']);
    const ended = await give('302', clinic, ['*']);
    const filter = { type: 'ns:org:QueryType:NoSql', value: { expression: { collection: 'SRPerson', query: { sex: 'female' } } } };
    await subscribe(clinic, { filter_type: 'expression', filter });
    await put(person('300', { name: 'Changed' }));
    await subscribe(clinic, { reg_event_type: 'UPDATE', notify_record_type: 'Member' });
    await withdraw(ended);
    await put(person('300', { name: 'Changed', phone: '2' }));
    await put(...['302', '301', '300'].map((uin) => person(uin, { name: 'Again', phone: '2' })));
    await vi.waitFor(() => expect(JSON.stringify(told())).toContain('Again'), { timeout: 40_000 });
    await tell(1);
    const infos = told().map((record) => record['demographic_info']) as { identifier: Json[] }[];
    expect(new Set(infos.map(({ identifier }) => identifier[0]?.['identifier_value']))).toEqual(new Set(['300']));
    expect(JSON.stringify(told())).not.toMatch(/"sex"|birth_date|phone|address/);
  });
});

describe('a consent that is withdrawn', () => {
  it('stops an answer that was promised and not given yet', async () => {
    const clinic = await addPartner(CONSENT);
    await put(person('400'));
    const consent = await give('400', clinic, ['*']);
    const { rows } = await test.database.pool.query<{ id: string }>('select id from partner where sender_id = $1', [clinic.senderId]);
    const owner = rows[0]?.id ?? '';
    const ask = async (): Promise<Json | undefined> => {
      const transactionId = randomUUID();
      const header = { sender_uri: `${receiver.origin}/dci/on-search` };
      const criteria = { query_type: 'idtype-value', query: { type: 'UIN', value: '400' } };
      const body = searchBody(clinic, [criteria], { header, message: { transaction_id: transactionId } });
      const answer = await post(`${test.base}/social/registry/search`, clinic.token, body);
      expect(answer.body.message?.ack_status).toBe('ACK');
      return { transactionId };
    };
    const answered = (transaction: Json | undefined): Promise<number> =>
      vi.waitFor(
        () => {
          const found = receiver.received.find(({ message }) => message.transaction_id === transaction?.['transactionId']);
          const [item] = (found?.message.search_response ?? []) as { pagination?: { total_count: number } }[];
          if (item === undefined) throw new Error('nothing was called back');
          return item.pagination?.total_count ?? -1;
        },
        { timeout: 20_000, interval: 20 },
      );
    expect(await answered(await ask())).toBe(1);
    await holdJobs(test.database.db, { kind: 'answer', owner, until: undefined, reason: 'test' });
    const promised = await ask();
    await withdraw(consent);
    await resumeJobs(test.database.db, { kind: 'answer', owner });
    await callWorkers(test.database.pool);
    expect(await answered(promised)).toBe(0);
  });
});
