import { DIGEST_FORMS, SIGNATURE_DIALECTS } from '@dci/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BUILT_IN_PROFILES } from '../../src/profiles/index.ts';
import { changePartner } from '../../src/services/register-partner.ts';
import { importPersons, type Person } from '../support/persons.ts';
import { type Answer, post, searchBody, startTestApp, type TestApp, type TestPartner } from '../support/test-app.ts';
import { readAnswer, SIGNING_KEYS } from './trust-fixture.ts';

let test: TestApp;
let person: Person;
let url: string;

beforeAll(async () => {
  test = await startTestApp();
  [person] = (await importPersons(test.database, 3)) as [Person];
  url = `${test.base}/social/registry/sync/search`;
});
afterAll(() => test.close());

const byId = (): Record<string, unknown> => ({ query_type: 'idtype-value', query: { type: 'UIN', value: person.uin } });

const verifyAnswer = async (answer: Answer) => (await readAnswer(test.base, answer)).signedBy;

describe.each(SIGNING_KEYS)('a partner that signs by $algorithm', (key) => {
  let partner: TestPartner;
  beforeAll(async () => {
    partner = await test.addPartner(`${key.algorithm.toLowerCase()}.test`, {}, key);
  });

  it.each(SIGNATURE_DIALECTS)('is answered in the dialect it signs in, %s, in each form', async (dialect) => {
    for (const form of DIGEST_FORMS) {
      const answer = await post(url, partner.token, searchBody(partner, [byId()], { dialect, form }));
      expect([answer.status, answer.body.header?.status]).toEqual([200, 'succ']);
      expect(answer.text).toContain(person.uin);
      expect(await verifyAnswer(answer)).toMatchObject({ dialect });
    }
  });
});

describe('the dialect of an answer', () => {
  it('is the one registered for the partner, where there is one', async () => {
    const partner = await test.addPartner('set.test', { dialect: 'jws-detached' });
    expect(await verifyAnswer(await post(url, partner.token, searchBody(partner, [byId()])))).toMatchObject({ dialect: 'jws-detached' });
    await changePartner(test.database.db, BUILT_IN_PROFILES, 'set.test', { terms: { dialect: 'as-asked' } });
    await expect
      .poll(async () => (await post(url, partner.token, searchBody(partner, [byId()]))).body.signature, { timeout: 5_000 })
      .toMatch(/^Signature: namespace="dci"/);
  });

  it('is kept by refusals', async () => {
    const asked = await test.addPartner('refused.test');
    const header = { version: '9.9.9' };
    const refused = await post(url, asked.token, searchBody(asked, [byId()], { dialect: 'jws', header }));
    expect(refused.body.header).toMatchObject({ status: 'rjct', status_reason_code: 'rjct.version.invalid' });
    expect(await verifyAnswer(refused)).toMatchObject({ dialect: 'jws' });
    const set = await test.addPartner('refused-set.test', { dialect: 'jws' });
    const unread = await post(url, set.token, '[]');
    expect(unread.status).toBe(400);
    expect(await verifyAnswer(unread)).toMatchObject({ dialect: 'jws' });
  });

  it('is the form in which the partner serialises, in text beyond ASCII too', async () => {
    const partner = await test.addPartner('python.test');
    const items = [{ query_type: 'idtype-value', query: { type: 'UIN', value: 'Zoë-😀' } }, byId()];
    const change = { dialect: 'jws', form: 'sorted-ascii' } as const;
    const answer = await post(url, partner.token, searchBody(partner, items, change));
    expect(answer.status).toBe(200);
    const [, payload = ''] = (answer.body.signature ?? '').split('.');
    expect(Buffer.from(payload, 'base64url').toString()).toMatch(/^[ -~]+$/);
    expect(await verifyAnswer(answer)).toMatchObject({ dialect: 'jws' });
  });
});
