import {
  canonicalJson,
  generateSigningKey,
  parseSignature,
  SIGNATURE_DIALECTS,
  type SignatureDialect,
  signContent,
  signedContent,
} from '@dci/protocol';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mutate, seededRandom } from '../../../protocol/test/support/mutate.ts';
import { importPersons, type Person } from '../support/persons.ts';
import {
  type Answer,
  encryptedBody,
  type MessageChange,
  post,
  searchBody,
  searchMessage,
  startTestApp,
  type TestApp,
  type TestPartner,
} from '../support/test-app.ts';
import { DECRYPTION_KEYS, serverEncryptionKeys, SIGNING_KEYS } from './trust-fixture.ts';

const PLENTY = { limits: { pointsPerMinute: 1_000_000 } };

let test: TestApp;
let person: Person;
let partner: TestPartner;
let other: TestPartner;
let url: string;

beforeAll(async () => {
  test = await startTestApp({}, { DCI_ADDRESS_LIMIT_PER_MINUTE: '1000000' });
  [person] = (await importPersons(test.database, 3)) as [Person];
  partner = await test.addPartner('mis.test', PLENTY, ...DECRYPTION_KEYS.slice(0, 1));
  other = await test.addPartner('other.test');
  url = `${test.base}/social/registry/sync/search`;
});
afterAll(() => test.close());

const byId = (): Record<string, unknown> => ({ query_type: 'idtype-value', query: { type: 'UIN', value: person.uin } });

interface Kept {
  readonly disclosures: string;
  readonly messages: string;
}

/** What refusals must leave as it is. */
async function kept(): Promise<Kept> {
  const { rows } = await sql<Kept>`
    select (select count(*) from audit where record_count > 0) as disclosures, (select count(*) from message_seen) as messages
  `.execute(test.database.db);
  return rows[0] as Kept;
}

async function expectRefused(body: string, code: string, sender = partner): Promise<void> {
  const before = await kept();
  const answer = await post(url, sender.token, body);
  expect([answer.status, answer.body.message?.error?.code]).toEqual([401, code]);
  expect(answer.body.errors?.[0]).toMatchObject({ code, pointer: '/signature' });
  expectNothing(answer);
  expect(await kept()).toEqual(before);
}

function expectNothing(answer: Answer): void {
  expect(answer.text).not.toContain(person.uin);
  expect(answer.text).not.toContain('reg_records');
  expect(answer.body.message?.search_response).toBeUndefined();
}

describe.each(SIGNATURE_DIALECTS)('in the dialect %s', (dialect) => {
  const bodyOf = (change: MessageChange = {}, sender: TestPartner = partner) => searchBody(sender, [byId()], { dialect, ...change });
  const now = () => Math.floor(Date.now() / 1000);

  it('a good signature is answered, so that the refusals below mean something', async () => {
    expect((await post(url, partner.token, bodyOf())).text).toContain(person.uin);
  });

  it.each<[string, () => string, string]>([
    ['forged by a key that claims a registered id', () => bodyOf({}, { ...partner, key: named(partner.key.kid) }), 'err.signature.invalid'],
    ['by a key of another partner', () => bodyOf({}, { ...partner, key: other.key }), 'err.signature.invalid'],
    ['by a key that nobody registered', () => bodyOf({}, { ...partner, key: generateSigningKey('ES256') }), 'err.signature.invalid'],
    ['stripped', () => bodyOf({ signature: null }), 'err.signature.missing'],
    ['emptied', () => bodyOf({ signature: '' }), 'err.signature.missing'],
    ['declared absent', () => bodyOf({ signature: 'unsigned' }), 'err.signature.missing'],
    ['swapped for that of another message', () => bodyOf({ signature: signatureOf(bodyOf()) }), 'err.signature.invalid'],
    ['expired', () => bodyOf({ created: now() - 400, expires: now() - 1 }), 'err.signature.invalid'],
    ['not yet valid', () => bodyOf({ created: now() + 120, expires: now() + 400 }), 'err.signature.invalid'],
    ['over-long', () => bodyOf({ created: now(), expires: now() + 86_401 }), 'err.signature.invalid'],
    ['over a message that was changed', () => bodyOf().replace('"idtype-value"', '"predicate"'), 'err.signature.invalid'],
    ['over a header that was changed', () => bodyOf().replace('"total_count":1', '"total_count":2'), 'err.signature.invalid'],
  ])('a signature %s is refused', async (_name, body, code) => {
    await expectRefused(body(), code);
  });

  it.each<[string, () => string]>([
    ['forged', () => bodyOf({}, { ...keyless(), key: generateSigningKey('ES256') })],
    ['nonsense', () => bodyOf({ signature: 'nonsense' }, keyless())],
  ])('a signature that is %s is refused where none is needed', async (_name, body) => {
    if (optional === undefined) optional = await test.addPartner('optional.test', { signature: 'optional' });
    await expectRefused(body(), 'err.signature.invalid', optional);
  });

  it('a message that was answered is not answered again', async () => {
    const body = bodyOf();
    expect((await post(url, partner.token, body)).body.header?.status).toBe('succ');
    const again = await post(url, partner.token, body);
    expect(again.body.header).toMatchObject({ status: 'rjct', status_reason_code: 'rjct.message_id.duplicate' });
    expectNothing(again);
  });
});

