import { randomUUID } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { openConfiguredDatabase, type OpenedDatabase } from '@dci/server';
import { makeEnvironment, startServer } from './dci.ts';
import { type Arrivals, type Receivers, startReceivers } from './fairness-receivers.ts';
import { describeMachine, type Machine } from './machine.ts';
import { makeKeyFiles, registerPartner } from './partner.ts';
import { findDataFolder, prepareDatabase } from './prepare.ts';
import { type Latency, median, summariseLatency } from './statistics.ts';

/**
 * Whether partners whose receivers are sick delay the others. In each pair of rounds the same partners ask as often; in
 * the first all receivers are well, in the second those of some are dead, silent, failing, elsewhere or not who they say
 * they are. What counts is how long the others wait, from their request to the arrival of its answer.
 */
export interface FairnessOptions {
  readonly seconds: number;
  readonly rounds: number;
  /** Asynchronous searches of each partner, a second. */
  readonly rate: number;
}

export interface FairnessBench {
  readonly options: FairnessOptions;
  readonly machine: Machine;
  /** All receivers are well. */
  readonly alone: Latency;
  /** Some are sick. */
  readonly beside: Latency;
  /** p95 of the second round of each pair by that of the first, and their median. */
  readonly ratios: readonly number[];
  readonly ratio: number;
  readonly sick: readonly string[];
}

const REGISTRY = 'social';
const PATH = '/api/v2/dci/social/registry/search';
const HEALTHY = 3;
const PERSONS = 200;
const PATIENCE_MS = 60_000;

interface Asker {
  readonly senderId: string;
  readonly token: string;
  /** Absent: its receiver is always well. */
  readonly sickUrl?: string;
}

