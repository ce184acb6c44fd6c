import { createHmac, generateKeyPairSync } from 'node:crypto';
import { generateSigningKey, publicJwk, type SigningKey } from '@dci/protocol';
import fc from 'fast-check';
import { calculateJwkThumbprint, decodeJwt, type JWTHeaderParameters, type JWTPayload, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BUILT_IN_PROFILES } from '../../src/profiles/index.ts';
import { changePartner, type Registered } from '../../src/services/register-partner.ts';
import { rotateOwnKeys } from '../../src/services/own-keys.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { fetchToken, startTokenServer, type TokenServer } from './token-server.ts';

let test: TestDatabase;
let server: TokenServer;
let partner: Registered;
let token: string;
let clock = Date.now();

beforeAll(async () => {
  test = await createTestDatabase();
  server = await startTokenServer(test, { now: () => clock });
  partner = await server.register('mis.example.org');
  token = await fetchToken(server, partner);
});
afterAll(async () => {
  await server.close();
  await test.drop();
});

const REFUSED = { name: 'DciError', code: 'err.request.unauthorized' };

/** A token like the good one but for `claims` and `header`, signed by `key`. */
function forge(
  claims: JWTPayload,
  header: Partial<JWTHeaderParameters> = {},
  key: SigningKey = server.signingKeys.active(),
): Promise<string> {
  const merged = { typ: 'at+jwt', alg: key.algorithm, kid: key.kid, ...header };
  return new SignJWT({ ...decodeJwt(token), ...claims }).setProtectedHeader(merged).sign(key.key);
}

function encode(part: object): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url');
}