let optional: TestPartner | undefined;
const keyless = (): TestPartner => ({ ...partner, senderId: 'optional.test' });
const named = (kid: string) => ({ ...generateSigningKey('ES256'), kid });
const signatureOf = (body: string): string => (JSON.parse(body) as { signature: string }).signature;

describe('a JWS', () => {
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

  /** A search whose JWS has this protected header, signed as it says. */
  function jwsBody(dialect: SignatureDialect, parameters: Record<string, unknown>): string {
    const { header, message } = searchMessage(partner, [byId()]);
    const content = signedContent(canonicalJson(header), canonicalJson(message));
    const terms = { senderId: partner.senderId, created: 1_700_000_000, expires: 1_700_000_300, dialect };
    const [, payload = '', signature = ''] = signContent(content, partner.key, terms).split('.');
    return JSON.stringify({
      signature: [encode({ alg: 'ES256', kid: partner.key.kid, ...parameters }), payload, signature].join('.'),
      header,
      message,
    });
  }

  it.each<[string, Record<string, unknown>]>([
    ['without algorithm', { alg: 'none' }],
    ['with a shared secret', { alg: 'HS256' }],
    ['with another algorithm than that of the key', { alg: 'EdDSA' }],
    ['with critical extensions', { crit: ['b64'], b64: false }],
    ['without a key id', { kid: undefined }],
    ['with another header than was signed', {}],
  ])('%s is refused', async (_name, parameters) => {
    for (const dialect of ['jws', 'jws-detached'] as const) await expectRefused(jwsBody(dialect, parameters), 'err.signature.invalid');
  });
});

it('hundreds of damaged messages are refused, and nothing fails', async () => {
  const random = seededRandom(20_241_115);
  const senders = await Promise.all(
    SIGNING_KEYS.map((key) => test.addPartner(`fuzz-${key.kid}.test`, PLENTY, key, ...DECRYPTION_KEYS.slice(0, 1))),
  );
  const [serverKey] = await serverEncryptionKeys(test.base);
  if (serverKey === undefined) throw new Error('the server publishes no key to encrypt to');
  const before = await kept();
  let refused = 0;
  let accepted = 0;
  // Some damage is harmless; how much differs from run to run, for what is damaged is made anew each time.
  for (let count = 0; count < 400 || (refused <= 380 && count < 500); count += 1) {
    const sender = senders[random(senders.length)] ?? partner;
    const dialect = SIGNATURE_DIALECTS[random(3)] ?? 'dci';
    const original = JSON.parse(
      random(2) === 0 ? searchBody(sender, [byId()], { dialect }) : await encryptedBody(sender, [byId()], serverKey, { dialect }),
    ) as { signature: string };
    const text = mutate(original.signature, signatureOf(searchBody(sender, [byId()], { dialect })), random);
    if (text.trim() === original.signature.trim()) continue;
    const answer = await post(url, sender.token, JSON.stringify({ ...original, signature: text }));
    expect(answer.status).toBeLessThan(500);
    // Blanks and a name in the other case are no damage to the dialect dci.
    if (answer.status === 200) {
      expect(dialect).toBe('dci');
      expect(parseSignature(text.trim())).toEqual(parseSignature(original.signature));
      accepted += 1;
    } else {
      expectNothing(answer);
      refused += 1;
    }
  }
  expect(refused).toBeGreaterThan(380);
  const after = await kept();
  expect(Number(after.disclosures) - Number(before.disclosures)).toBe(accepted);
});
