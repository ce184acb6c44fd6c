import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { generateSigningKey, publicJwk, type SigningKey } from '@dci/protocol';
import { decodeJwt, type JWTPayload, SignJWT } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { BUILT_IN_PROFILES } from '../../src/profiles/index.ts';
import { registerIssuer } from '../../src/services/register-issuer.ts';
import { changePartner } from '../../src/services/register-partner.ts';
import { deleteTokenIssuer } from '../../src/store/token-issuers.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { startTokenServer, type TokenServer } from './token-server.ts';

const REFUSED = { name: 'DciError', code: 'err.request.unauthorized' };
const AUDIENCE = 'registry.example.org';
const SETTINGS = { allowHttpCallbacks: true, allowPrivateCallbacks: true };

/** An authorization server as others run one: discovery, keys, signed tokens. */
interface OutsideServer {
  readonly issuer: string;
  keys: SigningKey[];
  isDown: boolean;
  /** How often its keys were asked for. */
  asked: number;
  close(): Promise<void>;
}

async function startOutsideServer(path: string): Promise<OutsideServer> {
  const http: Server = createServer((request, response) => {
    const answer = outside.isDown ? undefined : documents()[request.url ?? ''];
    if (request.url === `${path}/certs`) outside.asked += 1;
    response.statusCode = answer === undefined ? 503 : 200;
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(answer ?? {}));
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const issuer = `http://127.0.0.1:${(http.address() as AddressInfo).port}${path}`;
  const outside: OutsideServer = {
    issuer,
    keys: [generateSigningKey('ES256')],
    isDown: false,
    asked: 0,
    close: () => new Promise((resolve) => http.close(() => resolve())),
  };
  const documents = (): Record<string, object> => ({
    [`${path}/.well-known/openid-configuration`]: { issuer, jwks_uri: `${issuer}/certs` },
    [`${path}/liar/.well-known/openid-configuration`]: { issuer, jwks_uri: `${issuer}/certs` },
    [`${path}/certs`]: { keys: [{ kty: 'oct', kid: 'odd' }, { kty: 'RSA', use: 'enc', kid: 'enc' }, ...outside.keys.map(publicJwk)] },
  });
  return outside;
}

let test: TestDatabase;
let server: TokenServer;
let outside: OutsideServer;
let clock = Date.now();

beforeAll(async () => {
  test = await createTestDatabase();
  server = await startTokenServer(test, { now: () => clock });
  await server.register('mis.example.org');
  await server.register('other.example.org');
});
beforeEach(async () => {
  clock = Date.now();
  outside = await startOutsideServer('/realms/social');
  await register();
  return () => outside.close();
});
afterAll(async () => {
  await server.close();
  await test.drop();
});

async function register(changes: Partial<Parameters<typeof registerIssuer>[2]> = {}): Promise<void> {
  await registerIssuer(test.database.db, SETTINGS, {
    issuer: outside.issuer,
    audience: AUDIENCE,
    partnerClaim: 'azp',
    scopeClaim: 'scope',
    algorithms: ['ES256', 'RS256'],
    clockToleranceSeconds: 30,
    senderIds: new Map([['mis-client', 'mis.example.org']]),
    ownName: 'registry.example.org',
    ...changes,
  });
  await server.trust.refresh();
}

function issue(claims: JWTPayload = {}, header: Record<string, unknown> = {}, key = outside.keys[0] as SigningKey): Promise<string> {
  const now = Math.floor(clock / 1000);
  const usual = {
    iss: outside.issuer,
    aud: [AUDIENCE, 'account'],
    sub: 'f0',
    azp: 'mis-client',
    scope: 'email registry/search',
    iat: now,
    exp: now + 300,
  };
  return new SignJWT({ ...usual, ...claims }).setProtectedHeader({ alg: key.algorithm, kid: key.kid, typ: 'JWT', ...header }).sign(key.key);
}

const verify = (token: string) => server.verifier.verify(`Bearer ${token}`);

describe('a token of an issuer that is believed', () => {
  it('lets the partner in that the issuer may speak for, with the scopes that token and partner have', async () => {
    const { partner, scopes } = await verify(await issue());
    expect([partner.senderId, [...scopes]]).toEqual(['mis.example.org', ['registry/search']]);
    expect((await verify(await issue({ scope: 'email' }))).scopes).toEqual(new Set());
    expect((await verify(await issue({ scope: undefined }))).scopes).toEqual(new Set());
    expect((await verify(await issue({ scope: ['registry/search', 7] }))).scopes).toEqual(new Set(['registry/search']));
  });

  it('may name no scopes where it was registered so', async () => {
    await register({ scopeClaim: undefined });
    expect((await verify(await issue({ scope: undefined }))).scopes).toEqual(new Set(['registry/search']));
  });

  it('may come a little late, and not later', async () => {
    const now = Math.floor(clock / 1000);
    const token = await issue({ exp: now - 20 });
    expect((await verify(token)).partner.senderId).toBe('mis.example.org');
    clock += 15_000;
    await expect(verify(token)).rejects.toMatchObject(REFUSED);
  });

  it('is verified once, and looked up every time', async () => {
    const token = await issue();
    await verify(token);
    outside.isDown = true;
    expect((await verify(token)).partner.senderId).toBe('mis.example.org');
    await changePartner(test.database.db, BUILT_IN_PROFILES, 'mis.example.org', { terms: { active: false } });
    await server.directory.refresh();
    await expect(verify(token)).rejects.toMatchObject(REFUSED);
    await changePartner(test.database.db, BUILT_IN_PROFILES, 'mis.example.org', { terms: { active: true } });
    await server.directory.refresh();
    expect((await verify(token)).partner.senderId).toBe('mis.example.org');
    await deleteTokenIssuer(test.database.db, outside.issuer);
    await server.trust.refresh();
    await expect(verify(token)).rejects.toMatchObject(REFUSED);
  });

  it('ends when something else is registered of its issuer', async () => {
    const token = await issue();
    await verify(token);
    await register({ senderIds: new Map([['mis-client', 'other.example.org']]) });
    await expect(verify(token)).rejects.toMatchObject(REFUSED);
    expect((await verify(await issue({ jti: 'new' }))).partner.senderId).toBe('other.example.org');
  });
});

describe('what is refused', () => {
  const now = (): number => Math.floor(clock / 1000);
  it.each<[string, () => JWTPayload]>([
    ['a caller that the issuer may not speak for', () => ({ azp: 'other-client' })],
    ['the name of a partner in place of the value', () => ({ azp: 'mis.example.org' })],
    ['no caller', () => ({ azp: undefined })],
    ['a caller that is no text', () => ({ azp: ['mis-client'] })],
    ['another audience', () => ({ aud: 'account' })],
    ['no audience', () => ({ aud: undefined })],
    ['another issuer', () => ({ iss: 'https://sso.example.org' })],
    ['no issuer', () => ({ iss: undefined })],
    ['our name as the issuer', () => ({ iss: AUDIENCE })],
    ['the past', () => ({ exp: now() - 60 })],
    ['no end', () => ({ exp: undefined })],
    ['an end beyond a day', () => ({ exp: now() + 90_000 })],
    ['the future', () => ({ nbf: now() + 60 })],
  ])('%s', async (_name, claims) => {
    await expect(verify(await issue(claims()))).rejects.toMatchObject(REFUSED);
  });

  it('a key that is not among those of the issuer, under its own name and under theirs', async () => {
    const stranger = generateSigningKey('ES256');
    await expect(verify(await issue({}, {}, stranger))).rejects.toMatchObject(REFUSED);
    await expect(verify(await issue({}, { kid: outside.keys[0]?.kid }, stranger))).rejects.toMatchObject(REFUSED);
    await expect(verify(await issue({}, { jwk: publicJwk(stranger), jku: `${outside.issuer}/mine` }, stranger))).rejects.toMatchObject(
      REFUSED,
    );
  });

  it('our own key, and a key of theirs for a token of ours', async () => {
    await expect(verify(await issue({}, {}, server.signingKeys.active()))).rejects.toMatchObject(REFUSED);
    await expect(
      verify(await issue({ iss: 'registry.example.org', client_id: 'x', dci_credential: 'x' }, { typ: 'at+jwt' })),
    ).rejects.toMatchObject(REFUSED);
  });

  it('an algorithm that is not registered, or none', async () => {
    await register({ algorithms: ['RS256'] });
    await expect(verify(await issue())).rejects.toMatchObject(REFUSED);
    const encode = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url');
    const payload = encode(decodeJwt(await issue()));
    await expect(verify(`${encode({ alg: 'none', kid: outside.keys[0]?.kid })}.${payload}.`)).rejects.toMatchObject(REFUSED);
    const hmac = await new SignJWT(decodeJwt(await issue()))
      .setProtectedHeader({ alg: 'HS256' })
      .sign(Buffer.from(JSON.stringify(publicJwk(outside.keys[0] as SigningKey))));
    await expect(verify(hmac)).rejects.toMatchObject(REFUSED);
  });

  it('a token of another kind', async () => {
    for (const typ of ['logout+jwt', 'dpop+jwt', 'secevent+jwt'])
      await expect(verify(await issue({}, { typ }))).rejects.toMatchObject(REFUSED);
  });
});

describe('the keys of an issuer', () => {
  it('are fetched anew for one that is unknown, and not more often than is fit, whatever is sent', async () => {
    await verify(await issue());
    expect(outside.asked).toBe(1);
    outside.keys = [generateSigningKey('EdDSA'), generateSigningKey('ES256')];
    const rotated = await issue({}, {}, outside.keys[1]);
    await expect(verify(rotated)).rejects.toMatchObject(REFUSED);
    for (let count = 0; count < 50; count += 1) await verify(await issue({}, { kid: `made-up-${count}` })).catch(() => undefined);
    expect(outside.asked).toBe(1);
    clock += 31_000;
    expect((await verify(rotated)).partner.senderId).toBe('mis.example.org');
    expect(outside.asked).toBe(2);
  });

  it('serve while their address does not answer, for a day', async () => {
    await verify(await issue());
    outside.isDown = true;
    clock += 3_600_000;
    expect((await verify(await issue())).partner.senderId).toBe('mis.example.org');
    clock += 86_400_000;
    await expect(verify(await issue())).rejects.toMatchObject({ code: 'err.service.unavailable' });
  });

  it('are not fetched where the address is inside the own network and nobody allowed that', async () => {
    const closed = { allowHttpCallbacks: true, allowPrivateCallbacks: false };
    const registration = {
      issuer: outside.issuer,
      audience: AUDIENCE,
      partnerClaim: 'azp',
      scopeClaim: 'scope',
      algorithms: ['ES256'],
      clockToleranceSeconds: 30,
      ownName: 'x',
    };
    const senderIds = new Map([['mis-client', 'mis.example.org']]);
    await expect(registerIssuer(test.database.db, closed, { ...registration, senderIds })).rejects.toThrow('could not be discovered');
    expect(outside.asked).toBe(0);
  });
});

describe('registration', () => {
  it.each<[string, Parameters<typeof register>[0], string]>([
    ['that is no URL', { issuer: 'sso' }, 'must be a URL'],
    ['that is this server', { ownName: 'https://registry.example.org', issuer: 'https://registry.example.org' }, 'this server itself'],
    ['for no partner', { senderIds: new Map() }, 'no partner is named'],
    ['for a partner that is not registered', { senderIds: new Map([['x', 'nobody']]) }, 'no partner is registered as "nobody"'],
    ['with a shared secret', { algorithms: ['HS256'] }, 'the algorithm "HS256" is none of'],
    ['without a signature', { algorithms: ['none'] }, 'the algorithm "none" is none of'],
    ['without an algorithm', { algorithms: [] }, 'no algorithm'],
    ['with a clock of its own', { clockToleranceSeconds: 86_400 }, 'clock tolerance'],
    ['for everybody', { audience: '' }, 'audience is empty'],
  ])('of an issuer %s is refused', async (_name, changes, text) => {
    await expect(register(changes)).rejects.toThrow(text);
  });

  it('of an issuer whose description is of another is refused', async () => {
    await expect(register({ issuer: `${outside.issuer}/liar` })).rejects.toThrow('describes another issuer');
  });

  it('reaches every node within a second', async () => {
    const node = await startTokenServer(test, { sealer: server.sealer });
    const token = await issue();
    expect((await node.verifier.verify(`Bearer ${token}`)).partner.senderId).toBe('mis.example.org');
    await deleteTokenIssuer(test.database.db, outside.issuer);
    await expect
      .poll(
        () =>
          node.verifier.verify(`Bearer ${token}`).then(
            () => 'accepted',
            () => 'refused',
          ),
        { timeout: 5_000, interval: 10 },
      )
      .toBe('refused');
    await node.close();
  });
});
