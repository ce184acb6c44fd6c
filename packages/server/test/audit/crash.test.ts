import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { generateSigningKey, importPublicKey, publicJwk } from '@dci/protocol';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { BUILT_IN_PROFILES } from '../../src/profiles/index.ts';
import { reconcileProfile } from '../../src/registry/reconcile.ts';
import { CHECKPOINT_KEY } from '../../src/services/audit-checkpoint.ts';
import { registerPartner } from '../../src/services/register-partner.ts';
import { openSealer } from '../../src/services/sealer.ts';
import { verifyAudit } from '../../src/services/verify-audit.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { importPersons, type Person } from '../support/persons.ts';
import { type AnswerBody, getToken, searchBody, SERVER_ID, type TestPartner } from '../support/test-app.ts';

/** Nothing is disclosed without its row, at whatever moment the server dies. */

const ENTRY = fileURLToPath(new URL('../../bin/dci.mjs', import.meta.url));
const ROUNDS = 4;
const ASKING = 8;

let test: TestDatabase;
let folder: string;
let persons: Person[];
let partner: TestPartner;
let settings: Record<string, string>;

beforeAll(async () => {
  test = await createTestDatabase();
  folder = mkdtempSync(join(tmpdir(), 'dci-crash-'));
  for (const profile of BUILT_IN_PROFILES) await reconcileProfile(test.database, profile);
  persons = await importPersons(test.database, 40);
  const { host, user, database } = test.connection;
  settings = {
    DCI_DATABASE_URL: `postgresql:///${database}?host=${host}&user=${user}`,
    DCI_DATA_DIR: folder,
    DCI_PORT: '0',
    DCI_SENDER_ID: SERVER_ID,
    DCI_LOG_LEVEL: 'silent',
  };
  const key = generateSigningKey('ES256');
  const terms = { registries: ['social'], scopes: ['registry/search'], legalBasis: 'law', purposes: ['enrolment'], fields: 'full' };
  const registered = await registerPartner(test.database.db, BUILT_IN_PROFILES, {
    senderId: 'mis.test',
    terms,
    keys: [importPublicKey({ ...publicJwk(key) })],
  });
  partner = { ...registered, key, token: '' };
});
afterAll(async () => {
  rmSync(folder, { recursive: true });
  await test.drop();
});

interface Received {
  readonly messageId: string;
  readonly correlationId: string;
  readonly records: number;
}

async function startServer(): Promise<{ server: ChildProcess; base: string }> {
  const server = spawn(process.execPath, [ENTRY, 'serve'], {
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...settings },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  for await (const chunk of server.stderr) {
    said += String(chunk);
    const url = /serving at (http:\/\/127\.0\.0\.1:\d+\S+)/.exec(said)?.[1];
    if (url !== undefined) return { server, base: url };
  }
  throw new Error(`the server ended: ${said}`);
}

/** Asks for one person after the other until the server is gone. */
async function ask(base: string, asking: TestPartner, received: Received[]): Promise<void> {
  for (;;) {
    const uin = persons[randomInt(persons.length)]?.uin;
    const body = searchBody(asking, [{ query_type: 'idtype-value', query: { type: 'UIN', value: uin } }]);
    const { header } = JSON.parse(body) as { header: { message_id: string } };
    try {
      const response = await fetch(`${base}/social/registry/sync/search`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${asking.token}` },
        body,
      });
      const { message } = (await response.json()) as AnswerBody;
      received.push({
        messageId: header.message_id,
        correlationId: message?.correlation_id ?? '',
        records: message?.search_response?.[0]?.data?.reg_records.length ?? 0,
      });
    } catch {
      return;
    }
  }
}

it('every answer that arrived has its row, and the chain is whole, over kill -9', async () => {
  const received: Received[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const { server, base } = await startServer();
    const asking = { ...partner, token: await getToken(base, partner) };
    const before = received.length;
    const all = Array.from({ length: ASKING }, () => ask(base, asking, received));
    while (received.length < before + 20) await sleep(5);
    await sleep(randomInt(300));
    server.kill('SIGKILL');
    await Promise.all([once(server, 'exit'), ...all]);
  }
  const rows = await test.database.db.selectFrom('audit').selectAll().execute();
  const byCorrelation = new Map(rows.map((row) => [row.correlation_id, row]));
  expect(received.length).toBeGreaterThanOrEqual(ROUNDS * 20);
  for (const { messageId, correlationId, records } of received) {
    expect(records).toBe(1);
    expect(byCorrelation.get(correlationId)).toMatchObject({ message_id: messageId, outcome: 'answered', record_count: records });
  }
  const problems: string[] = [];
  const macKey = openSealer({ keyEncryptionKey: undefined, dataDir: folder, databaseUrl: undefined }, () => undefined).deriveKey(
    CHECKPOINT_KEY,
  );
  const verification = await verifyAudit(test.database.pool, { macKey, onProblem: ({ text }) => void problems.push(text) });
  expect(problems).toEqual([]);
  expect(verification.rows).toBe(rows.length);
}, 120_000);
