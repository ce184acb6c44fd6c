import { randomBytes } from 'node:crypto';
import { type EncryptionKey, encryptText, generateSigningKey, SIGNATURE_DIALECTS } from '@dci/protocol';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { importPersons, type Person } from '../support/persons.ts';
import {
  type Answer,
  encryptedBody,
  post,
  searchBody,
  searchMessage,
  signBody,
  startTestApp,
  type TestApp,
  type TestPartner,
} from '../support/test-app.ts';
import { DECRYPTION_KEYS, readAnswer, serverEncryptionKeys, SIGNING_KEYS } from './trust-fixture.ts';

let test: TestApp;
let person: Person;
let url: string;
let serverKeys: readonly EncryptionKey[];

beforeAll(async () => {
  test = await startTestApp();
  [person] = (await importPersons(test.database, 3)) as [Person];
  url = `${test.base}/social/registry/sync/search`;
  serverKeys = await serverEncryptionKeys(test.base);
});
afterAll(() => test.close());

const byId = (): Record<string, unknown> => ({ query_type: 'idtype-value', query: { type: 'UIN', value: person.uin } });

describe.each(DECRYPTION_KEYS)('to a partner that is encrypted to by $algorithm', (own) => {
  it.each(SIGNING_KEYS)('and signs by $algorithm, an encrypted search is answered encrypted, in each dialect', async (key) => {
    const partner = await test.addPartner(`${own.kid}-${key.algorithm}.test`, {}, key, own);
    for (const dialect of SIGNATURE_DIALECTS)
      for (const serverKey of serverKeys) {
        const answer = await post(url, partner.token, await encryptedBody(partner, [byId()], serverKey, { dialect }));
        expect([answer.status, answer.body.header?.status]).toEqual([200, 'succ']);
        expect(answer.text).not.toContain(person.uin);
        expect(answer.text).not.toContain('reg_records');
        const { signedBy, encrypted, response } = await readAnswer(test.base, answer, own);
        expect({ encrypted, dialect: signedBy?.dialect }).toEqual({ encrypted: true, dialect });
        expect(JSON.stringify(response?.search_response[0]?.data)).toContain(person.uin);
      }
  });

  it('a plain search is answered in plain', async () => {
    const partner = await test.addPartner(`plain-${own.kid}.test`, {}, own);
    const answer = await post(url, partner.token, searchBody(partner, [byId()]));
    expect(answer.text).toContain(person.uin);
    expect((await readAnswer(test.base, answer)).encrypted).toBe(false);
  });
});

it('the server publishes keys of both kinds to encrypt to', () => {
  expect(serverKeys.map(({ algorithm }) => algorithm).sort()).toEqual(['ECDH-ES+A256KW', 'RSA-OAEP-256']);
});

const [own] = DECRYPTION_KEYS;

async function disclosures(): Promise<string> {
  const { rows } = await sql<{ count: string }>`select count(*) as count from audit where record_count > 0`.execute(test.database.db);
  return rows[0]?.count ?? '';
}