export async function benchFairness(options: FairnessOptions, say: (text: string) => void): Promise<FairnessBench> {
  const folder = findDataFolder('fairness');
  const environment = makeEnvironment({
    DCI_DATA_DIR: folder,
    DCI_LOG_LEVEL: 'silent',
    DCI_ALLOW_HTTP_CALLBACKS: 'true',
    DCI_ALLOW_PRIVATE_CALLBACKS: 'true',
  });
  rmSync(folder, { recursive: true, force: true });
  await prepareDatabase(environment, { folder, registry: REGISTRY, persons: PERSONS, seed: 1 }, say);
  mkdirSync(folder, { recursive: true });
  const opened = await openConfiguredDatabase({ databaseUrl: undefined, dataDir: folder }, { info: () => undefined, warn: say });
  const receivers = await startReceivers();
  const server = await startServer(environment);
  try {
    const machine = await describeMachine(opened);
    const identifiers = await readIdentifiers(opened);
    const askers = await registerAskers(environment, receivers);
    const ask = (seconds: number, isSick: boolean): Promise<number[]> =>
      measure({ port: server.port, askers, receivers, identifiers, seconds, rate: options.rate, isSick });
    say('warming up');
    await ask(options.seconds, false);
    const [alone, beside]: [number[][], number[][]] = [[], []];
    for (let round = 1; round <= options.rounds; round += 1) {
      say(`round ${round} of ${options.rounds}`);
      alone.push(await ask(options.seconds, false));
      beside.push(await ask(options.seconds, true));
      await forgetSick(opened);
    }
    const ratios = alone.map((latencies, index) => summariseLatency(beside[index] ?? []).p95 / summariseLatency(latencies).p95);
    return {
      options,
      machine,
      alone: summariseLatency(alone.flat()),
      beside: summariseLatency(beside.flat()),
      ratios,
      ratio: median(ratios),
      sick: Object.keys(receivers.sick),
    };
  } finally {
    await server.stop();
    await receivers.close();
    await opened.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function readIdentifiers({ database }: OpenedDatabase): Promise<string[]> {
  const { rows } = await database.pool.query<{ value: string }>(
    `select value from identifier where registry = $1 and type = 'UIN' and record_type = 'person' and valid_to is null`,
    [REGISTRY],
  );
  if (rows.length === 0) throw new Error('there is nobody to ask for');
  return rows.map(({ value }) => value);
}

async function registerAskers(environment: NodeJS.ProcessEnv, { well, sick }: Receivers): Promise<Asker[]> {
  const key = makeKeyFiles('es256');
  try {
    const urls: (string | undefined)[] = [...Array.from({ length: HEALTHY }, () => undefined), ...Object.values(sick)];
    const askers: Asker[] = [];
    for (const sickUrl of urls) {
      const callbacks = [well, ...(sickUrl === undefined ? [] : [sickUrl])].flatMap((url) => ['--allow-callback', url]);
      const { senderId, token } = await registerPartner(environment, REGISTRY, key, 'optional', callbacks);
      askers.push({ senderId, token, ...(sickUrl === undefined ? {} : { sickUrl }) });
    }
    return askers;
  } finally {
    key.remove();
  }
}

interface Round {
  readonly port: number;
  readonly askers: readonly Asker[];
  readonly receivers: Receivers;
  readonly identifiers: readonly string[];
  readonly seconds: number;
  readonly rate: number;
  readonly isSick: boolean;
}

/** Latencies of the partners whose receivers are always well, milliseconds. */
async function measure(round: Round): Promise<number[]> {
  const { askers, receivers, seconds, rate, isSick } = round;
  const begun = performance.now();
  const asked = await Promise.all(
    askers.flatMap((asker, place) =>
      Array.from({ length: seconds * rate }, async (_, index) => {
        await sleep(((index + place / askers.length) * 1_000) / rate);
        const at = performance.now();
        const transaction = await askOne(round, asker, isSick && asker.sickUrl !== undefined ? asker.sickUrl : receivers.well);
        return { asker, transaction, at };
      }),
    ),
  );
  const counted = asked.filter(({ asker }) => asker.sickUrl === undefined);
  const awaited = isSick ? counted : asked;
  await untilArrived(
    receivers.arrivals,
    awaited.map(({ transaction }) => transaction),
    begun,
  );
  return counted.map(({ transaction, at }) => (receivers.arrivals.get(transaction) ?? Number.NaN) - at);
}

async function askOne({ port, identifiers }: Round, { senderId, token }: Asker, url: string): Promise<string> {
  const transaction = randomUUID();
  const now = new Date().toISOString();
  const value = identifiers[Math.floor(Math.random() * identifiers.length)];
  const search_criteria = { query_type: 'idtype-value', query: { type: 'UIN', value } };
  const header = { version: '1.0.0', message_id: randomUUID(), message_ts: now, action: 'search', sender_id: senderId };
  const response = await fetch(`http://127.0.0.1:${port}${PATH}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      header: { ...header, sender_uri: url, total_count: 1 },
      message: { transaction_id: transaction, search_request: [{ reference_id: '1', timestamp: now, search_criteria }] },
    }),
  });
  if (response.status !== 202) throw new Error(`a search was answered ${response.status}: ${await response.text()}`);
  await response.arrayBuffer();
  return transaction;
}

async function untilArrived(arrivals: Arrivals, transactions: readonly string[], begun: number): Promise<void> {
  while (!transactions.every((transaction) => arrivals.has(transaction))) {
    if (performance.now() - begun > PATIENCE_MS + 60_000) throw new Error('answers are missing');
    await sleep(20);
  }
}

/** So that each pair of rounds begins alike: what could not be delivered is let go. */
async function forgetSick({ database: { pool } }: OpenedDatabase): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    await pool.query(`delete from delivery where state <> 'delivered'`);
    await pool.query(`update job set run_at = now() where kind = 'deliver' and state = 'ready'`);
    await pool.query('delete from job_hold');
    await pool.query('delete from receiver_trouble');
    const { rows } = await pool.query<{ count: number }>('select count(*)::integer as count from job');
    if (rows[0]?.count === 0) return;
    if (performance.now() > deadline) throw new Error('jobs of the sick are left');
    await sleep(250);
  }
}
