import { generateSigningKey, publicJwk, type SigningKey } from '@dci/protocol';
import { CompactSign } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { socialProfile } from '../../src/profiles/social.ts';
import { deleteRecord } from '../../src/registry/write.ts';
import { type GivenConsent, parseGivenConsent } from '../../src/services/consent-request.ts';
import { getConsent, giveConsent, renewConsent, withdrawConsent } from '../../src/services/consents.ts';
import { loadConsentEvents, loadConsents } from '../../src/store/consents.ts';
import { putAuthority, removeAuthority } from '../../src/store/consent-authorities.ts';
import { importPersons } from '../support/persons.ts';
import { type AnswerItem, post, searchBody, startTestApp, type TestApp, type TestPartner } from '../support/test-app.ts';

/** A partner whose ground is consent: what it is given follows each consent, at once. */
type Json = Record<string, unknown>;

let test: TestApp;
let clinic: TestPartner;
const TERMS = { legalBasis: 'consent: form 3', purposes: ['care'] };

beforeAll(async () => {
  test = await startTestApp();
  await importPersons(test.database, 16);
  clinic = await test.addPartner('clinic.test', { ...TERMS, recipientClasses: ['health'] });
});
afterAll(() => test.close());

async function ask(partner: TestPartner, criteria: Json): Promise<AnswerItem> {
  const answer = await post(`${test.base}/social/registry/sync/search`, partner.token, searchBody(partner, [criteria]));
  const item = answer.body.message?.search_response?.[0];
  if (item === undefined) throw new Error(answer.text);
  return item;
}

const uinOf = (index: number): string => `9${String(index).padStart(9, '0')}`;
const uin = (index: number, more: Json = {}): Json => ({
  query_type: 'idtype-value',
  query: { type: 'UIN', value: uinOf(index) },
  ...more,
});
const records = (item: AnswerItem): Json[] => [...(item.data?.reg_records ?? [])];
const found = async (partner: TestPartner, criteria: Json): Promise<number> => records(await ask(partner, criteria)).length;
const refused = (code = 'rjct.search_criteria.invalid'): object => ({ status: 'rjct', status_reason_code: code });
const plain = (item: AnswerItem): object => ({ ...item, timestamp: '' });

async function give(index: number, change: Partial<GivenConsent> = {}): Promise<string> {
  const given = {
    subject: { identifier_type: 'UIN', identifier_value: uinOf(index) },
    recipient: { partner: 'clinic.test' },
    purposes: ['care'],
    covers: ['*'],
    ...change,
  };
  const { id } = await giveConsent(test.database.db, socialProfile, parseGivenConsent(given), 'operator', Date.now());
  return id;
}

const withdraw = (id: string): Promise<unknown> => withdrawConsent(test.database.db, socialProfile, id, { by: 'operator' });