describe('an encrypted message', () => {
  let partner: TestPartner;
  let serverKey: EncryptionKey;
  beforeAll(async () => {
    partner = await test.addPartner('refused.test', {}, own as (typeof DECRYPTION_KEYS)[0]);
    serverKey = serverKeys[0] as EncryptionKey;
  });

  /** An encrypted search, the encrypted form changed before it is signed. */
  async function changedBody(change: (message: Record<string, string>) => object): Promise<string> {
    const { header, message } = searchMessage(partner, [byId()]);
    const encrypted = await encryptText(JSON.stringify(message), serverKey);
    return signBody(partner, { ...header, is_msg_encrypted: true }, change(encrypted as unknown as Record<string, string>), {});
  }

  async function expectRefusal(send: () => Promise<Answer>, status: number, code: string): Promise<void> {
    const before = await disclosures();
    const answer = await send();
    expect([answer.status, answer.body.error?.code ?? answer.body.message?.error?.code]).toEqual([status, code]);
    expect(answer.text).not.toContain(person.uin);
    expect(answer.text).not.toContain('reg_records');
    expect(await disclosures()).toBe(before);
    const { rows } = await sql<{ outcome: string }>`select outcome from audit order by seq desc limit 1`.execute(test.database.db);
    expect(rows[0]?.outcome).toBe(code);
  }

  const withHeader = (change: Record<string, string>) => (message: Record<string, unknown>) => ({
    ...message,
    header: { ...(message['header'] as object), ...change },
  });
  it.each<[string, (message: Record<string, string>) => object]>([
    ["a key that is not the server's", withHeader({ kid: 'nobodys' })],
    ['another algorithm', withHeader({ alg: 'RSA1_5' })],
    ['no algorithm', withHeader({ alg: 'none' })],
    ['no content encryption', withHeader({ enc: 'none' })],
    ['compression', withHeader({ zip: 'DEF' })],
    ['another tag', (message) => ({ ...message, tag: randomBytes(16).toString('base64url') })],
    ['another ciphertext', (message) => ({ ...message, ciphertext: randomBytes(64).toString('base64url') })],
    ['another encrypted key', (message) => ({ ...message, encrypted_key: randomBytes(384).toString('base64url') })],
    ['a short encrypted key', (message) => ({ ...message, encrypted_key: 'AA' })],
  ])('with %s is refused', async (_name, change) => {
    const body = await changedBody(change);
    await expectRefusal(() => post(url, partner.token, body), 400, 'err.encryption.invalid');
  });

  it('that holds no JSON object is refused', async () => {
    for (const text of ['', 'hello', '[]', '"x"', '{"a":1,"a":2}', '{"a":1}x']) {
      const encrypted = await encryptText(text, serverKey);
      const { header } = searchMessage(partner, [byId()]);
      const body = signBody(partner, { ...header, is_msg_encrypted: true }, encrypted, {});
      await expectRefusal(() => post(url, partner.token, body), 400, 'err.encryption.invalid');
    }
  });

  it('that is not in encrypted form, or lacks a part of it, is refused', async () => {
    const { header, message } = searchMessage(partner, [byId()]);
    const plain = signBody(partner, { ...header, is_msg_encrypted: true }, message, {});
    await expectRefusal(() => post(url, partner.token, plain), 400, 'err.request.bad');
    const partly = await changedBody(({ tag: _tag, ...rest }) => rest);
    await expectRefusal(() => post(url, partner.token, partly), 400, 'err.request.bad');
  });

  it('that does not say that it is encrypted is no search', async () => {
    const { header, message } = searchMessage(partner, [byId()]);
    const body = signBody(partner, header, await encryptText(JSON.stringify(message), serverKey), {});
    const answer = await post(url, partner.token, body);
    expect(answer.status).not.toBe(500);
    expect(answer.body.header?.status).toBe('rjct');
    expect(answer.text).not.toContain(person.uin);
  });

  it('is refused before it is opened where the signature is not good', async () => {
    const other = { ...partner, key: { ...generateSigningKey('ES256'), kid: partner.key.kid } };
    const forged = await encryptedBody(other, [byId()], serverKey);
    await expectRefusal(() => post(url, partner.token, forged), 401, 'err.signature.invalid');
    const stripped = await encryptedBody(partner, [byId()], serverKey, { signature: null });
    await expectRefusal(() => post(url, partner.token, stripped), 401, 'err.signature.missing');
    const replaced = (await encryptedBody(partner, [byId()], serverKey)).replace(
      /"tag":"[^"]*"/,
      `"tag":"${randomBytes(16).toString('base64url')}"`,
    );
    await expectRefusal(() => post(url, partner.token, replaced), 401, 'err.signature.invalid');
  });

  it('is refused where its answer could not be encrypted', async () => {
    const keyless = await test.addPartner('keyless.test');
    const body = await encryptedBody(keyless, [byId()], serverKey);
    await expectRefusal(() => post(url, keyless.token, body), 400, 'err.encryption.invalid');
  });

  it('is refused when it comes again, in a signed header alone', async () => {
    const body = await encryptedBody(partner, [byId()], serverKey);
    expect((await post(url, partner.token, body)).body.header?.status).toBe('succ');
    const again = await post(url, partner.token, body);
    expect(again.body.header?.status_reason_code).toBe('rjct.message_id.duplicate');
    expect(again.body.message).toBeUndefined();
  });
});

describe('where encryption is required', () => {
  it('a message in clear is refused, and an encrypted one answered', async () => {
    const partner = await test.addPartner('required.test', { encryption: 'required' }, ...DECRYPTION_KEYS.slice(0, 1));
    const before = await disclosures();
    const refused = await post(url, partner.token, searchBody(partner, [byId()]));
    expect([refused.status, refused.body.error?.code]).toEqual([400, 'err.encryption.invalid']);
    expect(refused.text).not.toContain(person.uin);
    expect(await disclosures()).toBe(before);
    const answer = await post(url, partner.token, await encryptedBody(partner, [byId()], serverKeys[0] as EncryptionKey));
    expect((await readAnswer(test.base, answer, own)).encrypted).toBe(true);
  });
});

describe('a partner that is read leniently', () => {
  it('is read so in what it encrypted', async () => {
    const partner = await test.addPartner('lenient.test', { lenient: true }, ...DECRYPTION_KEYS.slice(0, 1));
    const change = { message: { search_request: { reference_id: 'r0', timestamp: '', search_criteria: byId() } } };
    const answer = await post(url, partner.token, await encryptedBody(partner, [byId()], serverKeys[0] as EncryptionKey, change));
    const { response } = await readAnswer(test.base, answer, own);
    expect(JSON.stringify(response)).toContain(person.uin);
  });
});
