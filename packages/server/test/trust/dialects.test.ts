import { generateKeyPairSync } from 'node:crypto';
import {
  DIGEST_FORMS,
  generateSigningKey,
  importPrivateKey,
  importPublicKey,
  type JsonText,
  parseCallbackEnvelope,
  type PublicJwk,
  readJson,
  SIGNATURE_DIALECTS,
  type AcceptedSignature,
  verifyMessage,
} from '@dci/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BUILT_IN_PROFILES } from '../../src/profiles/index.ts';
import { changePartner } from '../../src/services/register-partner.ts';
import { importPersons, type Person } from '../support/persons.ts';
import { type Answer, post, searchBody, startTestApp, type TestApp, type TestPartner } from '../support/test-app.ts';

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

/** Verifies an answer as its receiver does, with the server's published keys. */
async function verifyAnswer({ text }: Answer): Promise<AcceptedSignature | undefined> {
  const { keys } = (await (await fetch(`${test.base}/.well-known/jwks.json`)).json()) as { keys: PublicJwk[] };
  const received: JsonText = readJson(text);
  const { header, message } = parseCallbackEnvelope(received.value);
  const findKey = (kid: string) => keys.filter((jwk) => jwk.kid === kid).map((jwk) => importPublicKey(jwk))[0];
  const envelope = { header: { ...header, sender_id: header.sender_id ?? '', total_count: 0 }, message: message ?? {} };
  return verifyMessage({ received, envelope, policy: 'required', findKey, now: Math.floor(Date.now() / 1000) }).signedBy;
}

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' });
const KEYS = [
  generateSigningKey('EdDSA'),
  generateSigningKey('ES256'),
  importPrivateKey(rsa, { kid: 'rsa-1' }),
  importPrivateKey({ ...rsa, alg: 'PS256' }, { kid: 'rsa-2' }),
];

describe.each(KEYS)('a partner that signs by $algorithm', (key) => {
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
