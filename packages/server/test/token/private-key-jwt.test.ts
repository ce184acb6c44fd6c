import { generateSigningKey, importPublicKey, publicJwk, type SigningKey } from '@dci/protocol';
import { type JWTPayload, SignJWT } from 'jose';
import {
  allowInsecureRequests,
  clientCredentialsGrantRequest,
  discoveryRequest,
  PrivateKeyJwt,
  processClientCredentialsResponse,
  processDiscoveryResponse,
} from 'oauth4webapi';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BUILT_IN_PROFILES } from '../../src/profiles/index.ts';
import { changePartner, type Registered } from '../../src/services/register-partner.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { BASE_PATH, formOf, startTokenServer, type TokenServer } from './token-server.ts';

let test: TestDatabase;
let server: TokenServer;
let other: TokenServer;
let partner: Registered;
const key = generateSigningKey('ES256');
const stranger = generateSigningKey('ES256');

beforeAll(async () => {
  test = await createTestDatabase();
  server = await startTokenServer(test);
  other = await startTokenServer(test, { sealer: server.sealer });
  partner = await server.register('mis.example.org', ['registry/search'], [verifying(key)]);
  await other.directory.refresh();
});
afterAll(async () => {
  await server.close();
  await other.close();
  await test.drop();
});

function verifying(signing: SigningKey) {
  return importPublicKey({ ...publicJwk(signing) });
}

const TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
let made = 0;

function assertion(claims: JWTPayload = {}, header: Record<string, unknown> = {}, signing: SigningKey = key): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  const usual = { iss: partner.clientId, sub: partner.clientId, aud: server.origin, jti: `j${(made += 1)}`, iat: now, exp: now + 60 };
  return new SignJWT({ ...usual, ...claims }).setProtectedHeader({ alg: signing.algorithm, kid: signing.kid, ...header }).sign(signing.key);
}

interface Answer {
  readonly status: number;
  readonly body: { readonly access_token?: string; readonly error?: string; readonly error_description?: string };
}

async function present(text: string, members: Record<string, string> = {}, at = server): Promise<Answer> {
  const form = { grant_type: 'client_credentials', client_assertion_type: TYPE, client_assertion: text, ...members };
  const response = await fetch(`${at.origin}/oauth2/client/token`, formOf(form));
  return { status: response.status, body: (await response.json()) as Answer['body'] };
}

async function expectRefused(answer: Promise<Answer>, error = 'invalid_client', status = 401): Promise<void> {
  const { status: got, body } = await answer;
  expect([got, body.error, body.access_token]).toEqual([status, error, undefined]);
}

describe('a client that signs instead of telling a secret', () => {
  it.each([
    ['', 'at the host'],
    [BASE_PATH, 'below the base path'],
  ])('gets a token by oauth4webapi, found by discovery (%s, %s)', async (path) => {
    const issuer = new URL(`${server.origin}${path}`);
    const found = await discoveryRequest(issuer, { algorithm: 'oauth2', [allowInsecureRequests]: true });
    const authorizationServer = await processDiscoveryResponse(issuer, found);
    // The routes below the base path are the whole server's; here the endpoints stand at the host.
    const reached = { ...authorizationServer, token_endpoint: `${server.origin}/oauth2/client/token` };
    const client = { client_id: partner.clientId };
    const privateKey = await crypto.subtle.importKey(
      'pkcs8',
      key.key.export({ type: 'pkcs8', format: 'der' }),
      { name: 'ECDSA', namedCurve: 'P-256' },
      false,
      ['sign'],
    );
    const authenticate = PrivateKeyJwt({ key: privateKey, kid: key.kid });
    const response = await clientCredentialsGrantRequest(
      reached,
      client,
      authenticate,
      { scope: 'registry/search' },
      { [allowInsecureRequests]: true },
    );
    const token = await processClientCredentialsResponse(reached, client, response);
    expect((await server.verifier.verify(`Bearer ${token.access_token}`)).partner.senderId).toBe('mis.example.org');
  });

  it('may name its issuer or its token endpoint, and itself or not', async () => {
    for (const aud of [server.origin, `${server.origin}/oauth2/client/token`, `${server.origin}${BASE_PATH}`, [server.origin]])
      expect([aud, (await present(await assertion({ aud }))).status]).toEqual([aud, 200]);
    expect((await present(await assertion(), { client_id: partner.clientId })).status).toBe(200);
  });

  it('needs no key id where the partner has one key', async () => {
    expect((await present(await assertion({}, { kid: undefined }))).status).toBe(200);
    const two = await server.register('two.example.org', ['registry/search'], [verifying(key), verifying(stranger)]);
    await expectRefused(present(await assertion({ iss: two.clientId, sub: two.clientId }, { kid: undefined })));
    expect((await present(await assertion({ iss: two.clientId, sub: two.clientId }))).status).toBe(200);
  });
});

