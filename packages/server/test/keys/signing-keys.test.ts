import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateSigningKey, publicJwk, thumbprint } from '@dci/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createSealer, SealError } from '../../src/services/sealer.ts';
import { openSigningKeys, rotateSigningKey, type SigningKeys } from '../../src/services/signing-keys.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

let test: TestDatabase;
let folder: string;
let opened: SigningKeys[] = [];
let told: string[] = [];
let clock = Date.now();
const sealer = createSealer(randomBytes(32));
const log = {
  info: (fields: object, text: string) => void told.push(`${text} ${JSON.stringify(fields)}`),
  warn: (fields: object, text: string) => void told.push(`${text} ${JSON.stringify(fields)}`),
};

beforeEach(async () => {
  test = await createTestDatabase();
  folder = mkdtempSync(join(tmpdir(), 'dci-keys-'));
  clock = Date.now();
  told = [];
});
afterEach(async () => {
  for (const keys of opened) keys.close();
  opened = [];
  rmSync(folder, { recursive: true });
  await test.drop();
});

async function open(settings: { signingKeyPath?: string; sealer?: typeof sealer } = {}): Promise<SigningKeys> {
  const all = { signingKeyPath: undefined, sealer, tokenLifetimeSeconds: 3_600, now: () => clock, log, ...settings };
  const keys = await openSigningKeys(test.database.db, all);
  opened.push(keys);
  return keys;
}

function kids(keys: SigningKeys): string[] {
  return keys.jwks().keys.map(({ kid }) => kid);
}

function writeKey(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text, { mode: 0o600 });
  return path;
}

describe('stored signing keys', () => {
  it('are made on first run, once, however many start at the same time, and said by name only', async () => {
    const nodes = await Promise.all([open(), open(), open()]);
    expect(new Set(nodes.map((node) => node.active().kid)).size).toBe(1);
    expect(told).toHaveLength(1);
    expect(told[0]).toContain(nodes[0]?.active().kid);
    const { rows } = await test.database.pool.query<Record<string, unknown>>('select * from signing_key');
    expect(rows).toHaveLength(1);
  });

  it('are published by their public half alone, named by their thumbprint', async () => {
    const keys = await open();
    const [jwk] = keys.jwks().keys;
    expect(Object.keys(jwk ?? {}).toSorted()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y']);
    expect(jwk).toMatchObject({ kty: 'EC', crv: 'P-256', alg: 'ES256', use: 'sig', kid: thumbprint({ ...publicJwk(keys.active()) }) });
  });

  it('are the same after a restart, and lie sealed in the database', async () => {
    const before = await open();
    const after = await open();
    expect(after.active().key.equals(before.active().key)).toBe(true);
    const { rows } = await test.database.pool.query<{ all: string }>(
      `select encode(sealed_private_key, 'hex') || public_jwk as all from signing_key`,
    );
    const { d } = before.active().key.export({ format: 'jwk' });
    expect(rows[0]?.all).not.toContain(Buffer.from(String(d), 'base64url').toString('hex'));
    expect(rows[0]?.all).not.toContain('"d"');
  });

  it('do not open under another key encryption key, and the operator is told what to set', async () => {
    await open();
    const other = createSealer(randomBytes(32));
    await expect(open({ sealer: other })).rejects.toThrow(SealError);
    await expect(open({ sealer: other })).rejects.toThrow(/set DCI_KEY_ENCRYPTION_KEY/);
    await expect(rotateSigningKey(test.database.db, other)).rejects.toThrow(SealError);
  });

  it('rotate under running servers; the old one stays until its last signature has expired', async () => {
    const keys = await open();
    const before = keys.active().kid;
    const after = await rotateSigningKey(test.database.db, sealer);
    await keys.refresh();
    expect(keys.active().kid).toBe(after);
    expect(kids(keys)).toEqual([after, before]);
    expect(keys.findPublic(before)?.algorithm).toBe('ES256');
    clock += 25 * 3_600_000 - 60_000;
    await keys.refresh();
    expect(kids(keys)).toEqual([after, before]);
    clock += 120_000;
    await keys.refresh();
    expect(kids(keys)).toEqual([after]);
    expect(keys.findPublic(before)).toBeUndefined();
  });

  it('lose their private half when they retire', async () => {
    await open();
    const kid = await rotateSigningKey(test.database.db, sealer);
    const { rows } = await test.database.pool.query<{ kid: string }>('select kid from signing_key where sealed_private_key is not null');
    expect(rows).toEqual([{ kid }]);
  });

  it('are seen by running servers without being told', async () => {
    const keys = await open();
    const after = await rotateSigningKey(test.database.db, sealer);
    await expect.poll(() => keys.active().kid, { timeout: 20_000 }).toBe(after);
  });
});

describe('a key of the operator', () => {
  it.each([
    ['PEM', 'ES256'],
    ['PEM', 'EdDSA'],
    ['JWK', 'ES256'],
    ['JWK', 'EdDSA'],
  ] as const)('as %s (%s) signs, and only its public half is kept', async (form, algorithm) => {
    const own = generateSigningKey(algorithm);
    const text =
      form === 'PEM'
        ? own.key.export({ type: 'pkcs8', format: 'pem' }).toString()
        : JSON.stringify({ ...own.key.export({ format: 'jwk' }), kid: 'its-own-name' });
    const keys = await open({ signingKeyPath: writeKey('own', text) });
    expect(keys.active()).toMatchObject({ kid: own.kid, algorithm });
    expect(kids(keys)).toEqual([own.kid]);
    const { rows } = await test.database.pool.query<Record<string, unknown>>('select kid, sealed_private_key from signing_key');
    expect(rows).toEqual([{ kid: own.kid, sealed_private_key: null }]);
  });

  it('is published beside the stored one it takes the place of', async () => {
    const stored = await open();
    const own = generateSigningKey('ES256');
    const keys = await open({ signingKeyPath: writeKey('own.pem', own.key.export({ type: 'pkcs8', format: 'pem' }).toString()) });
    expect(kids(keys)).toEqual([own.kid, stored.active().kid]);
    await stored.refresh();
    expect(stored.active().kid).not.toBe(own.kid);
    expect(kids(stored)).toContain(own.kid);
  });

  it.each([
    ['a file that is not there', undefined],
    ['an empty file', ''],
    ['broken JSON', '{"kty":'],
    ['a public key', JSON.stringify(publicJwk(generateSigningKey('ES256')))],
    ['another kind of text', 'ssh-ed25519 AAAA'],
  ])('is refused, with its path, when it is %s', async (_name, text) => {
    const path = text === undefined ? join(folder, 'missing.pem') : writeKey('own.pem', text);
    await expect(open({ signingKeyPath: path })).rejects.toThrow(`DCI_SIGNING_KEY_PATH: ${path}`);
  });
});
