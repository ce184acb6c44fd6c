import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateSigningKey, publicJwk, thumbprint } from '@dci/protocol';
import { CompactEncrypt, compactDecrypt, importJWK } from 'jose';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createSealer, SealError } from '../../src/services/sealer.ts';
import { destroyEndedKeys } from '../../src/services/own-key-life.ts';
import { openOwnKeys, OwnKeyError, type OwnKeys, rotateOwnKeys, withdrawKey } from '../../src/services/own-keys.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

let test: TestDatabase;
let folder: string;
let opened: OwnKeys[] = [];
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

async function open(settings: { signingKeyPath?: string; sealer?: typeof sealer } = {}): Promise<OwnKeys> {
  const all = { signingKeyPath: undefined, sealer, tokenLifetimeSeconds: 3_600, now: () => clock, log, ...settings };
  const keys = await openOwnKeys(test.database.db, all);
  opened.push(keys);
  passNow();
  return keys;
}

/** The keys of a test are made by the clock of the database, however long that takes: this one goes on from after that. */
function passNow(): void {
  clock = Math.max(clock, Date.now() + 1_000);
}

function kids(keys: OwnKeys, use: 'sig' | 'enc' = 'sig'): string[] {
  return keys
    .jwks()
    .keys.filter((jwk) => jwk.use === use)
    .map(({ kid }) => kid);
}

/** Rotates at once; the ids of the new keys. */
async function rotate(use: 'sig' | 'enc' = 'sig'): Promise<string[]> {
  const made = await rotateOwnKeys(test.database.db, sealer, use, { atOnce: true });
  passNow();
  return made.map(({ kid }) => kid);
}

async function destroy(): Promise<void> {
  await destroyEndedKeys(test.database.pool, clock);
}

async function loadSealed(use: 'sig' | 'enc'): Promise<string[]> {
  const { rows } = await test.database.pool.query<{ kid: string }>(
    'select kid from own_key where use = $1 and sealed_private_key is not null order by active_from desc, kid',
    [use],
  );
  return rows.map(({ kid }) => kid);
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
    expect(told).toHaveLength(3);
    expect(told.join()).toContain(nodes[0]?.active().kid);
    const { rows } = await test.database.pool.query<Record<string, unknown>>('select use, algorithm from own_key order by algorithm');
    expect(rows).toEqual([
      { use: 'enc', algorithm: 'ECDH-ES+A256KW' },
      { use: 'sig', algorithm: 'ES256' },
      { use: 'enc', algorithm: 'RSA-OAEP-256' },
    ]);
    expect(new Set(nodes.map((node) => JSON.stringify(node.jwks()))).size).toBe(1);
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
      `select encode(sealed_private_key, 'hex') || public_jwk as all from own_key where use = 'sig'`,
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
    await expect(rotateOwnKeys(test.database.db, other, 'sig')).rejects.toThrow(SealError);
  });

  it('are published for a while before they sign; the old one stays until its last signature has expired', async () => {
    const keys = await open();
    const before = keys.active().kid;
    const after = (await rotateOwnKeys(test.database.db, sealer, 'sig')).map(({ kid }) => kid);
    await keys.refresh();
    expect(keys.active().kid).toBe(before);
    expect(kids(keys)).toEqual([before, ...after]);
    clock += 500_000;
    await keys.refresh();
    expect(keys.active().kid).toBe(before);
    clock += 150_000;
    await keys.refresh();
    expect(keys.active().kid).toBe(after[0]);
    expect(kids(keys)).toEqual([...after, before]);
    expect(keys.findPublic(before)?.algorithm).toBe('ES256');
    clock += 25 * 3_600_000 - 60_000;
    await keys.refresh();
    expect(kids(keys)).toEqual([...after, before]);
    clock += 120_000;
    await keys.refresh();
    expect(kids(keys)).toEqual(after);
    expect(keys.findPublic(before)).toBeUndefined();
  });

  it('sign at once where that is asked', async () => {
    const keys = await open();
    const before = keys.active().kid;
    const [after] = await rotate();
    await keys.refresh();
    expect(keys.active().kid).toBe(after);
    expect(kids(keys)).toEqual([after, before]);
  });

  it('lose their private half when they retire', async () => {
    await open();
    const after = await rotate();
    clock += 1_000;
    await destroy();
    expect(await loadSealed('sig')).toEqual(after);
    const next = await rotateOwnKeys(test.database.db, sealer, 'sig');
    await destroy();
    expect(await loadSealed('sig')).toEqual([...next.map(({ kid }) => kid), ...after]);
    clock += 601_000;
    await destroy();
    expect(await loadSealed('sig')).toEqual(next.map(({ kid }) => kid));
  });

  it('are seen by running servers without being told', async () => {
    const keys = await open();
    const [after] = await rotate();
    await expect.poll(() => keys.active().kid, { timeout: 20_000 }).toBe(after);
  });
});

