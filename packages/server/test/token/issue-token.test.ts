import fc from 'fast-check';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import {
  allowInsecureRequests,
  type AuthorizationServer,
  ClientSecretBasic,
  ClientSecretPost,
  clientCredentialsGrantRequest,
  processClientCredentialsResponse,
} from 'oauth4webapi';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Registered } from '../../src/services/register-partner.ts';
import { changePartner, rotateSecret } from '../../src/services/register-partner.ts';
import { BUILT_IN_PROFILES } from '../../src/profiles/index.ts';
import { describeWithSpec, publishedSchema } from '../../../protocol/test/support/published-schema.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { fetchToken, formOf, OWN_SENDER_ID, startTokenServer, type TokenServer } from './token-server.ts';

let test: TestDatabase;
let server: TokenServer;
let partner: Registered;

beforeAll(async () => {
  test = await createTestDatabase();
  server = await startTokenServer(test);
  partner = await server.register('mis.example.org');
});
afterAll(async () => {
  await server.close();
  await test.drop();
});

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Record<string, unknown>;
}

async function ask(init: RequestInit): Promise<Answer> {
  const response = await fetch(`${server.origin}/oauth2/client/token`, { method: 'POST', ...init });
  return { status: response.status, headers: response.headers, body: (await response.json()) as Record<string, unknown> };
}

function credentials(more: Record<string, string> = {}): Record<string, string> {
  return { grant_type: 'client_credentials', client_id: partner.clientId, client_secret: partner.clientSecret, ...more };
}

function askForm(members: Record<string, string>): Promise<Answer> {
  return ask(formOf(members));
}

function askJson(members: unknown): Promise<Answer> {
  return ask({ headers: { 'content-type': 'application/json' }, body: JSON.stringify(members) });
}