describe('an assertion', () => {
  it('is good once, whichever node it reaches, however many come together', async () => {
    const text = await assertion({ aud: server.origin });
    const answers = await Promise.all(Array.from({ length: 10 }, () => present(text)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    await expectRefused(present(text));
    const { rows } = await test.database.pool.query('select 1 from client_assertion_seen where digest like $1', [`%${text.slice(-10)}%`]);
    expect(rows).toEqual([]);
  });

  it('that was used at one node is refused by another', async () => {
    const text = await assertion({ aud: [other.origin] });
    const second = await assertion({ aud: other.origin, jti: `j${made}` });
    expect((await present(text, {}, other)).status).toBe(200);
    await expectRefused(present(second, {}, other));
  });

  it('of the same id is another for another client', async () => {
    const twin = await server.register('twin.example.org', ['registry/search'], [verifying(key)]);
    const jti = 'shared by two clients';
    expect((await present(await assertion({ jti }))).status).toBe(200);
    expect((await present(await assertion({ jti, iss: twin.clientId, sub: twin.clientId }))).status).toBe(200);
  });

  const now = (): number => Math.floor(Date.now() / 1000);
  it.each<[string, () => JWTPayload]>([
    ['for somebody else', () => ({ aud: 'https://other.example.org' })],
    ['for us and somebody else', () => ({ aud: [server.origin, 'https://other.example.org'] })],
    ['for nobody', () => ({ aud: undefined })],
    ['that has expired', () => ({ exp: now() - 60 })],
    ['without an end', () => ({ exp: undefined })],
    ['that lives too long', () => ({ exp: now() + 3_600 })],
    ['from the future', () => ({ iat: now() + 120, exp: now() + 180 })],
    ['not yet valid', () => ({ nbf: now() + 120 })],
    ['without an id', () => ({ jti: undefined })],
    ['with an empty id', () => ({ jti: '' })],
    ['with a huge id', () => ({ jti: 'x'.repeat(2_000) })],
    ['of another issuer', () => ({ iss: 'somebody' })],
    ['about somebody unknown', () => ({ sub: 'nobody', iss: 'nobody' })],
    ['about nobody', () => ({ sub: undefined })],
  ])('%s is refused, and nothing is noted of it', async (_name, claims) => {
    const count = async (): Promise<unknown> => (await test.database.pool.query('select count(*) from client_assertion_seen')).rows;
    const before = await count();
    await expectRefused(present(await assertion(claims())));
    expect(await count()).toEqual(before);
  });

  it('signed by another key is refused, under its own name and under the registered one', async () => {
    await expectRefused(present(await assertion({}, {}, stranger)));
    await expectRefused(present(await assertion({}, { kid: key.kid }, stranger)));
    const bring = { kid: stranger.kid, jwk: publicJwk(stranger), jku: `${server.origin}/keys` };
    await expectRefused(present(await assertion({}, bring, stranger)));
  });

  it('signed with the secret, or not at all, is refused', async () => {
    const { iss, sub, aud, jti, exp } = { iss: partner.clientId, sub: partner.clientId, aud: server.origin, jti: 'x', exp: now() + 60 };
    const claims = { iss, sub, aud, jti, exp };
    const byHmac = await new SignJWT(claims).setProtectedHeader({ alg: 'HS256', kid: key.kid }).sign(Buffer.from(partner.clientSecret));
    await expectRefused(present(byHmac));
    const encode = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url');
    await expectRefused(present(`${encode({ alg: 'none', kid: key.kid })}.${encode(claims)}.`));
  });

  it.each(['x', '..', 'a.b.c', 'é', 'x'.repeat(12_000)])('of the form "%.10s" is refused', async (text) => {
    await expectRefused(present(text));
  });

  it('beside another client id, a secret or HTTP Basic is refused', async () => {
    await expectRefused(present(await assertion(), { client_id: 'another' }));
    await expectRefused(present(await assertion(), { client_secret: partner.clientSecret }), 'invalid_request', 400);
    await expectRefused(present(await assertion(), { client_assertion_type: 'saml' }), 'invalid_request', 400);
    const form = formOf({ grant_type: 'client_credentials', client_assertion_type: TYPE, client_assertion: await assertion() });
    const authorization = `Basic ${Buffer.from(`${partner.clientId}:${partner.clientSecret}`).toString('base64')}`;
    const response = await fetch(`${server.origin}/oauth2/client/token`, { ...form, headers: { ...form.headers, authorization } });
    expect(response.status).toBe(400);
  });
});

it('ends with its key: its tokens, and what it signs from then on', async () => {
  const revoked = generateSigningKey('EdDSA');
  const leaving = await server.register('leaving.example.org', ['registry/search'], [verifying(revoked), verifying(key)]);
  const names = { iss: leaving.clientId, sub: leaving.clientId };
  const { body } = await present(await assertion(names, {}, revoked));
  expect((await server.verifier.verify(`Bearer ${body.access_token}`)).partner.senderId).toBe('leaving.example.org');
  await changePartner(test.database.db, BUILT_IN_PROFILES, 'leaving.example.org', { keys: { revoke: [revoked.kid] } });
  await server.directory.refresh();
  await expectRefused(present(await assertion(names, {}, revoked)));
  await expect(server.verifier.verify(`Bearer ${body.access_token}`)).rejects.toMatchObject({ code: 'err.request.unauthorized' });
  await changePartner(test.database.db, BUILT_IN_PROFILES, 'leaving.example.org', { terms: { active: false } });
  await server.directory.refresh();
  await expectRefused(present(await assertion(names)));
});
