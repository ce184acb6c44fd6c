import { randomBytes } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Registered } from '../../src/services/register-partner.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { fetchToken, startTokenServer, type TokenServer } from '../token/token-server.ts';
import { threaten, type Threatened } from './fixture.ts';

/** Whatever is done to a good token or to the header that carries it: refused, never failed at, never accepted. */

let test: TestDatabase;
let server: TokenServer;
let partner: Registered;
let tokens: readonly string[];

beforeAll(async () => {
  test = await createTestDatabase();
  server = await startTokenServer(test, { jwtSecret: randomBytes(32).toString('base64') });
  const plain = await startTokenServer(test, { sealer: server.sealer });
  partner = await server.register('mis.example.org');
  await plain.directory.refresh();
  tokens = [await fetchToken(server, partner), await fetchToken(plain, partner)];
  await plain.close();
});
afterAll(async () => {
  await server.close();
  await test.drop();
});

const letters = fc.constantFrom(...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=~+/ ,;\t\u00e9\u0000'.split(''));
const members = fc.dictionary(
  fc.constantFrom('alg', 'typ', 'kid', 'crit', 'b64', 'jwk', 'jku', 'x5c', 'iss', 'aud', 'sub', 'client_id', 'exp', 'iat', 'scope', 'jti'),
  fc.oneof(fc.constantFrom('none', 'HS256', 'ES256', 'RS256', 'at+jwt', 'JWT', 'registry.example.org'), fc.jsonValue({ maxDepth: 1 })),
  { minKeys: 1, maxKeys: 4 },
);

/** One change of a token: letters, whole parts, or members of header and claims under the old signature. */
const mutations = fc.oneof(
  fc.record({ at: fc.nat(), letter: letters, how: fc.constantFrom('put', 'drop', 'add') }).map(({ at, letter, how }) => (token: string) => {
    const place = at % token.length;
    return token.slice(0, place) + (how === 'drop' ? '' : letter) + token.slice(how === 'add' ? place : place + 1);
  }),
  fc.tuple(fc.constantFrom(0, 1), members).map(([part, changes]) => (token: string) => {
    const parts = token.split('.');
    const present = JSON.parse(Buffer.from(parts[part] ?? '', 'base64url').toString('utf8')) as object;
    parts[part] = Buffer.from(JSON.stringify({ ...present, ...changes })).toString('base64url');
    return parts.join('.');
  }),
  fc.constantFrom(
    (token: string) => token.split('.').toReversed().join('.'),
    (token: string) => token.slice(0, token.lastIndexOf('.') + 1),
    (token: string) => `${token}.${token}`,
    (token: string) => token.split('.').slice(0, 2).join('.'),
    (token: string) => `${token}=`,
    (token: string) => encodeURIComponent(`${token}%`),
    (token: string) => token.toUpperCase(),
  ),
  fc.uint8Array({ minLength: 1, maxLength: 80 }).map((bytes) => (token: string) => {
    const parts = token.split('.');
    parts[2] = Buffer.from(bytes).toString('base64url');
    return parts.join('.');
  }),
);
const headers = fc.oneof(
  { weight: 8, arbitrary: mutations.map((mutate) => (token: string) => `Bearer ${mutate(token)}`) },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom('', 'bearer', 'Bearer', 'BEARER  ', 'Basic ', 'Bearer:', 'DPoP ')
      .map((scheme) => (token: string) => `${scheme}${scheme === 'BEARER  ' ? '' : ' '}${token} x`),
  },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 300 }).map((text) => () => text) },
);

it('5,000 changed tokens and headers are refused by the verifier', async () => {
  for (const token of tokens) expect((await server.verifier.verify(`Bearer ${token}`)).partner.senderId).toBe('mis.example.org');
  let refused = 0;
  await fc.assert(
    fc.asyncProperty(fc.nat(1), headers, async (index, change) => {
      const token = tokens[index] ?? '';
      const header = change(token);
      fc.pre(header !== `Bearer ${token}`);
      await expect(server.verifier.verify(header)).rejects.toMatchObject({ code: 'err.request.unauthorized' });
      refused += 1;
    }),
    { numRuns: 5_000 },
  );
  expect(refused).toBe(5_000);
  // What was refused has spoilt nothing.
  for (const token of tokens) expect((await server.verifier.verify(`Bearer ${token}`)).partner.senderId).toBe('mis.example.org');
});

it('400 of them over HTTP are refused, none failed at', async () => {
  const threatened = await threaten();
  const sent = headers.filter((change) => /^[\t\x20-\x7e\x80-\xff]*$/.test(change(threatened.partner.token)));
  await fc.assert(
    fc.asyncProperty(sent, async (change) => {
      const header = change(threatened.partner.token);
      fc.pre(header.trim() !== `Bearer ${threatened.partner.token}`);
      expect(await send(threatened, header)).toEqual({ status: 401, disclosed: false });
    }),
    { numRuns: 400 },
  );
  expect(await send(threatened, `Bearer ${threatened.partner.token}`)).toEqual({ status: 200, disclosed: true });
  await threatened.close();
});

function send({ url, ask, person }: Threatened, authorization: string): Promise<{ status: number | undefined; disclosed: boolean }> {
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest(url, { method: 'POST', headers: { 'content-type': 'application/json', authorization } }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () =>
        resolve({ status: response.statusCode, disclosed: Buffer.concat(chunks).toString('utf8').includes(person.given) }),
      );
    });
    outgoing.on('error', reject);
    outgoing.end(ask());
  });
}