function basic(user: string, password: string): Record<string, string> {
  return { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` };
}

function askBasic(
  authorization: Record<string, string>,
  members: Record<string, string> = { grant_type: 'client_credentials' },
): Promise<Answer> {
  const form = formOf(members);
  return ask({ ...form, headers: { ...form.headers, ...authorization } });
}

describe('a granted token', () => {
  it('is a bearer token of RFC 6749 that nobody stores', async () => {
    const { status, headers, body } = await askForm(credentials());
    expect(status).toBe(200);
    expect(body).toEqual({ access_token: expect.any(String), token_type: 'Bearer', expires_in: 600, scope: 'registry/search' });
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.get('ratelimit')).toMatch(/^"sign-in-client";r=\d+;t=\d+$/);
  });

  it('is an at+jwt of RFC 9068, signed by the published key', async () => {
    const token = await fetchToken(server, partner);
    expect(decodeProtectedHeader(token)).toEqual({ typ: 'at+jwt', alg: 'ES256', kid: server.signingKeys.active().kid });
    const claims = decodeJwt(token);
    expect(claims).toMatchObject({
      iss: OWN_SENDER_ID,
      aud: OWN_SENDER_ID,
      sub: partner.clientId,
      client_id: partner.clientId,
      scope: 'registry/search',
      jti: expect.any(String),
    });
    expect((claims.exp ?? 0) - (claims.iat ?? 0)).toBe(600);
    expect(JSON.stringify(claims)).not.toContain(partner.clientSecret);
  });

  it('comes for a form, for JSON and for HTTP Basic', async () => {
    const { client_id: user = '', client_secret: password = '' } = credentials();
    const answers = await Promise.all([askForm(credentials()), askJson(credentials()), askBasic(basic(user, password))]);
    expect(answers.map((answer) => answer.status)).toEqual([200, 200, 200]);
  });

  it('comes for a charset, an unrelated Authorization header and unknown parameters', async () => {
    const form = formOf(credentials({ audience: 'x' }));
    const { status } = await ask({
      ...form,
      headers: { 'content-type': 'application/x-www-form-urlencoded; charset=UTF-8', authorization: 'Bearer x' },
    });
    expect(status).toBe(200);
  });

  it('comes for halves of HTTP Basic that are form-encoded', async () => {
    const encode = (text: string): string => text.replace(/-/g, '%2D');
    expect((await askBasic(basic(encode(partner.clientId), partner.clientSecret))).status).toBe(200);
  });

  it('is accepted by the verifier, once the partner has it', async () => {
    const { partner: bearer, scopes } = await server.verifier.verify(`Bearer ${await fetchToken(server, partner)}`);
    expect(bearer.senderId).toBe('mis.example.org');
    expect([...scopes]).toEqual(['registry/search']);
  });
});

describe('a client written by others', () => {
  const client = (): { client_id: string } => ({ client_id: partner.clientId });
  const authorizationServer = (): AuthorizationServer => ({
    issuer: server.origin,
    token_endpoint: `${server.origin}/oauth2/client/token`,
  });

  it.each([
    ['client_secret_post', ClientSecretPost],
    ['client_secret_basic', ClientSecretBasic],
  ])('gets a token by %s', async (_name, authenticate) => {
    const response = await clientCredentialsGrantRequest(
      authorizationServer(),
      client(),
      authenticate(partner.clientSecret),
      { scope: 'registry/search' },
      { [allowInsecureRequests]: true },
    );
    const token = await processClientCredentialsResponse(authorizationServer(), client(), response);
    expect(token).toMatchObject({ token_type: 'bearer', expires_in: 600, scope: 'registry/search' });
  });

  it('understands why it was refused', async () => {
    const response = await clientCredentialsGrantRequest(
      authorizationServer(),
      client(),
      ClientSecretPost('wrong'),
      {},
      { [allowInsecureRequests]: true },
    );
    // The library reports the challenge of a 401 first.
    await expect(processClientCredentialsResponse(authorizationServer(), client(), response)).rejects.toMatchObject({ status: 401 });
  });
});

describe('refusals', () => {
  it.each([
    ['no grant type', { grant_type: '' }, 400, 'invalid_request'],
    ['another grant type', { grant_type: 'password' }, 400, 'unsupported_grant_type'],
    ['no client', { client_id: '' }, 401, 'invalid_client'],
    ['no secret', { client_secret: '' }, 401, 'invalid_client'],
    ['a wrong secret', { client_secret: 'wrong' }, 401, 'invalid_client'],
    ['a secret outside ASCII', { client_secret: '\u{1F511}ключ' }, 401, 'invalid_client'],
    ['a NUL in the client', { client_id: 'a\u0000b' }, 401, 'invalid_client'],
    ['a very long secret', { client_secret: 'x'.repeat(12_000) }, 401, 'invalid_client'],
    ['an unknown client', { client_id: 'nobody' }, 401, 'invalid_client'],
    ['an unknown scope', { scope: 'registry/everything' }, 400, 'invalid_scope'],
    ['an unknown scope beside a known one', { scope: 'registry/search registry/write' }, 400, 'invalid_scope'],
    ['a blank scope', { scope: ' ' }, 400, 'invalid_scope'],
  ])('%s', async (_name, members, status, error) => {
    for (const answer of [await askForm(credentials(members)), await askJson(credentials(members))]) {
      expect(answer).toMatchObject({ status, body: { error, error_description: expect.any(String) } });
      expect(answer.headers.get('cache-control')).toBe('no-store');
      expect(answer.headers.get('www-authenticate')).toBe(status === 401 ? 'Basic realm="token", charset="UTF-8"' : null);
    }
  });

  it('tells an unknown client and a wrong secret in the same words', async () => {
    const [unknown, wrong] = [await askForm(credentials({ client_id: 'nobody' })), await askForm(credentials({ client_secret: 'wrong' }))];
    expect(unknown.body).toEqual(wrong.body);
  });

  it('a client that presents itself in two ways', async () => {
    const header = basic(partner.clientId, partner.clientSecret);
    expect(await askBasic(header, credentials())).toMatchObject({ status: 400, body: { error: 'invalid_request' } });
    const another = { grant_type: 'client_credentials', client_id: 'another' };
    expect(await askBasic(header, another)).toMatchObject({ status: 400, body: { error: 'invalid_request' } });
    expect((await askBasic(header, { ...another, client_id: partner.clientId })).status).toBe(200);
  });

  it.each(['Basic', 'Basic !!!', 'Basic bm9jb2xvbg==', 'Basic //79', `Basic ${Buffer.from('%zz:x').toString('base64')}`])(
    'the header %s',
    async (authorization) => {
      expect(await askBasic({ authorization })).toMatchObject({ status: 401, body: { error: 'invalid_client' } });
    },
  );

  it.each([
    ['no body', {}],
    ['another content type', { headers: { 'content-type': 'text/xml' }, body: '<a/>' }],
    ['no content type', { headers: { 'content-type': '' }, body: 'grant_type=client_credentials' }],
    ['a repeated parameter', { headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: 'grant_type=a&grant_type=b' }],
    ['broken JSON', { headers: { 'content-type': 'application/json' }, body: '{"grant_type":' }],
    ['a JSON list', { headers: { 'content-type': 'application/json' }, body: '[]' }],
    ['a member that is no string', { headers: { 'content-type': 'application/json' }, body: '{"grant_type":{"a":1}}' }],
    ['bytes that are not UTF-8', { headers: { 'content-type': 'application/json' }, body: new Uint8Array([0xff, 0xfe]) }],
  ])('%s', async (_name, init) => {
    expect(await ask(init)).toMatchObject({ status: 400, body: { error: 'invalid_request' } });
  });

  it('a body that is too large', async () => {
    expect(await askForm(credentials({ more: 'x'.repeat(20_000) }))).toMatchObject({ status: 413, body: { error: 'invalid_request' } });
  });

  it('never fails and never grants, whatever is sent', async () => {
    const types = fc.constantFrom(
      'application/json',
      'application/x-www-form-urlencoded',
      'text/plain',
      'application/json; charset=latin1',
    );
    const bodies = fc.oneof(
      fc.json(),
      fc.string({ unit: 'binary' }),
      fc.dictionary(fc.string(), fc.string()).map((form) => new URLSearchParams(form).toString()),
    );
    await fc.assert(
      fc.asyncProperty(types, bodies, async (type, body) => {
        const { status } = await ask({ headers: { 'content-type': type }, body });
        expect([400, 401]).toContain(status);
      }),
      { numRuns: 200 },
    );
  });
});

describe('what an operator changes', () => {
  it('a partner that is not active gets no token, and the refusal is the ordinary one', async () => {
    const disabled = await server.register('disabled.example.org');
    await changePartner(test.database.db, BUILT_IN_PROFILES, disabled.senderId, { terms: { active: false } });
    await server.directory.refresh();
    const members = { grant_type: 'client_credentials', client_id: disabled.clientId, client_secret: disabled.clientSecret };
    expect(await askForm(members)).toMatchObject({ status: 401, body: { error: 'invalid_client' } });
  });

  it('a rotated secret takes the place of the old one, though that was just used', async () => {
    const before = await server.register('rotated.example.org');
    const token = await fetchToken(server, before);
    const after = await rotateSecret(test.database.db, before.senderId);
    await server.directory.refresh();
    expect(after.clientId).toBe(before.clientId);
    const members = { grant_type: 'client_credentials', client_id: before.clientId };
    expect((await askForm({ ...members, client_secret: before.clientSecret })).status).toBe(401);
    expect((await askForm({ ...members, client_secret: after.clientSecret })).status).toBe(200);
    await expect(server.verifier.verify(`Bearer ${token}`)).rejects.toMatchObject({ code: 'err.request.unauthorized' });
  });

  it('a partner without scopes gets no token', async () => {
    const bare = await server.register('bare.example.org', []);
    const members = { grant_type: 'client_credentials', client_id: bare.clientId, client_secret: bare.clientSecret };
    expect(await askForm(members)).toMatchObject({ status: 400, body: { error: 'invalid_scope' } });
  });

  it('keeps no secret in clear', async () => {
    const { rows } = await test.database.pool.query<{ secret_hash: string }>('select secret_hash from partner_credential');
    expect(rows.map((row) => row.secret_hash)).toSatisfy((hashes: string[]) =>
      hashes.every((hash) => hash.startsWith('$scrypt$ln=14,r=8,p=1$')),
    );
    expect(JSON.stringify(rows)).not.toContain(partner.clientSecret);
  });
});

describeWithSpec('the published schema', () => {
  it('accepts the answer, but for expires_in, which RFC 6749 makes a number', async () => {
    const { body } = await askForm(credentials());
    const accepts = publishedSchema('authz').response('/oauth2/client/token', '200');
    accepts({ ...body, expires_in: String(body['expires_in']) });
    expect(accepts.errors ?? []).toEqual([]);
    expect(body['expires_in']).toBe(600);
  });
});
