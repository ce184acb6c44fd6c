import { generateKeyPairSync } from 'node:crypto';
import { generateSigningKey, importPublicKey, publicJwk, type SigningKey } from '@dci/protocol';
import { sql } from 'kysely';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type App, startApp } from '../../src/app.ts';
import { createGuardedClient, type GuardedClient } from '../../src/outbound/guarded-client.ts';
import { BUILT_IN_PROFILES } from '../../src/profiles/index.ts';
import { openPartnerDirectory, type PartnerDirectory } from '../../src/services/partner-directory.ts';
import { createPublishedKeys, type PublishedKeys } from '../../src/services/published-keys.ts';
import { changePartner } from '../../src/services/register-partner.ts';
import { makeCertificate } from '../outbound/certificate.ts';
import { type Recorder, startRecorder } from '../outbound/recorder.ts';
import { type Answer, post, searchBody, startTestApp, type TestApp, type TestPartner } from '../support/test-app.ts';

const HOUR = 3_600;
const certificate = makeCertificate(['partner.test']);
const outbound = { resolve: async () => ['127.0.0.1'], trustedCertificates: certificate.cert };
const lines: string[] = [];
const log = pino({ level: 'info' }, { write: (line: string) => void lines.push(line) });
let offset = 0;
const now = (): number => Date.now() + offset;

let test: TestApp;
let other: App;
let directory: PartnerDirectory;
let client: GuardedClient;
/** As the periodic task of a server uses it. */
let periodic: PublishedKeys;
let publisher: Recorder;
let partner: TestPartner;
let published: unknown;
let status = 200;
let serial = 0;

beforeAll(async () => {
  test = await startTestApp({ outbound, log, now }, { DCI_ALLOW_PRIVATE_CALLBACKS: 'true' });
  other = await startApp(test.config, { outbound, log, now });
  directory = await openPartnerDirectory(test.database, log);
  client = createGuardedClient({ ...test.config, ...outbound });
  periodic = createPublishedKeys({ ...test.config, db: test.database.db, client, directory, now, log });
});
afterAll(async () => {
  await client.close();
  await directory.close();
  await other.close();
  await test.close();
});

beforeEach(async () => {
  publisher = await startRecorder(
    (_, response) => void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(published)),
    { certificate },
  );
  lines.length = 0;
  status = 200;
  serial += 1;
  partner = await test.addPartner(`mis-${serial}.example.org`);
  await publish(partner.key);
});
afterEach(() => publisher.close());

/** Registers the address in place of the partner's keys, as the command line does once it has fetched them. */
async function publish(...keys: readonly SigningKey[]): Promise<void> {
  published = { keys: keys.map(publicJwk) };
  const found = keys.map((key) => importPublicKey({ ...publicJwk(key) }));
  await change({ published: { url: address(), keys: found, usableForSeconds: HOUR } });
}

const address = (): string => `https://partner.test:${publisher.port}/jwks.json`;

async function change(keys: NonNullable<Parameters<typeof changePartner>[3]['keys']>): Promise<void> {
  await changePartner(test.database.db, BUILT_IN_PROFILES, partner.senderId, { keys });
  await directory.refresh();
  // Each server is told, and reads anew.
  await new Promise((resolve) => setTimeout(resolve, 300));
}

/** As if the last look there was long ago. */
async function forgetLooks(): Promise<void> {
  offset += 1_000;
  await sql`update partner_jwks set attempted_at = clock_timestamp() - interval '1 day'`.execute(test.database.db);
}

async function ask(key: SigningKey, url = test.app.url): Promise<Answer> {
  const body = searchBody({ ...partner, key }, [{ query_type: 'idtype-value', query: { type: 'UIN', value: '900000000' } }]);
  return await post(`${url}/api/v2/dci/social/registry/sync/search`, partner.token, body);
}

async function countAnswered(): Promise<number> {
  const { rows } = await sql<{
    n: number;
  }>`select count(*)::int as n from audit where sender_id = ${partner.senderId} and outcome = 'answered'`.execute(test.database.db);
  return rows[0]?.n ?? 0;
}

