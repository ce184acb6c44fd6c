import { generateSigningKey } from '@dci/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BUILT_IN_PROFILES } from '../../src/profiles/index.ts';
import { openPartnerDirectory, type PartnerDirectory } from '../../src/services/partner-directory.ts';
import { changePartner, type Registered, registerPartner, rotateSecret } from '../../src/services/register-partner.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

let test: TestDatabase;
let directory: PartnerDirectory;
let warnings: string[];

beforeEach(async () => {
  test = await createTestDatabase();
  warnings = [];
  directory = await openPartnerDirectory(test.database, { warn: (_fields, text) => void warnings.push(text) });
});
afterEach(async () => {
  await directory.close();
  await test.drop();
});

const SENDER = 'mis.example.org';
const SOON = { timeout: 20_000, interval: 20 };

function register(senderId = SENDER): Promise<Registered> {
  return registerPartner(test.database.db, BUILT_IN_PROFILES, { senderId, terms: { registries: ['social'] }, keys: [] });
}

describe('the directory', () => {
  it('knows nobody where nobody is registered', () => {
    expect(directory.list()).toEqual([]);
    expect(directory.findBySenderId(SENDER)).toBeUndefined();
    expect(directory.findBySenderId('')).toBeUndefined();
    expect(directory.findByClientId('')).toBeUndefined();
  });

  it('learns of a new partner by itself, under all its names', async () => {
    const { clientId } = await register();
    await expect.poll(() => directory.findByClientId(clientId)?.partner.senderId, SOON).toBe(SENDER);
    const partner = directory.findBySenderId(SENDER);
    expect(partner).toMatchObject({
      active: true,
      signaturePolicy: 'required',
      lenient: false,
      registries: new Set(['social']),
      scopes: new Set(),
    });
    expect(directory.findById(partner?.id ?? '')).toBe(partner);
    expect(directory.list().filter(({ active }) => active)).toHaveLength(1);
  });

  it('learns of every change of partner, key and credential, each of which is a new revision', async () => {
    const { clientId } = await register();
    const key = generateSigningKey('EdDSA');
    const { db } = test.database;
    const changes = [
      () => changePartner(db, BUILT_IN_PROFILES, SENDER, { terms: { active: false } }),
      () => changePartner(db, BUILT_IN_PROFILES, SENDER, { keys: { put: [{ ...key, kid: 'key-1' }] } }),
      () => rotateSecret(db, SENDER),
      () => changePartner(db, BUILT_IN_PROFILES, SENDER, { keys: { revoke: ['key-1'] } }),
    ];
    await directory.refresh();
    const seen = [{ ...directory.findBySenderId(SENDER), hash: directory.findByClientId(clientId)?.credential.secretHash }];
    for (const change of changes) {
      const before = BigInt(seen.at(-1)?.revision ?? 0);
      await change();
      await expect.poll(() => BigInt(directory.findBySenderId(SENDER)?.revision ?? 0), SOON).toBeGreaterThan(before);
      seen.push({ ...directory.findBySenderId(SENDER), hash: directory.findByClientId(clientId)?.credential.secretHash });
    }
    expect(seen.map(({ active }) => active)).toEqual([true, false, false, false, false]);
    expect(seen.map(({ keys }) => [...(keys?.keys() ?? [])])).toEqual([[], [], ['key-1'], ['key-1'], []]);
    expect(seen[2]?.hash).toBe(seen[0]?.hash);
    expect(seen[3]?.hash).not.toBe(seen[0]?.hash);
  });

  it('notices changes that it was not told of, and partners that are gone', async () => {
    await register();
    await register('other.example.org');
    await directory.refresh();
    const { pool } = test.database;
    for (const table of ['partner', 'partner_credential', 'partner_key'])
      await pool.query(`alter table ${table} disable trigger partner_changed`);
    await changePartner(test.database.db, BUILT_IN_PROFILES, SENDER, { terms: { active: false } });
    await expect.poll(() => directory.findBySenderId(SENDER)?.active, SOON).toBe(false);
    await pool.query(`delete from partner where sender_id = 'other.example.org'`);
    await expect.poll(() => directory.findBySenderId('other.example.org'), SOON).toBeUndefined();
  });

  it('listens again after its connection was ended, and keeps what it knew meanwhile', async () => {
    await register();
    await directory.refresh();
    const ended = await test.database.pool.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and query = 'listen dci_partner'`,
    );
    expect(ended.rowCount).toBe(1);
    await expect.poll(() => warnings, SOON).not.toHaveLength(0);
    expect(directory.findBySenderId(SENDER)?.active).toBe(true);
    const listeners = `select 1 from pg_stat_activity where datname = current_database() and query = 'listen dci_partner'`;
    await expect.poll(async () => (await test.database.pool.query(listeners)).rowCount, SOON).toBe(1);
    await changePartner(test.database.db, BUILT_IN_PROFILES, SENDER, { terms: { active: false } });
    await expect.poll(() => directory.findBySenderId(SENDER)?.active, SOON).toBe(false);
  });

  it('forgets a revoked credential', async () => {
    const { clientId } = await register();
    await test.database.pool.query('update partner_credential set revoked_at = now()');
    await directory.refresh();
    expect(directory.findByClientId(clientId)).toBeUndefined();
    expect(directory.findBySenderId(SENDER)).toBeDefined();
  });

  it('leaves out a stored key that cannot be read, and nothing else', async () => {
    await register();
    const good = { ...generateSigningKey('ES256'), kid: 'good' };
    await changePartner(test.database.db, BUILT_IN_PROFILES, SENDER, { keys: { put: [good, { ...good, kid: 'bad' }] } });
    await test.database.pool.query(`update partner_key set public_jwk = '{"kty":"oct","k":"AAAA"}' where kid = 'bad'`);
    await directory.refresh();
    expect([...(directory.findBySenderId(SENDER)?.keys.keys() ?? [])]).toEqual(['good']);
  });
});