describe('the verifier', () => {
  it('says who sends, from the store and not from the token', async () => {
    const { partner: bearer, scopes } = await server.verifier.verify(`Bearer ${token}`);
    expect(bearer.senderId).toBe('mis.example.org');
    expect(scopes).toEqual(new Set(['registry/search']));
  });

  it('accepts what another client of the same key would write', async () => {
    expect((await server.verifier.verify(`Bearer ${await forge({ jti: 'another' })}`)).partner.senderId).toBe('mis.example.org');
  });

  it('gives no scope that the partner does not have', async () => {
    const { scopes } = await server.verifier.verify(`Bearer ${await forge({ scope: 'registry/search registry/write' })}`);
    expect(scopes).toEqual(new Set(['registry/search']));
  });

  it.each([
    ['nothing', undefined],
    ['an empty header', ''],
    ['another scheme', 'Basic abc'],
    ['no token', 'Bearer '],
    ['two blanks', 'Bearer  abc'],
    ['two tokens', 'Bearer abc def'],
    ['a word', 'Bearer abc'],
    ['three empty parts', 'Bearer ..'],
    ['letters outside ASCII', 'Bearer tökén'],
    ['a NUL', 'Bearer a\u0000b'],
    ['a huge header', `Bearer ${'x'.repeat(100_000)}`],
  ])('refuses %s', async (_name, authorization) => {
    await expect(server.verifier.verify(authorization)).rejects.toMatchObject(REFUSED);
  });

  it.each<[string, JWTPayload]>([
    ['another issuer', { iss: 'other.example.org' }],
    ['another audience', { aud: 'other.example.org' }],
    ['no audience', { aud: undefined }],
    ['the past', { exp: Math.floor(clock / 1000) - 1 }],
    ['no end', { exp: undefined }],
    ['the future', { nbf: Math.floor(clock / 1000) + 60 }],
    ['another subject', { sub: 'somebody' }],
    ['an unknown client', { sub: 'nobody', client_id: 'nobody' }],
    ['a client that is no text', { client_id: 1 }],
    ['no scope claim', { scope: undefined }],
    ['no id', { jti: undefined }],
    ['another state of the credential', { dci_credential: 'AAAAAAAAAAAAAAAA' }],
  ])('refuses a token of ours for %s', async (_name, claims) => {
    await expect(server.verifier.verify(`Bearer ${await forge(claims)}`)).rejects.toMatchObject(REFUSED);
  });

  it.each(['JWT', undefined, 'dpop+jwt'])('refuses the type %s', async (typ) => {
    await expect(server.verifier.verify(`Bearer ${await forge({}, { typ })}`)).rejects.toMatchObject(REFUSED);
  });

  it('refuses the key of somebody else, under its own name and under ours', async () => {
    const foreign = generateSigningKey('ES256');
    await expect(server.verifier.verify(`Bearer ${await forge({}, {}, foreign)}`)).rejects.toMatchObject(REFUSED);
    const { kid } = server.signingKeys.active();
    await expect(server.verifier.verify(`Bearer ${await forge({}, { kid }, foreign)}`)).rejects.toMatchObject(REFUSED);
    const { privateKey: rsa } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const other: SigningKey = { kid, algorithm: 'RS256', key: rsa };
    await expect(server.verifier.verify(`Bearer ${await forge({}, {}, other)}`)).rejects.toMatchObject(REFUSED);
  });

  it('refuses a key that the token brings along', async () => {
    const foreign = generateSigningKey('ES256');
    const jwk = { ...publicJwk(foreign) };
    const bare = await forge({}, { kid: await calculateJwkThumbprint(jwk), jwk }, foreign);
    await expect(server.verifier.verify(`Bearer ${bare}`)).rejects.toMatchObject(REFUSED);
  });

  it('refuses algorithms without a signature, or with our public key as the secret', async () => {
    const { kid } = server.signingKeys.active();
    const payload = encode(decodeJwt(token));
    const unsigned = `${encode({ typ: 'at+jwt', alg: 'none', kid })}.${payload}.`;
    await expect(server.verifier.verify(`Bearer ${unsigned}`)).rejects.toMatchObject(REFUSED);
    const [jwk] = server.signingKeys.jwks().keys;
    const pem = server.signingKeys.findPublic(kid)?.key.export({ type: 'spki', format: 'pem' }).toString() ?? '';
    for (const secret of [JSON.stringify(jwk), pem, pem.trim()]) {
      const signed = `${encode({ typ: 'at+jwt', alg: 'HS256', kid })}.${payload}`;
      const mac = createHmac('sha256', secret).update(signed).digest('base64url');
      await expect(server.verifier.verify(`Bearer ${signed}.${mac}`)).rejects.toMatchObject(REFUSED);
    }
  });

  it('refuses every token that differs from the good one in a character', async () => {
    const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=~+/'.split('');
    await fc.assert(
      fc.asyncProperty(
        fc.nat(token.length - 1),
        fc.constantFrom(...letters),
        fc.constantFrom('put', 'drop', 'add'),
        async (at, letter, how) => {
          const tail = token.slice(how === 'add' ? at : at + 1);
          const changed = `${token.slice(0, at)}${how === 'drop' ? '' : letter}${tail}`;
          fc.pre(changed !== token);
          await expect(server.verifier.verify(`Bearer ${changed}`)).rejects.toMatchObject(REFUSED);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('refuses whatever else is sent', async () => {
    const parts = fc.array(
      fc.oneof(
        fc.string(),
        fc.base64String(),
        fc.json().map((text) => Buffer.from(text).toString('base64url')),
      ),
      { maxLength: 5 },
    );
    await fc.assert(
      fc.asyncProperty(parts, async (sent) => {
        await expect(server.verifier.verify(`Bearer ${sent.join('.')}`)).rejects.toMatchObject(REFUSED);
      }),
      { numRuns: 300 },
    );
  });
});

describe('a remembered token', () => {
  it('ends when its time is over', async () => {
    const short = await forge({ exp: Math.floor(clock / 1000) + 30 });
    await server.verifier.verify(`Bearer ${short}`);
    clock += 31_000;
    await expect(server.verifier.verify(`Bearer ${short}`)).rejects.toMatchObject({ ...REFUSED, message: 'the access token has expired' });
    clock -= 31_000;
  });

  it('ends with the partner, and lives again with it', async () => {
    const other = await server.register('other.example.org');
    const theirs = await fetchToken(server, other);
    await server.verifier.verify(`Bearer ${theirs}`);
    await changePartner(test.database.db, BUILT_IN_PROFILES, other.senderId, { terms: { active: false } });
    await server.directory.refresh();
    await expect(server.verifier.verify(`Bearer ${theirs}`)).rejects.toMatchObject(REFUSED);
    await changePartner(test.database.db, BUILT_IN_PROFILES, other.senderId, { terms: { active: true } });
    await server.directory.refresh();
    expect((await server.verifier.verify(`Bearer ${theirs}`)).partner.senderId).toBe(other.senderId);
  });

  it('ends when its client is revoked', async () => {
    const other = await server.register('revoked.example.org');
    const theirs = await fetchToken(server, other);
    await server.verifier.verify(`Bearer ${theirs}`);
    await test.database.pool.query('update partner_credential set revoked_at = now() where client_id = $1', [other.clientId]);
    await server.directory.refresh();
    await expect(server.verifier.verify(`Bearer ${theirs}`)).rejects.toMatchObject(REFUSED);
  });

  it('loses a scope with the partner', async () => {
    const other = await server.register('narrowed.example.org');
    const theirs = await fetchToken(server, other);
    expect((await server.verifier.verify(`Bearer ${theirs}`)).scopes.size).toBe(1);
    await changePartner(test.database.db, BUILT_IN_PROFILES, other.senderId, { terms: { scopes: [] } });
    await server.directory.refresh();
    expect((await server.verifier.verify(`Bearer ${theirs}`)).scopes.size).toBe(0);
  });
});

it('knows a key that another process made a moment ago, and the tokens of the one before', async () => {
  const before = server.signingKeys.active().kid;
  const second = await startTokenServer(test, { now: () => clock, sealer: server.sealer });
  const [made] = await rotateOwnKeys(test.database.db, server.sealer, 'sig', { atOnce: true });
  clock = Date.now() + 1_000;
  await second.signingKeys.refresh();
  const fresh = await fetchToken(second, partner);
  expect(second.signingKeys.active().kid).toBe(made?.kid);
  expect((await server.verifier.verify(`Bearer ${fresh}`)).partner.senderId).toBe('mis.example.org');
  expect((await server.verifier.verify(`Bearer ${token}`)).partner.senderId).toBe('mis.example.org');
  const signing = server.signingKeys.jwks().keys.filter(({ use }) => use === 'sig');
  expect(signing.map(({ kid }) => kid)).toEqual([made?.kid, before]);
  await second.close();
});