async function loadJwks(): Promise<Record<string, unknown> | undefined> {
  const found = await sql<Record<string, unknown>>`select * from partner_jwks where url = ${address()}`.execute(test.database.db);
  return found.rows[0];
}

async function expectRefused(answer: Answer): Promise<void> {
  expect([answer.status, answer.body.message?.error?.code]).toEqual([401, 'err.signature.invalid']);
  expect(answer.text).not.toContain('reg_records');
}

describe('a key that a partner publishes', () => {
  it('is used without a look at the address', async () => {
    expect((await ask(partner.key)).status).toBe(200);
    expect((await ask(partner.key, other.url)).status).toBe(200);
    expect(publisher.connections()).toBe(0);
  });

  it('is found when a message names it, by one look however many messages and servers there are', async () => {
    const next = generateSigningKey('EdDSA');
    published = { keys: [publicJwk(partner.key), publicJwk(next)] };
    await forgetLooks();
    const answers = await Promise.all(Array.from({ length: 20 }, (_, index) => ask(next, index % 2 === 0 ? test.app.url : other.url)));
    expect(answers.map(({ status: answered }) => answered)).toEqual(answers.map(() => 200));
    expect(publisher.requests.map(({ line }) => line)).toEqual(['GET /jwks.json']);
    expect((await ask(partner.key)).status).toBe(200);
    expect(await countAnswered()).toBe(21);
  });

  it('is not looked for more than once in half a minute, whatever messages name', async () => {
    await forgetLooks();
    for (let index = 0; index < 30; index += 1) {
      offset += 1_000;
      await expectRefused(await ask(generateSigningKey('EdDSA'), index % 2 === 0 ? test.app.url : other.url));
    }
    expect(publisher.requests).toHaveLength(1);
    expect(await countAnswered()).toBe(0);
    expect((await ask(partner.key)).status).toBe(200);
  });

  it('ends when the address does not hold it any more', async () => {
    const next = generateSigningKey('ES256');
    published = { keys: [publicJwk(next)] };
    await forgetLooks();
    await periodic.refreshDue();
    await expect.poll(async () => (await ask(partner.key)).status).toBe(401);
    await expect.poll(async () => (await ask(partner.key, other.url)).status).toBe(401);
    expect((await ask(next)).status).toBe(200);
  });

  it('that an operator revoked stays revoked, on every server', async () => {
    await change({ revoke: [partner.key.kid] });
    await forgetLooks();
    await periodic.refreshDue();
    expect(publisher.requests).toHaveLength(1);
    await forgetLooks();
    await expectRefused(await ask(partner.key));
    await expectRefused(await ask(partner.key, other.url));
    expect(await countAnswered()).toBe(0);
  });

  it('does not take the place of one that an operator registered under its id', async () => {
    const own = { ...generateSigningKey('ES256'), kid: 'key-1' };
    await change({ put: [importPublicKey({ ...publicJwk(own) })] });
    const forged = { ...generateSigningKey('ES256'), kid: 'key-1' };
    published = { keys: [publicJwk(partner.key), publicJwk(forged)] };
    await forgetLooks();
    await periodic.refreshDue();
    await expectRefused(await ask(forged));
    expect((await ask(own)).status).toBe(200);
  });

  it('is taken by another partner only if it stands at that one’s address', async () => {
    const next = generateSigningKey('ES256');
    published = { keys: [publicJwk(next)] };
    partner = await test.addPartner(`stranger-${serial}.example.org`);
    await expectRefused(await ask(next));
    expect(publisher.connections()).toBe(0);
  });

  it('is not found for a partner that was shut out meanwhile', async () => {
    const next = generateSigningKey('ES256');
    published = { keys: [publicJwk(next)] };
    await forgetLooks();
    const known = directory.findBySenderId(partner.senderId);
    if (known === undefined) expect.fail('the partner is not known');
    await changePartner(test.database.db, BUILT_IN_PROFILES, partner.senderId, { terms: { active: false } });
    expect(await periodic.findNewKey(known, next.kid)).toBeUndefined();
    await forgetLooks();
    await periodic.refreshDue();
    expect(publisher.requests).toHaveLength(1);
  });
});

