import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createSealer, KEY_FILE, openSealer, SealError } from './sealer.ts';

const SECRET = Buffer.from('a private key');

let dataDir: string;
let warnings: string[];

beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'dci-sealer-'));
  warnings = [];
});
afterEach(() => rmSync(dataDir, { recursive: true }));

function open(settings: { keyEncryptionKey?: string; databaseUrl?: string } = {}) {
  return openSealer({ dataDir, keyEncryptionKey: undefined, databaseUrl: undefined, ...settings }, (text) => warnings.push(text));
}

describe('a sealer', () => {
  it('opens what it sealed, for the same use', () => {
    const sealer = createSealer(randomBytes(32));
    expect(sealer.unseal(sealer.seal(SECRET, 'key 1'), 'key 1')).toEqual(SECRET);
  });

  it('seals the same twice differently, and shows nothing of it', () => {
    const sealer = createSealer(randomBytes(32));
    const sealed = sealer.seal(SECRET, 'key 1');
    expect(sealed.equals(sealer.seal(SECRET, 'key 1'))).toBe(false);
    expect(sealed.includes(SECRET)).toBe(false);
  });

  it('refuses another key, another use, and every changed byte', () => {
    const sealer = createSealer(randomBytes(32));
    const sealed = sealer.seal(SECRET, 'key 1');
    expect(() => createSealer(randomBytes(32)).unseal(sealed, 'key 1')).toThrow(/DCI_KEY_ENCRYPTION_KEY/);
    expect(() => sealer.unseal(sealed, 'key 2')).toThrow(SealError);
    for (let at = 0; at < sealed.length; at += 1) {
      const changed = Buffer.from(sealed);
      changed.writeUInt8(changed.readUInt8(at) ^ 1, at);
      expect(() => sealer.unseal(changed, 'key 1')).toThrow(SealError);
    }
    for (let length = 0; length < sealed.length; length += 1)
      expect(() => sealer.unseal(sealed.subarray(0, length), 'key 1')).toThrow(SealError);
  });

  it('derives the same key for the same purpose on every node, and another for another', () => {
    const key = randomBytes(32);
    expect(createSealer(key).deriveKey('cursor')).toEqual(createSealer(key).deriveKey('cursor'));
    expect(createSealer(key).deriveKey('cursor')).not.toEqual(createSealer(key).deriveKey('other'));
    expect(createSealer(key).deriveKey('cursor')).not.toEqual(createSealer(randomBytes(32)).deriveKey('cursor'));
  });
});

describe('the key encryption key', () => {
  it('comes from the settings, in base64 of either alphabet', () => {
    const key = Buffer.alloc(32, 0xfb);
    const sealed = createSealer(key).seal(SECRET, 'x');
    expect(open({ keyEncryptionKey: key.toString('base64') }).unseal(sealed, 'x')).toEqual(SECRET);
    expect(open({ keyEncryptionKey: key.toString('base64url') }).unseal(sealed, 'x')).toEqual(SECRET);
    expect(readdirSync(dataDir)).toEqual([]);
  });

  it.each(['short', Buffer.alloc(31).toString('base64'), Buffer.alloc(33).toString('base64'), `${'A'.repeat(42)}!=`, 'A'.repeat(64)])(
    'is refused when it is %s',
    (keyEncryptionKey) => {
      expect(() => open({ keyEncryptionKey })).toThrow('DCI_KEY_ENCRYPTION_KEY must be 32 random bytes');
    },
  );

  it('is made once, for the owner alone, and said so', () => {
    const sealed = open().seal(SECRET, 'x');
    expect(statSync(join(dataDir, KEY_FILE)).mode & 0o777).toBe(0o600);
    expect(warnings).toEqual([expect.stringContaining(KEY_FILE)]);
    expect(open().unseal(sealed, 'x')).toEqual(SECRET);
    expect(warnings).toHaveLength(1);
    expect(readdirSync(dataDir)).toEqual([KEY_FILE]);
    expect(warnings.join()).not.toContain(readFileSync(join(dataDir, KEY_FILE), 'utf8').trim());
  });

  it('made beside a database that several nodes may share, says what those need', () => {
    open({ databaseUrl: 'postgres://db.example.org/dci' });
    expect(warnings).toHaveLength(2);
    expect(warnings[1]).toContain('DCI_KEY_ENCRYPTION_KEY');
  });

  it('is not replaced when its file is broken', () => {
    writeFileSync(join(dataDir, KEY_FILE), 'broken');
    expect(() => open()).toThrow(SealError);
    expect(readFileSync(join(dataDir, KEY_FILE), 'utf8')).toBe('broken');
  });
});
