import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { socialProfile } from '../../src/profiles/social.ts';
import { deleteRecord, putRecords } from '../../src/registry/write.ts';
import { parseGivenConsent } from '../../src/services/consent-request.ts';
import { giveConsent, renewConsent, withdrawConsent } from '../../src/services/consents.ts';
import { createIdentifierHash, erasePerson } from '../../src/services/erase-person.ts';
import type { TermChanges } from '../../src/services/partner-terms.ts';
import { callWorkers, holdJobs, resumeJobs } from '../../src/store/lanes.ts';
import { purgeKind, RETENTION_KINDS } from '../../src/store/retention.ts';
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

describe('that a record is gone', () => {
  const remove = (value: string): Promise<unknown> =>
    deleteRecord(test.database.db, socialProfile, { recordType: 'person', type: 'UIN', value });
  const erase = (value: string): Promise<unknown> =>
    erasePerson(
      test.database,
      socialProfile,
      { reference: { recordType: 'person', type: 'UIN', value }, reason: 'asked for' },
      { hash: createIdentifierHash(Buffer.alloc(32, 1)), now: Date.now() },
    );

  it('is told under consent where one covered an identifier then and holds still, and by no filter what it did not cover', async () => {
    const clinic = await addPartner(CONSENT);
    const covers: Readonly<Record<string, readonly string[]>> = {
      '500': ['*'],
      '501': ['name'],
      '503': ['identifier'],
      '504': ['*'],
      '505': ['*'],
      '506': ['UIN', 'sex'],
      '507': ['*'],
      '508': ['*'],
    };
    const everybody = [...Object.keys(covers), '502'];
    await put(...everybody.map((uin) => person(uin)));
    const consents = new Map<string, string>();
    for (const [uin, fields] of Object.entries(covers)) consents.set(uin, await give(uin, clinic, fields));
    const later = new Date(Date.now() + 1_500);
    await test.database.pool.query('update consent set valid_from = $2 where id = $1', [consents.get('508'), later]);
    const female = { type: 'ns:org:QueryType:NoSql', value: { expression: { collection: 'SRPerson', query: { sex: 'female' } } } };
    await subscribe(clinic, { reg_event_type: 'DELETE' });
    await subscribe(clinic, { reg_event_type: 'DELETE', filter_type: 'expression', filter: female });
    await withdraw(consents.get('504') ?? '');
    const { rows } = await test.database.pool.query<{ id: string }>('select id from partner where sender_id = $1', [clinic.senderId]);
    const held = { kind: 'notify', owner: rows[0]?.id ?? '' };
    await holdJobs(test.database.db, { ...held, until: undefined, reason: 'test' });
    for (const uin of everybody) await (uin === '507' ? erase(uin) : remove(uin));
    await vi.waitFor(async () => {
      const pending = await test.database.pool.query(`select 1 from pending_event where kind = 'DELETE'`);
      expect(pending.rowCount).toBe(2 * everybody.length);
    });
    await withdraw(consents.get('505') ?? '');
    // A consent that begins after its record has gone never held for it.
    await vi.waitFor(() => expect(Date.now()).toBeGreaterThan(later.getTime()), { timeout: 3_000 });
    await resumeJobs(test.database.db, held);
    await callWorkers(test.database.pool);
    await tell(7);
    const identifiers = told().flatMap((record) => (record['identifier'] as Json[]).map((one) => one['identifier_value']));
    expect(identifiers.toSorted()).toEqual(['500', '500', '503', '506', '506', '507', '507']);
    expect(JSON.stringify(told())).not.toMatch(/"sex"|"name"|birth_date|phone|address/);
    const audited = await test.database.pool.query<{ disclosed: { consents?: string[] }[] }>(
      `select disclosed from audit where action = 'notify' and sender_id = $1`,
      [clinic.senderId],
    );
    const named = audited.rows.flatMap(({ disclosed }) => disclosed.flatMap(({ consents: ids }) => ids ?? []));
    expect(new Set(named)).toEqual(new Set(['500', '503', '506', '507'].map((uin) => consents.get(uin))));
  });

  it('leaves of its consents, when it was erased, the terms only', async () => {
    const clinic = await addPartner(CONSENT);
    await put(person('510'));
    const given = parseGivenConsent({
      subject: { identifier_type: 'UIN', identifier_value: '510' },
      recipient: { partner: clinic.senderId },
      purposes: ['care'],
      covers: ['*'],
      evidence: 'a letter of Ada',
    });
    const { id } = await giveConsent(test.database.db, socialProfile, given, 'operator', Date.now());
    await erase('510');
    const left = await test.database.pool.query(
      'select row_to_json(consent) as consent, terms from consent join consent_event on consent_id = id where id = $1',
      [id],
    );
    expect(left.rows).toMatchObject([{ consent: { purposes: ['care'], fields: ['*'], erased_at: expect.any(String), token_id: null } }]);
    expect(JSON.stringify(left.rows)).not.toMatch(/letter|Ada|510/);
    await expect(renewConsent(test.database.db, socialProfile, id, { by: 'operator' })).rejects.toMatchObject({ code: 'err.request.bad' });
    const purge = (days: number): Promise<number> => {
      const kind = RETENTION_KINDS.find(({ name }) => name === 'consents');
      if (kind === undefined) throw new Error('consents are kept for good');
      return purgeKind(test.database.pool, kind, new Map([['consents', days]]), Date.now());
    };
    await purge(1);
    const count = async (): Promise<number | null> =>
      (await test.database.pool.query('select 1 from consent_event where consent_id = $1', [id])).rowCount;
    expect(await count()).toBe(1);
    await purge(0);
    expect(await count()).toBe(0);
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