describe('an address that does not answer', () => {
  it.each([
    ['with a failure', () => void (status = 500), 'status 500'],
    ['with a redirect', () => void (status = 302), 'redirect'],
    ['with what is no JWKS', () => void (published = { keys: 'none' }), 'list "keys"'],
    ['without a key that signs', () => void (published = { keys: [] }), 'no key for signatures'],
    ['with too much', () => void (published = { keys: [], padding: 'x'.repeat(300_000) }), 'more than 262144 bytes'],
  ])('%s leaves the keys as they are, and says why', async (_what, spoil, reason) => {
    spoil();
    await forgetLooks();
    await periodic.refreshDue();
    expect(publisher.requests).toHaveLength(1);
    expect(await loadJwks()).toMatchObject({ error: expect.stringContaining(reason) });
    expect((await ask(partner.key)).status).toBe(200);
    expect(lines.join()).toContain('could not be fetched');
  });

  it('is good for a bounded time; keys work again when it answers again', async () => {
    status = 503;
    await sql`update partner_jwks set usable_until = clock_timestamp() - interval '1 second'`.execute(test.database.db);
    await forgetLooks();
    await periodic.refreshDue();
    await expect.poll(async () => (await ask(partner.key)).status).toBe(401);
    await expect.poll(async () => (await ask(partner.key, other.url)).status).toBe(401);
    status = 200;
    await forgetLooks();
    await periodic.refreshDue();
    await expect.poll(async () => (await ask(partner.key)).status).toBe(200);
    expect(await loadJwks()).toMatchObject({ error: null, usable_until: expect.any(Date) });
  });

  it('is left alone until it is due', async () => {
    await forgetLooks();
    await periodic.refreshDue();
    await periodic.refreshDue();
    expect(publisher.requests).toHaveLength(1);
  });

  it('that leads inside is not called', async () => {
    const strict = createGuardedClient({ ...test.config, ...outbound, allowPrivateCallbacks: false });
    const settings = { ...test.config, db: test.database.db, client: strict, directory, now, log };
    await forgetLooks();
    await createPublishedKeys(settings).refreshDue();
    await strict.close();
    expect(publisher.connections()).toBe(0);
    expect(await loadJwks()).toMatchObject({ error: expect.stringContaining('leads to an address that is loopback') });
    expect((await ask(partner.key)).status).toBe(200);
  });
});

it('keys of other kinds are passed over, and said', async () => {
  const next = generateSigningKey('EdDSA');
  const weak = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' });
  const secret = generateSigningKey('ES256').key.export({ format: 'jwk' });
  published = {
    keys: [
      { kty: 'oct', k: 'c2VjcmV0', kid: 'a' },
      { ...weak, kid: 'b' },
      { ...secret, kid: 'c' },
      'key',
      null,
      publicJwk(next),
      { ...publicJwk(partner.key), kid: next.kid },
    ],
  };
  await forgetLooks();
  expect((await ask(next)).status).toBe(200);
  const warned = lines.find((line) => line.includes('of no use'));
  expect((JSON.parse(warned ?? '{}') as { skipped?: string[] }).skipped).toHaveLength(6);
  expect(warned).not.toContain(String(secret['d']));
});

it('an address that a message names is never looked at', async () => {
  const elsewhere = await startRecorder((_, response) => void response.end(JSON.stringify({ keys: [publicJwk(forged)] })), { certificate });
  const forged = generateSigningKey('ES256');
  const jku = `https://partner.test:${elsewhere.port}/jwks.json`;
  const head = { alg: 'ES256', kid: forged.kid, jku, x5u: jku };
  const signature = `${Buffer.from(JSON.stringify(head)).toString('base64url')}..${Buffer.alloc(64, 1).toString('base64url')}`;
  const header = { sender_uri: jku, meta: { jwks_uri: jku } };
  const body = searchBody(partner, [{ query_type: 'idtype-value', query: { type: 'UIN', value: '900000000' } }], { signature, header });
  await expectRefused(await post(`${test.base}/social/registry/sync/search`, partner.token, body));
  expect(elsewhere.connections()).toBe(0);
  await elsewhere.close();
});
