import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { generateSigningKey, importPublicKey, publicJwk } from '@dci/protocol';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { BUILT_IN_PROFILES } from '../../src/profiles/index.ts';
import { reconcileProfile } from '../../src/registry/reconcile.ts';
import { registerPartner } from '../../src/services/register-partner.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { importPersons, type Person } from '../support/persons.ts';
import { type RecordingReceiver, startRecordingReceiver } from '../support/recording-receiver.ts';
import { getToken, post, searchBody, type TestPartner } from '../support/test-app.ts';
import { type ServerProcess, startServer } from './start-server.ts';

let test: TestDatabase;
let dataDir: string;
let receiver: RecordingReceiver;
let persons: Person[];
let credentials: Omit<TestPartner, 'token'>;
const processes = new Set<ServerProcess>();

beforeAll(async () => {
  test = await createTestDatabase();
  for (const profile of BUILT_IN_PROFILES) await reconcileProfile(test.database, profile);
  dataDir = mkdtempSync(join(tmpdir(), 'dci-crash-'));
  persons = await importPersons(test.database, 20);
  const key = generateSigningKey('ES256');
  receiver = await startRecordingReceiver();
  const registered = await registerPartner(test.database.db, BUILT_IN_PROFILES, {
    senderId: 'crash.test',
    terms: {
      registries: ['social'],
      scopes: ['registry/search'],
      legalBasis: 'law',
      fields: 'full',
      notifyUri: `${receiver.origin}/inbox`,
    },
    keys: [importPublicKey({ ...publicJwk(key) })],
  });
  credentials = { ...registered, key };
});
afterEach(async () => {
  for (const process of processes) await process.kill();
  processes.clear();
});
afterAll(async () => {
  await receiver.close();
  await test.drop();
  rmSync(dataDir, { recursive: true });
});

async function start(role: string): Promise<ServerProcess> {
  const server = await startServer(test, dataDir, role);
  processes.add(server);
  return server;
}

/** Asks for persons, one message each; the transactions that were acknowledged. */
async function ask(base: string, token: string, count: number): Promise<string[]> {
  const partner = { ...credentials, token };
  const sent = Array.from({ length: count }, async (_, index) => {
    const transactionId = `t-${index}-${Math.random()}`;
    const criteria = { query_type: 'idtype-value', query: { type: 'UIN', value: persons[index % persons.length]?.uin } };
    const body = searchBody(partner, [criteria], { message: { transaction_id: transactionId } });
    const answer = await post(`${base}/registry/search`, partner.token, body).catch(() => undefined);
    return answer?.status === 202 ? [transactionId] : [];
  });
  return (await Promise.all(sent)).flat();
}

const arrived = (): Set<string> => new Set(receiver.received.map(({ message }) => message.transaction_id ?? ''));

async function untilArrived(transactions: readonly string[]): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (!transactions.every((id) => arrived().has(id))) {
    if (Date.now() > deadline) throw new Error(`${transactions.filter((id) => !arrived().has(id)).length} answers are missing`);
    await sleep(50);
  }
}

it('loses nothing that it has acknowledged when worker or server are killed in the middle of it', { timeout: 180_000 }, async () => {
  let server = await start('http');
  let worker = await start('worker');
  const acknowledged: string[] = [];
  for (let round = 0; round < 2; round += 1) {
    const before = receiver.received.length;
    const asking = ask(server.base, await getToken(server.base, credentials), 40);
    if (round === 1) {
      await sleep(60);
      await server.kill();
      server = await start('http');
    }
    acknowledged.push(...(await asking));
    while (receiver.received.length < before + 3) await sleep(1);
    await worker.kill();
    worker = await start('worker');
  }
  await untilArrived(acknowledged);
  // Whatever was committed without the asker hearing of it ends as well.
  const unfinished = `select count(*)::integer as count from dci_transaction where state = 'pending'`;
  const pending = `select count(*)::integer as count from delivery where state <> 'delivered'`;
  for (const statement of [unfinished, pending])
    for (let waited = 0; ; waited += 1) {
      const { rows } = await test.database.pool.query<{ count: number }>(statement);
      if (rows[0]?.count === 0) break;
      if (waited > 600) throw new Error(`${rows[0]?.count} have not ended: ${statement}`);
      await sleep(100);
    }
  for (const { text, header } of receiver.received) {
    expect(JSON.parse(text)).toMatchObject({ header: { action: 'on-search', status: 'succ' }, signature: expect.any(String) });
    expect(header.message_id).toEqual(expect.any(String));
  }
  expect(new Set(receiver.received.map(({ header }) => header.message_id)).size).toBe(receiver.received.length);
  expect(await server.stop()).toBe(0);
  expect(await worker.stop()).toBe(0);
  const { rows } = await test.database.pool.query('select id from worker');
  expect(rows.length).toBeLessThanOrEqual(3);
});

it('gives back what it has not ended when it is told to stop', { timeout: 60_000 }, async () => {
  const both = await start('both');
  receiver.answerWith('hang');
  const before = receiver.received.length;
  const [transaction = ''] = await ask(both.base, await getToken(both.base, credentials), 1);
  await receiver.waitFor(before + 1, 20_000);
  expect(await both.stop()).toBe(0);
  receiver.answerWith('ack');
  const { rows } = await test.database.pool.query(`select state from job where kind = 'deliver' and state = 'running'`);
  expect(rows).toEqual([]);
  const next = await start('worker');
  const deadline = Date.now() + 20_000;
  for (;;) {
    const { rows: found } = await test.database.pool.query<{ state: string }>('select state from delivery where transaction_id = $1', [
      transaction,
    ]);
    if (found[0]?.state === 'delivered') break;
    if (Date.now() > deadline) throw new Error('it was not sent again');
    await sleep(50);
  }
  await next.stop();
});
