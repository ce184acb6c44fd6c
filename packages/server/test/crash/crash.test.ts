import { randomInt } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { generateSigningKey, importPublicKey, publicJwk } from '@dci/protocol';
import { expect, it } from 'vitest';
import { BUILT_IN_PROFILES } from '../../src/profiles/index.ts';
import { createRandom } from '../../src/profiles/population/random.ts';
import { socialProfile } from '../../src/profiles/social.ts';
import { putRecords } from '../../src/registry/write.ts';
import { CHECKPOINT_KEY } from '../../src/services/audit-checkpoint.ts';
import { registerPartner } from '../../src/services/register-partner.ts';
import { openSealer } from '../../src/services/sealer.ts';
import { verifyAudit } from '../../src/services/verify-audit.ts';
import type { Database } from '../../src/store/database.ts';
import { person } from '../records/registry-fixture.ts';
import { type RecordingReceiver, startRecordingReceiver } from '../support/recording-receiver.ts';
import { signedMessage } from '../support/signed-message.ts';
import { getToken, post, SERVER_ID, type TestPartner } from '../support/test-app.ts';
import { countLeft, type Finding, judgeAudit, judgeMessages, judgeNotifications, judgeSearches, judgeSubscriptions } from './judge.ts';
import { keepRunning, type KeptProcess } from './kept-process.ts';
import { PERSONS, startLoad } from './load.ts';
import { type CrashingPostgres, startCrashingPostgres } from './postgres.ts';

/**
 * Server, workers and database are killed at random moments, those of their starting included, while records change and
 * partners search and subscribe. `DCI_CRASH_KILLS` says how often; `DCI_CRASH_SEED` repeats the choices of a run, though
 * not what the machine makes of them.
 */
const KILLS = Number(process.env['DCI_CRASH_KILLS'] ?? 12);
const SEED = process.env['DCI_CRASH_SEED'] ?? String(randomInt(1_000_000));

const QUIET_WITHIN_MS = 120_000;

async function until(what: string, isSo: () => boolean | Promise<boolean>, withinMs = 60_000): Promise<void> {
  const deadline = Date.now() + withinMs;
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error(`${what}: not within ${withinMs} ms`);
    await sleep(50);
  }
}

async function addPartner(database: Database, senderId: string, origin: string): Promise<Omit<TestPartner, 'token'>> {
  const key = generateSigningKey('ES256');
  const registered = await registerPartner(database.db, BUILT_IN_PROFILES, {
    senderId,
    terms: {
      registries: ['social'],
      scopes: ['registry/search', 'registry/subscribe', 'registry/subscribe-all'],
      legalBasis: 'law',
      fields: 'full',
      limits: { pageSize: 5 },
      callbackPrefixes: [`${origin}/`],
    },
    keys: [importPublicKey({ ...publicJwk(key) })],
  });
  return { ...registered, key };
}

async function subscribe(base: string, partner: TestPartner, criteria: readonly object[], uri: string): Promise<void> {
  const message = {
    transaction_id: `of ${partner.senderId}`,
    subscribe_request: criteria.map((item, index) => ({
      reference_id: `r${index}`,
      timestamp: new Date().toISOString(),
      subscribe_criteria: { notify_record_type: 'Member', ...item },
    })),
  };
  const header = { sender_uri: uri, total_count: criteria.length };
  const { status, body } = await post(
    `${base}/social/registry/subscribe`,
    partner.token,
    signedMessage(partner, 'subscribe', message, header),
  );
  const { subscription_codes: codes = [] } = (body.message ?? {}) as { subscription_codes?: string[] };
  expect([status, codes.length]).toEqual([202, criteria.length]);
}

const EVERYTHING = { filter: { type: '*', value: '*' } };
const byUin = (value: string): object => ({ filter_type: 'idtype-value', filter: { type: 'UIN', value } });

/** What it fails to take is made anew and comes again; a second failure would be tried after minutes only. */
function failNowAndThen(receiver: RecordingReceiver): void {
  const random = createRandom(`receiver ${SEED}`);
  const failed = new Set<string>();
  receiver.answerWith(({ message }) => {
    const id = message.transaction_id ?? '';
    if (failed.has(id) || !random.chance(0.05)) return 'ack';
    failed.add(id);
    return { status: 500 };
  });
}

async function killAtRandom(processes: readonly KeptProcess[], postgres: CrashingPostgres): Promise<void> {
  const random = createRandom(`kills ${SEED}`);
  for (let kill = 0; kill < KILLS; kill += 1) {
    await sleep(random.between(100, 1_800));
    const victim = random.weighted<{ kill(): void }>([...processes.map((process) => [process, 2] as const), [postgres, 3]]);
    victim.kill();
  }
}

