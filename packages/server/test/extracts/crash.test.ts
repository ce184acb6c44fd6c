import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { generateSigningKey, importEncryptionKey, importPublicKey, publicEncryptionJwk, publicJwk } from '@dci/protocol';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { BUILT_IN_PROFILES } from '../../src/profiles/index.ts';
import { reconcileProfile } from '../../src/registry/reconcile.ts';
import { registerPartner } from '../../src/services/register-partner.ts';
import { type ServerProcess, startServer } from '../async/start-server.ts';
import { makeCounted, putCounted } from '../statistics/counted-population.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { type RecordingReceiver, startRecordingReceiver } from '../support/recording-receiver.ts';
import { getToken, type TestApp } from '../support/test-app.ts';
import { DECRYPTION_KEYS } from '../trust/trust-fixture.ts';
import { calledBack, exportBody, type ExtractWorld, openExtract, type Researcher, sendExport } from './extract-fixture.ts';

let test: TestDatabase;
let receiver: RecordingReceiver;
let dataDir: string;
const processes: ServerProcess[] = [];

beforeAll(async () => {
  test = await createTestDatabase();
  for (const profile of BUILT_IN_PROFILES) await reconcileProfile(test.database, profile);
  await putCounted(test.database, makeCounted(600));
  dataDir = mkdtempSync(join(tmpdir(), 'dci-extract-'));
});
afterAll(async () => {
  for (const process of processes) await process.kill();
  await receiver.close();
  await test.drop();
  rmSync(dataDir, { recursive: true });
});

async function start(role: string): Promise<ServerProcess> {
  const server = await startServer(test, dataDir, role);
  processes.push(server);
  return server;
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 60_000; !(await isSo()); ) {
    if (Date.now() > deadline) throw new Error('not within a minute');
    await sleep(20);
  }
}

it('an extract whose worker is killed while it is made comes once, and whole', { timeout: 180_000 }, async () => {
  const { pool } = test.database;
  const server = await start('http');
  const worker = await start('worker');
  receiver = await startRecordingReceiver(server.base);
  const [decryptionKey] = DECRYPTION_KEYS;
  if (decryptionKey === undefined) throw new Error('no key');
  const key = generateSigningKey('ES256');
  const registered = await registerPartner(test.database.db, BUILT_IN_PROFILES, {
    senderId: 'crash.test',
    terms: {
      registries: ['social'],
      scopes: ['registry/export'],
      legalBasis: 'law',
      fields: 'research',
      notifyUri: `${receiver.origin}/on-export`,
    },
    keys: [importPublicKey({ ...publicJwk(key) }), importEncryptionKey({ ...publicEncryptionJwk(decryptionKey) })],
  });
  const partner: Researcher = { ...registered, key, decryptionKey, token: await getToken(server.base, registered) };
  const world: ExtractWorld = { test: { base: server.base } as TestApp, receiver };

  const client = await pool.connect();
  const transactionId = 'crash';
  try {
    // Its first segment waits, so that it is killed in the middle, whatever the machine.
    await client.query('begin; lock table extract_segment in exclusive mode');
    expect((await sendExport(world, partner, exportBody(partner, { dimensions: ['district', 'sex'] }, { transactionId }))).status).toBe(
      202,
    );
    await until(async () => (await pool.query(`select 1 from extract where state = 'making'`)).rowCount === 1);
    await worker.kill();
    await client.query('rollback');
  } finally {
    client.release();
  }
  const { rows: left } = await pool.query<{ id: string }>('select id from extract');
  expect(left).toHaveLength(1);
  const unfinished = await fetch(`${server.base}/registry/extracts/${left[0]?.id}`, {
    headers: { authorization: `Bearer ${partner.token}` },
  });
  expect(unfinished.status).toBe(404);
  await start('worker');
  const { status, extract } = await calledBack(world, transactionId);
  expect(status).toBe('succ');
  if (extract === undefined) throw new Error('no extract');
  expect(extract.extract_id).not.toBe(left[0]?.id);
  const { rows } = await openExtract(world, partner, extract);
  expect(rows).toHaveLength(extract.records);
  expect(rows.length).toBeGreaterThan(200);
  await sleep(500);
  expect(receiver.received).toHaveLength(1);
  const { rows: kept } = await pool.query(
    `select (select count(*) from extract)::integer as extracts, (select count(distinct extract_id) from extract_segment)::integer as filled,
      (select count(*) from job where kind = 'export')::integer as jobs`,
  );
  expect(kept).toEqual([{ extracts: 1, filled: 1, jobs: 0 }]);
  const { rows: trail } = await pool.query(
    `select sum(record_count)::integer as records from audit where action = 'export' and outcome = 'answered'`,
  );
  expect(trail).toEqual([{ records: rows.length }]);
});
