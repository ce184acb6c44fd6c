import { randomBytes } from 'node:crypto';
import { decodeProtectedHeader, SignJWT } from 'jose';
import { allowInsecureRequests, ClientSecretBasic, processRevocationResponse, revocationRequest } from 'oauth4webapi';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Registered } from '../../src/services/register-partner.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { fetchToken, formOf, OWN_SENDER_ID, startTokenServer, type TokenServer } from './token-server.ts';

const REFUSED = { name: 'DciError', code: 'err.request.unauthorized' };

let test: TestDatabase;
let server: TokenServer;
let node: TokenServer;
let partner: Registered;
let stranger: Registered;

beforeAll(async () => {
  test = await createTestDatabase();
  server = await startTokenServer(test);
  node = await startTokenServer(test, { sealer: server.sealer });
  partner = await server.register('mis.example.org');
  stranger = await server.register('other.example.org');
  await node.directory.refresh();
});
afterAll(async () => {
  await server.close();
  await node.close();
  await test.drop();
});

async function revoke(token: string | undefined, { clientId, clientSecret }: Registered = partner): Promise<[number, string]> {
  const form = {
    client_id: clientId,
    client_secret: clientSecret,
    ...(token === undefined ? {} : { token, token_type_hint: 'access_token' }),
  };
  const response = await fetch(`${server.origin}/oauth2/client/revoke`, formOf(form));
  return [response.status, await response.text()];
}

async function countRevoked(): Promise<unknown> {
  return (await test.database.pool.query('select count(*)::int as count from token_revoked')).rows[0];
}

describe('revocation', () => {
  it('by oauth4webapi ends a token here at once, and at the other nodes within a second', async () => {
    const token = await fetchToken(server, partner);
    const kept = await fetchToken(server, partner);
    for (const { verifier } of [server, node]) await verifier.verify(`Bearer ${token}`);
    const authorizationServer = { issuer: server.origin, revocation_endpoint: `${server.origin}/oauth2/client/revoke` };
    const client = { client_id: partner.clientId };
    const options = { [allowInsecureRequests]: true };
    const response = await revocationRequest(authorizationServer, client, ClientSecretBasic(partner.clientSecret), token, options);
    await processRevocationResponse(response);
    await expect(server.verifier.verify(`Bearer ${token}`)).rejects.toMatchObject({ ...REFUSED, message: 'the access token was revoked' });
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
    for (const { verifier } of [server, node]) expect((await verifier.verify(`Bearer ${kept}`)).partner.senderId).toBe('mis.example.org');
  });

  it('is known to a node that starts later', async () => {
    const token = await fetchToken(server, partner);
    expect(await revoke(token)).toEqual([200, '{}']);
    const late = await startTokenServer(test, { sealer: server.sealer });
    await expect(late.verifier.verify(`Bearer ${token}`)).rejects.toMatchObject(REFUSED);
    await late.close();
  });

  it('of what is no token of ours, or was revoked before, is no fault and stores nothing', async () => {
    const token = await fetchToken(server, partner);
    await revoke(token);
    const before = await countRevoked();
    const foreign = await new SignJWT({ jti: 'x' }).setProtectedHeader({ alg: 'HS256' }).sign(randomBytes(32));
    for (const text of [token, 'nonsense', '..', foreign, 'x'.repeat(5_000)]) expect(await revoke(text)).toEqual([200, '{}']);
    expect(await countRevoked()).toEqual(before);
  });

  it("of another client's token is refused, and the token lives", async () => {
    const token = await fetchToken(server, partner);
    const before = await countRevoked();
    const [status, body] = await revoke(token, stranger);
    expect([status, body]).toEqual([400, expect.stringContaining('invalid_grant')]);
    expect(await countRevoked()).toEqual(before);
    expect((await server.verifier.verify(`Bearer ${token}`)).partner.senderId).toBe('mis.example.org');
  });

  it('needs the client, and a token', async () => {
    const token = await fetchToken(server, partner);
    expect((await revoke(token, { ...partner, clientSecret: 'wrong' }))[0]).toBe(401);
    expect((await revoke(token, { ...partner, clientId: 'nobody' }))[0]).toBe(401);
    expect(await revoke(undefined)).toEqual([400, expect.stringContaining('token is missing')]);
    expect((await server.verifier.verify(`Bearer ${token}`)).partner.senderId).toBe('mis.example.org');
  });
});

describe('tokens signed with a shared secret', () => {
  const jwtSecret = randomBytes(32).toString('base64');

  it('are HS256, and read by every node that has the secret, beside those of the signing key', async () => {
    const before = await fetchToken(server, partner);
    const first = await startTokenServer(test, { sealer: server.sealer, jwtSecret });
    const second = await startTokenServer(test, { sealer: server.sealer, jwtSecret });
    const token = await fetchToken(first, partner);
    expect(decodeProtectedHeader(token)).toEqual({ typ: 'at+jwt', alg: 'HS256', kid: expect.stringMatching(/^hs256-/) as string });
    for (const { verifier } of [first, second])
      for (const text of [token, before]) expect((await verifier.verify(`Bearer ${text}`)).partner.senderId).toBe('mis.example.org');
    await expect(server.verifier.verify(`Bearer ${token}`)).rejects.toMatchObject(REFUSED);
    await first.close();
    await second.close();
  });

  it('of another secret, or made with what is public, are refused', async () => {
    const shared = await startTokenServer(test, { sealer: server.sealer, jwtSecret });
    const { kid } = decodeProtectedHeader(await fetchToken(shared, partner));
    const claims = { client_id: partner.clientId, scope: 'registry/search', dci_credential: 'x' };
    const sign = (secret: string, id: string): Promise<string> =>
      new SignJWT(claims)
        .setProtectedHeader({ typ: 'at+jwt', alg: 'HS256', kid: id })
        .setIssuer(OWN_SENDER_ID)
        .setAudience(OWN_SENDER_ID)
        .setSubject(partner.clientId)
        .setIssuedAt()
        .setExpirationTime('5m')
        .setJti('j')
        .sign(Buffer.from(secret));
    const own = shared.signingKeys.active();
    const publicText = JSON.stringify(shared.signingKeys.jwks().keys[0]);
    for (const [secret, id] of [
      [randomBytes(32).toString('base64'), String(kid)],
      [publicText, own.kid],
      [publicText, String(kid)],
      [jwtSecret, own.kid],
    ] as const)
      await expect(shared.verifier.verify(`Bearer ${await sign(secret, id)}`)).rejects.toMatchObject(REFUSED);
    await shared.close();
  });
});