async function findBrokenChain({ pool }: Database, dataDir: string): Promise<Finding[]> {
  const settings = { keyEncryptionKey: undefined, dataDir, databaseUrl: undefined };
  const macKey = openSealer(settings, () => undefined).deriveKey(CHECKPOINT_KEY);
  const findings: Finding[] = [];
  await verifyAudit(pool, { macKey, onProblem: ({ text }) => void findings.push(text) });
  return findings;
}

it(`over ${KILLS} kills nothing is lost, nothing half sent, nothing out of order (seed ${SEED})`, {
  timeout: 240_000 + KILLS * 10_000,
}, async () => {
  const begun = Date.now();
  const dataDir = mkdtempSync(join(tmpdir(), 'dci-crash-'));
  const postgres = await startCrashingPostgres();
  const { database } = postgres;
  const environment = {
    DCI_DATABASE_URL: postgres.url,
    DCI_DATA_DIR: dataDir,
    DCI_PORT: '0',
    DCI_SENDER_ID: SERVER_ID,
    DCI_LOG_LEVEL: 'error',
    DCI_ALLOW_HTTP_CALLBACKS: 'true',
    DCI_ALLOW_PRIVATE_CALLBACKS: 'true',
  };
  await putRecords(
    database.db,
    socialProfile,
    PERSONS.map((id) => person(id, {}, { email: ['0@example.org'] })),
  );
  const server = keepRunning('http', environment);
  await until('the server serves', () => server.isReady());
  const processes = [server, keepRunning('worker', environment), keepRunning('worker', environment)];
  const base = server.base() ?? '';
  const receiver = await startRecordingReceiver(base);
  try {
    const [one, other] = await Promise.all(
      ['one.test', 'other.test'].map(async (senderId) => {
        const added = await addPartner(database, senderId, receiver.origin);
        return { ...added, token: await getToken(base, added) };
      }),
    );
    if (one === undefined || other === undefined) throw new Error('there are two');
    const uri = `${receiver.origin}/on-subscribe`;
    await subscribe(
      base,
      one,
      ['UPDATE', 'REGISTER', 'DELETE'].map((reg_event_type) => ({ reg_event_type, ...EVERYTHING })),
      uri,
    );
    const narrow = [...PERSONS.slice(0, 3).map(byUin), EVERYTHING];
    await subscribe(
      base,
      other,
      narrow.map((filter) => ({ reg_event_type: 'UPDATE', ...filter })),
      uri,
    );
    failNowAndThen(receiver);
    const load = startLoad({ database, partner: one, callbackUri: uri, base: server.base, random: createRandom(`load ${SEED}`) });
    await killAtRandom(processes, postgres);
    await until('all run again', () => processes.every((process) => process.isReady()));
    await sleep(500);
    await load.stop();
    let left: Readonly<Record<string, number>> = {};
    const isQuiet = async (): Promise<boolean> => {
      left = await countLeft(database);
      return Object.values(left).every((count) => count === 0);
    };
    await until('all comes to rest', isQuiet, QUIET_WITHIN_MS).catch(() => undefined);
    const { received } = receiver;
    const { searches, subscriptions } = load;
    process.stderr.write(
      `${KILLS} kills (seed ${SEED}) in ${Math.round((Date.now() - begun) / 1_000)} s: ${load.changes()} changes, ${searches.length} searches and ${subscriptions.size} subscriptions acknowledged, ${received.length} messages arrived\n`,
    );
    expect(left).toEqual({ unread: 0, jobs: 0, untold: 0, undelivered: 0, unanswered: 0 });
    expect(processes.flatMap((process) => process.fallen)).toEqual([]);
    expect(judgeMessages(received)).toEqual([]);
    expect(await judgeNotifications(database, received)).toEqual([]);
    expect(judgeSearches(searches, received)).toEqual([]);
    expect(await judgeSubscriptions(database, subscriptions, received)).toEqual([]);
    expect(await judgeAudit(database, received)).toEqual([]);
    expect(await findBrokenChain(database, dataDir)).toEqual([]);
    expect(Math.min(load.changes(), searches.length, subscriptions.size)).toBeGreaterThan(0);
    expect(await Promise.all(processes.map((process) => process.stop()))).toEqual([0, 0, 0]);
  } finally {
    await Promise.all(processes.map((process) => process.stop()));
    await receiver.close();
    await postgres.close();
    rmSync(dataDir, { recursive: true });
  }
});