describe('encryption keys', () => {
  it('are offered by their public halves alone, RSA first, and found by their ids', async () => {
    const keys = await open();
    const offered = keys.jwks().keys.filter(({ use }) => use === 'enc');
    expect(offered.map((jwk) => [jwk.kty, jwk.alg, Object.keys(jwk).toSorted()])).toEqual([
      ['RSA', 'RSA-OAEP-256', ['alg', 'e', 'kid', 'kty', 'n', 'use']],
      ['EC', 'ECDH-ES+A256KW', ['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y']],
    ]);
    for (const jwk of offered) {
      expect(jwk.kid).toBe(thumbprint({ ...jwk }));
      expect(keys.findDecryptionKey(jwk.kid)).toMatchObject({ kid: jwk.kid, algorithm: jwk.alg });
      expect(keys.findPublic(jwk.kid)).toBeUndefined();
    }
    expect(keys.findDecryptionKey(keys.active().kid)).toBeUndefined();
    expect(keys.findDecryptionKey('another')).toBeUndefined();
  });

  it('read what was encrypted to them by another JOSE implementation, also after a restart', async () => {
    const offered = (await open()).jwks().keys.filter(({ use }) => use === 'enc');
    const reopened = await open();
    for (const jwk of offered) {
      const encrypted = await new CompactEncrypt(Buffer.from('größe'))
        .setProtectedHeader({ alg: jwk.alg, enc: 'A256GCM', kid: jwk.kid })
        .encrypt(await importJWK({ ...jwk }, jwk.alg));
      const found = reopened.findDecryptionKey(jwk.kid);
      if (found === undefined) expect.fail('the key is not found');
      const { plaintext } = await compactDecrypt(encrypted, found.key);
      expect(Buffer.from(plaintext).toString()).toBe('größe');
    }
  });

  it('lie sealed in the database, each for itself', async () => {
    const keys = await open();
    const { rows } = await test.database.pool.query<{ kid: string; sealed: Buffer; all: string }>(
      `select kid, sealed_private_key as sealed, encode(sealed_private_key, 'hex') || public_jwk as all from own_key where use = 'enc'`,
    );
    expect(rows).toHaveLength(2);
    for (const { kid, sealed, all } of rows) {
      const { d } = keys.findDecryptionKey(kid)?.key.export({ format: 'jwk' }) ?? {};
      expect(all).not.toContain(Buffer.from(String(d), 'base64url').toString('hex'));
      expect(all).not.toContain('"d"');
      expect(() => sealer.unseal(sealed, `the signing key ${kid}`)).toThrow(SealError);
    }
  });

  it('can be read with before they are offered, and for a week after', async () => {
    const keys = await open();
    const before = kids(keys, 'enc');
    const after = (await rotateOwnKeys(test.database.db, sealer, 'enc')).map(({ kid }) => kid);
    await keys.refresh();
    expect(kids(keys, 'enc')).toEqual(before);
    for (const kid of [...before, ...after]) expect(keys.findDecryptionKey(kid)).toBeDefined();
    clock += 20_000;
    await keys.refresh();
    expect(kids(keys, 'enc')).toEqual(after);
    clock += 7 * 86_400_000 - 60_000;
    await keys.refresh();
    await destroy();
    for (const kid of before) expect(keys.findDecryptionKey(kid)).toBeDefined();
    expect((await loadSealed('enc')).toSorted()).toEqual([...before, ...after].toSorted());
    clock += 120_000;
    await keys.refresh();
    await destroy();
    for (const kid of before) expect(keys.findDecryptionKey(kid)).toBeUndefined();
    for (const kid of after) expect(keys.findDecryptionKey(kid)).toBeDefined();
    expect((await loadSealed('enc')).toSorted()).toEqual(after.toSorted());
  });
});