describe('a consent', () => {
  it('opens a record for as long as it is valid, and an unconsented record looks like one that is not there', async () => {
    const unknown = plain(await ask(clinic, { query_type: 'idtype-value', query: { type: 'UIN', value: '9999999999' } }));
    expect(plain(await ask(clinic, uin(0)))).toEqual(unknown);
    const id = await give(0);
    expect(records(await ask(clinic, uin(0)))).toMatchObject([{ name: { given_name: 'Given0' }, sex: 'female' }]);
    await withdraw(id);
    expect(plain(await ask(clinic, uin(0)))).toEqual(unknown);
    await expect(renewConsent(test.database.db, socialProfile, id, { by: 'operator' })).rejects.toMatchObject({ code: 'err.request.bad' });
    expect(await found(clinic, uin(0))).toBe(0);
  });

  it.each<[string, Partial<GivenConsent>]>([
    ['for another purpose', { purposes: ['billing'] }],
    ['to another partner', { recipient: { class: 'research' } }],
    ['that has expired', { valid_from: '2020-01-01', valid_until: '2021-01-01' }],
    ['that has not begun', { valid_from: '2099-01-01' }],
  ])('%s opens nothing', async (_name, change) => {
    await give(1, change);
    expect(await found(clinic, uin(1))).toBe(0);
  });

  it('to a class of recipients opens the record to its members', async () => {
    const other = await test.addPartner('dentist.test', { ...TERMS, recipientClasses: ['health', 'dental'] });
    const outside = await test.addPartner('bank.test', { ...TERMS, recipientClasses: ['finance'] });
    await give(2, { recipient: { class: 'health' } });
    expect([await found(clinic, uin(2)), await found(other, uin(2)), await found(outside, uin(2))]).toEqual([1, 1, 0]);
  });

  it('gives, compares and sorts by the fields that it covers only', async () => {
    await give(3, { covers: ['identifier', 'sex'] });
    const [record] = records(await ask(clinic, uin(3)));
    expect(record).toMatchObject({ identifier: [{ identifier_value: uinOf(3) }], sex: 'male' });
    expect(JSON.stringify(record)).not.toMatch(/Given3|birth_date|phone|address/);
    const both = (filter: Json): Json => ({
      query_type: 'expression',
      query: { type: 'ns:org:QueryType:NoSql', value: { expression: { query: { $and: [{ UIN: uinOf(3) }, filter] } } } },
    });
    expect(await found(clinic, both({ sex: 'male' }))).toBe(1);
    expect(await found(clinic, both({ given_name: 'Given3' }))).toBe(0);
    expect(await found(clinic, both({ birth_date: { $lt: '2100-01-01' } }))).toBe(0);
    expect(await found(clinic, both({ $not: { given_name: 'Given3' } }))).toBe(1);
    expect(await found(clinic, both({ $not: { given_name: 'Somebody' } }))).toBe(1);
    await give(4, { covers: ['name'] });
    expect(await found(clinic, uin(4))).toBe(0);
  });

  it('is each member’s own', async () => {
    const household = { query_type: 'idtype-value', query: { type: 'HHID', value: 'H000002' } };
    const ofGroup = { subject: { identifier_type: 'HHID', identifier_value: 'H000002' } };
    await give(8);
    await give(9, { covers: ['name'] });
    expect(await found(clinic, household)).toBe(0);
    await give(0, ofGroup);
    const [group] = records(await ask(clinic, household));
    const members = group?.['member_list'] as Json[] | undefined;
    expect(members).toMatchObject([
      { demographic_info: { name: { given_name: 'Given8' }, sex: 'female' } },
      { demographic_info: { name: { given_name: 'Given9' } } },
    ]);
    expect(members).toHaveLength(2);
    expect(JSON.stringify(members?.[1])).not.toMatch(/identifier|male|birth_date/);
    expect(JSON.stringify(group)).not.toMatch(/Given10|Given11/);
  });

  it('that ended is renewed, with its history', async () => {
    const id = await give(5, { valid_from: '2020-01-01', valid_until: '2021-01-01', evidence: 'file 7' });
    expect(await found(clinic, uin(5))).toBe(0);
    await renewConsent(test.database.db, socialProfile, id, { validUntil: '2099-01-01', by: 'operator' });
    expect(await found(clinic, uin(5))).toBe(1);
    await withdraw(id);
    await withdraw(id);
    expect((await loadConsentEvents(test.database.db, id)).map(({ kind, terms }) => [kind, terms])).toMatchObject([
      ['given', { fields: ['*'], purposes: ['care'], note: 'file 7' }],
      ['renewed', { valid_until: '2099-01-01T00:00:00.000Z' }],
      ['withdrawn', {}],
    ]);
    await expect(getConsent(test.database.db, { ...socialProfile, registry: 'other' }, id)).rejects.toMatchObject({
      code: 'err.request.not_found',
    });
  });

  it.each<[string, unknown, string]>([
    ['nobody', { subject: { identifier_type: 'UIN', identifier_value: 'nobody' } }, '/subject'],
    ['an identifier that names nobody alone', { subject: { identifier_type: 'MRN', identifier_value: '1' } }, '/subject/identifier_type'],
    ['no such partner', { recipient: { partner: 'nobody.test' } }, '/recipient/partner'],
    ['no purpose', { purposes: [] }, '/purposes'],
    ['no field', { covers: [] }, '/covers'],
    ['a field that there is not', { covers: ['name', 'colour'] }, '/covers/1'],
    ['an end before its beginning', { valid_from: '2030-01-01', valid_until: '2029-01-01' }, '/valid_until'],
    ['a time without zone', { valid_until: '2030-01-01T00:00:00' }, '/valid_until'],
    ['a member that is not known', { colour: 'red' }, ''],
  ])('with %s is not written down', async (_name, change, pointer) => {
    const count = async (): Promise<number> => (await loadConsents(test.database.db, {}, 1_000)).length;
    const before = await count();
    const error: unknown = await give(6, change as Partial<GivenConsent>).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      code: expect.stringMatching(/^err\.request\.(bad|not_found)$/),
      pointer: expect.stringContaining(pointer),
    });
    expect(await count()).toBe(before);
  });

  it('of a record that is gone opens nothing that comes after it', async () => {
    await give(15);
    const reference = { recordType: 'person', type: 'UIN', value: uinOf(15) };
    await deleteRecord(test.database.db, socialProfile, reference);
    expect(await found(clinic, uin(15))).toBe(0);
  });

  it('is named in the audit, with the ground and the purpose', async () => {
    const id = await give(12);
    await ask(clinic, uin(12));
    const { rows } = await test.database.pool.query(
      `select legal_basis, purposes, disclosed from audit where sender_id = 'clinic.test' order by seq desc limit 1`,
    );
    expect(rows).toMatchObject([
      { legal_basis: 'consent: form 3', purposes: ['care'], disclosed: [{ entity: 'SRPerson', consents: [id] }] },
    ]);
  });
});