describe('a key that is ended by hand', () => {
  const life = { tokenLifetimeSeconds: 3_600, now: () => clock };

  it('is not published, not read with and not kept any more', async () => {
    const keys = await open();
    const ended = [keys.active().kid, ...kids(keys, 'enc')];
    await rotate('sig');
    await rotate('enc');
    clock += 1_000;
    for (const kid of ended) await withdrawKey(test.database.db, kid, life);
    await keys.refresh();
    for (const kid of ended) {
      expect(keys.findPublic(kid)).toBeUndefined();
      expect(keys.findDecryptionKey(kid)).toBeUndefined();
      expect(JSON.stringify(keys.jwks())).not.toContain(kid);
      expect([...(await loadSealed('sig')), ...(await loadSealed('enc'))]).not.toContain(kid);
    }
  });

  it('is never the one in use', async () => {
    const keys = await open();
    for (const kid of [keys.active().kid, ...kids(keys, 'enc')])
      await expect(withdrawKey(test.database.db, kid, life)).rejects.toThrow(/is in use: make another first/);
    await expect(withdrawKey(test.database.db, 'another', life)).rejects.toThrow(OwnKeyError);
    await keys.refresh();
    expect(keys.jwks().keys).toHaveLength(3);
  });

  it('leaves the one in use where it was to take its place', async () => {
    const keys = await open();
    const before = keys.active().kid;
    const [next] = await rotateOwnKeys(test.database.db, sealer, 'sig');
    await withdrawKey(test.database.db, next?.kid ?? '', life);
    clock += 86_400_000;
    await keys.refresh();
    await destroy();
    expect(keys.active().kid).toBe(before);
    expect(kids(keys)).toEqual([before]);
    expect(await loadSealed('sig')).toEqual([before]);
  });

  it('does not come back with the file it lies in', async () => {
    const own = generateSigningKey('ES256');
    const path = writeKey('own.pem', own.key.export({ type: 'pkcs8', format: 'pem' }).toString());
    await open({ signingKeyPath: path });
    await open({
      signingKeyPath: writeKey('next.pem', generateSigningKey('ES256').key.export({ type: 'pkcs8', format: 'pem' }).toString()),
    });
    clock += 1_000;
    await withdrawKey(test.database.db, own.kid, life);
    await expect(open({ signingKeyPath: path })).rejects.toThrow(/was retired for good/);
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
    const { rows } = await test.database.pool.query<Record<string, unknown>>(
      `select kid, sealed_private_key from own_key where use = 'sig'`,
    );
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

  it('stays published, when another file takes its place, until its last signature has expired', async () => {
    const pem = (): string => generateSigningKey('ES256').key.export({ type: 'pkcs8', format: 'pem' }).toString();
    const first = await open({ signingKeyPath: writeKey('first.pem', pem()) });
    const second = await open({ signingKeyPath: writeKey('second.pem', pem()) });
    expect(kids(second)).toEqual([second.active().kid, first.active().kid]);
    clock += 26 * 3_600_000;
    await second.refresh();
    expect(kids(second)).toEqual([second.active().kid]);
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