describe('the purpose of a request under consent', () => {
  it('must be stated where the agreement has several, and is the one that is consented to', async () => {
    const hospital = await test.addPartner('hospital.test', { ...TERMS, purposes: ['care', 'billing'] });
    await give(7, { recipient: { partner: 'hospital.test' }, purposes: ['billing'] });
    const stating = (code: string): Json => uin(7, { consent: { purpose: { code } } });
    expect(await ask(hospital, uin(7))).toMatchObject(refused());
    expect(await found(hospital, stating('care'))).toBe(0);
    expect(await found(hospital, stating('billing'))).toBe(1);
    expect(await ask(hospital, stating('marketing'))).toMatchObject(refused());
  });

  it('that nobody registered gives nothing', async () => {
    const vague = await test.addPartner('vague.test', { ...TERMS, purposes: [] });
    const answer = await post(`${test.base}/social/registry/sync/search`, vague.token, searchBody(vague, [uin(7)]));
    expect([answer.status, answer.body.errors?.[0]?.code]).toEqual([403, 'err.request.forbidden']);
  });
});

describe('a consent token', () => {
  const key = generateSigningKey('ES256');
  const ISSUER = 'https://consent.example.org';
  const now = Math.floor(Date.now() / 1000);
  const claims = (index: number, jti: string): Json => ({
    iss: ISSUER,
    aud: 'clinic.test',
    jti,
    iat: now - 10,
    exp: now + 3_600,
    subject: { identifier_type: 'UIN', identifier_value: uinOf(index) },
    purposes: ['care'],
    covers: ['identifier', 'name'],
  });
  const sign = async (payload: Json, signer: SigningKey = key, head: Json = {}): Promise<string> =>
    await new CompactSign(Buffer.from(JSON.stringify(payload)))
      .setProtectedHeader({ alg: 'ES256', kid: signer.kid, ...head })
      .sign(signer.key);
  const bearing = (index: number, token: unknown): Json => uin(index, { authorize: { consent_jws: token } });
  const count = async (): Promise<number> => (await loadConsents(test.database.db, {}, 1_000)).length;

  beforeAll(() => putAuthority(test.database.db, { name: ISSUER, registries: ['social'], keys: [{ ...publicJwk(key) }] }));

  it('of a registered authority opens its subject at once and for as long as it says, and can be withdrawn for good', async () => {
    const token = await sign(claims(13, 'token-1'));
    const [record] = records(await ask(clinic, bearing(13, token)));
    expect(record).toMatchObject({ name: { given_name: 'Given13' } });
    expect(JSON.stringify(record)).not.toMatch(/birth_date|sex/);
    expect(await found(clinic, uin(13))).toBe(1);
    await ask(clinic, bearing(13, token));
    const [consent, ...others] = (await loadConsents(test.database.db, {}, 1_000)).filter(({ authority }) => authority === ISSUER);
    expect(others).toEqual([]);
    expect(consent).toMatchObject({ purposes: ['care'], fields: ['identifier', 'name'], validUntil: new Date((now + 3_600) * 1000) });
    await withdraw(consent?.id ?? '');
    expect(await found(clinic, bearing(13, token))).toBe(0);
  });

  it('about nobody is taken, and looks like one about somebody who is not there', async () => {
    const token = await sign({ ...claims(0, 'token-2'), subject: { identifier_type: 'UIN', identifier_value: 'nobody' } });
    const before = await count();
    expect(await ask(clinic, bearing(14, token))).toMatchObject({ status: 'succ', pagination: { total_count: 0 } });
    expect(await count()).toBe(before);
  });

  it('is refused, and nothing written or disclosed, when it is not to be trusted', async () => {
    const stranger = generateSigningKey('ES256');
    const good = claims(14, 'token-3');
    const token = await sign(good);
    const [head, , signature] = token.split('.');
    const forged = `${head}.${Buffer.from(JSON.stringify({ ...good, covers: ['*'] })).toString('base64url')}.${signature}`;
    const none = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${Buffer.from(JSON.stringify(good)).toString('base64url')}.`;
    const bad: Record<string, unknown> = {
      'of another key': await sign(good, stranger, { kid: key.kid }),
      'of an unknown key': await sign(good, stranger),
      'of an unknown authority': await sign({ ...good, iss: 'https://other.example.org' }),
      forged,
      unsigned: none,
      'to another partner': await sign({ ...good, aud: 'bank.test' }),
      expired: await sign({ ...good, exp: now - 1 }),
      'of the future': await sign({ ...good, iat: now + 3_000 }),
      'without end': await sign({ ...good, exp: undefined }),
      'without id': await sign({ ...good, jti: '' }),
      'about a field that there is not': await sign({ ...good, covers: ['colour'] }),
      'for no purpose': await sign({ ...good, purposes: [] }),
      'that is no text': 7,
      'that is none': 'x.y.z',
      'that is huge': `${'a'.repeat(20_000)}.b.c`,
    };
    const before = await count();
    for (const [name, value] of Object.entries(bad)) {
      const item = await ask(clinic, bearing(14, value));
      expect(item, name).toMatchObject(refused());
      expect(item.data, name).toBeUndefined();
    }
    expect(await count()).toBe(before);
    expect(await found(clinic, uin(14))).toBe(0);
    await removeAuthority(test.database.db, ISSUER);
    expect(await ask(clinic, bearing(14, token))).toMatchObject(refused());
  });

  it('is nothing to a partner whose ground is another', async () => {
    const law = await test.addPartner('law.test');
    const before = await count();
    expect(await found(law, bearing(0, 'x.y.z'))).toBe(1);
    expect(await count()).toBe(before);
  });
});
