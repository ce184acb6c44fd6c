import { mkdirSync, rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { createDciClient } from '@dci/client';
import { BUILT_IN_PROFILES, openConfiguredDatabase, type OpenedDatabase, putRecords, reconcileProfile } from '@dci/server';
import { startChild } from './child.ts';
import { withClosing } from './closing.ts';
import { type CpuTime, readCpuTime, subtractCpuTime } from './cpu-time.ts';
import { makeEnvironment, runDci, startServer } from './dci.ts';
import { describeMachine, type Machine } from './machine.ts';
import { findDataFolder } from './prepare.ts';
import type { Counted, Listening, ReadMessages, ReceiverOrder, ToldMessage } from './receiver.ts';
import { BASE_PATH, REGISTRY } from './populace.ts';
import { fetchKeys, findPostmaster } from './scene.ts';
import { type Latency, summariseLatency } from './statistics.ts';

/**
 * Changes at a steady rate, each of which concerns every subscriber: how long from the commit of a change until it has
 * arrived, and whether all of them did, in order.
 */
export interface NotifyBenchOptions {
  /** Events a second, each a commit of its own. */
  readonly rate: number;
  readonly subscribers: number;
  readonly seconds: number;
}

export interface NotifyBench {
  readonly options: NotifyBenchOptions;
  readonly machine: Machine;
  readonly events: number;
  /** Events a second, as they were committed. */
  readonly rate: number;
  /** Records told, and the messages that told them. */
  readonly told: number;
  readonly messages: number;
  /** Told to a subscriber again; at least once is what is promised. */
  readonly repeated: number;
  /** Pairs of subscriber and event of which nothing arrived; and those that arrived after a later version of the record. */
  readonly lost: number;
  readonly disordered: number;
  /** Milliseconds from the commit of an event to its first arrival, and the parts of it. */
  readonly latency: Latency;
  readonly parts: {
    /** Until the notification was composed, audited and written down. */
    readonly composed: Latency;
    /** From there until it was signed and on its way. */
    readonly sent: Latency;
    /** From there until it was at the receiver. */
    readonly arrived: Latency;
  };
  /** Microseconds of CPU for each record told; absent where they cannot be told. */
  readonly cpu?: CpuTime | undefined;
}

const PERSONS = 2_000;
const AT_A_TIME = 16;
const PATIENCE_MS = 120_000;
const WARM_UP_SECONDS = 5;

export async function benchNotify(options: NotifyBenchOptions, say: (text: string) => void): Promise<NotifyBench> {
  return await withClosing(async (closing) => {
    const folder = findDataFolder('notify');
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    closing(folder, () => rmSync(folder, { recursive: true, force: true }));
    const environment = makeEnvironment({
      DCI_DATA_DIR: folder,
      DCI_BASE_PATH: BASE_PATH,
      DCI_LOG_LEVEL: 'warn',
      DCI_ALLOW_HTTP_CALLBACKS: 'true',
      DCI_ALLOW_PRIVATE_CALLBACKS: 'true',
    });
    const opened = closing(
      await openConfiguredDatabase({ databaseUrl: undefined, dataDir: folder }, { info: () => undefined, warn: say }),
      (one) => one.close(),
    );
    const writer = await prepareWriter(opened);
    const receiver = closing(startChild<ReceiverOrder, Listening | Counted | ReadMessages>('./receiver.js'), (child) => child.stop());
    const { port } = (await receiver.ask({ what: 'listen' })) as Listening;
    const server = closing(await startServer(environment), ({ stop }) => stop());
    const watched = { process: server.pid, postmaster: await findPostmaster(opened.database.pool) };
    say(`${options.subscribers} subscribers`);
    for (let number = 1; number <= options.subscribers; number += 1)
      await subscribe(environment, `http://127.0.0.1:${server.port}${BASE_PATH}`, `http://127.0.0.1:${port}/${number}`, `bench-${number}`);
    const arrivals = async (count: number): Promise<void> => {
      const deadline = performance.now() + PATIENCE_MS;
      for (;;) {
        const { records } = (await receiver.ask({ what: 'count' })) as Counted;
        if (records >= count || performance.now() > deadline) return;
        await sleep(100);
      }
    };
    say(`warming up, ${WARM_UP_SECONDS} s`);
    const warming = await writer.write(options.rate, WARM_UP_SECONDS);
    await arrivals(warming.length * options.subscribers);
    say(`${options.rate} events a second for ${options.seconds} s`);
    const before = readCpuTime(watched);
    const committed = await writer.write(options.rate, options.seconds);
    await arrivals((warming.length + committed.length) * options.subscribers);
    const after = readCpuTime(watched);
    const { messages } = (await receiver.ask({ what: 'read', keys: await fetchKeys(server.port) })) as ReadMessages;
    const summary = summarise(options, committed, messages, await readComposed(opened));
    const cpu = before && after && subtractCpuTime(after, before);
    return { options, machine: await describeMachine(opened), ...summary, cpu: cpu && divide(cpu, summary.told) };
  });
}

async function subscribe(environment: NodeJS.ProcessEnv, baseUrl: string, own: string, senderId: string): Promise<void> {
  const terms = ['--registries', REGISTRY, '--scopes', 'registry/subscribe,registry/subscribe-all', '--legal-basis', 'law: benchmark'];
  const more = ['--fields', 'full', '--signature', 'optional', '--allow-callback', own, '--json'];
  const added = await runDci(environment, 'partner', 'add', '--sender-id', senderId, ...terms, ...more);
  const { client_id: clientId, client_secret: clientSecret } = JSON.parse(added) as { client_id: string; client_secret: string };
  const client = createDciClient({ baseUrl, senderId, credentials: { clientId, clientSecret } });
  await client.subscribe(
    { reg_event_type: 'UPDATE', notify_record_type: 'Member', filter: { type: '*', value: '*' } },
    { registry: REGISTRY, senderUri: `${own}/on-subscribe` },
  );
}

/** A change, and when its commit was known, epoch milliseconds. */
interface Committed {
  readonly identifier: string;
  readonly version: number;
  readonly at: number;
}

interface Writer {
  /** Changes one person after another, `rate` a second. */
  write(rate: number, seconds: number): Promise<Committed[]>;
}

async function prepareWriter({ database }: OpenedDatabase): Promise<Writer> {
  const profile = BUILT_IN_PROFILES.find(({ registry }) => registry === REGISTRY);
  if (profile === undefined) throw new Error(`there is no registry ${REGISTRY}`);
  await reconcileProfile(database, profile);
  let change = 0;
  const write = async (...numbers: number[]): Promise<Committed[]> => {
    change += 1;
    const results = await putRecords(
      database.db,
      profile,
      numbers.map((number) => makePerson(number, change)),
    );
    const at = performance.timeOrigin + performance.now();
    return results.map((result, index) => {
      if (result.status === 'refused' || result.status === 'unchanged') throw new Error(`a change of the bench was ${result.status}`);
      return { identifier: `p${numbers[index]}`, version: result.version, at };
    });
  };
  await write(...Array.from({ length: PERSONS }, (_, number) => number));
  let next = 0;
  return {
    async write(rate, seconds) {
      const committed: Committed[] = [];
      const begun = performance.now();
      const all = rate * seconds;
      let taken = 0;
      const work = async (): Promise<void> => {
        while (taken < all) {
          const due = begun + (taken++ * 1_000) / rate;
          const wait = due - performance.now();
          if (wait > 0) await sleep(wait);
          committed.push(...(await write(next++ % PERSONS)));
        }
      };
      await Promise.all(Array.from({ length: AT_A_TIME }, work));
      return committed;
    },
  };
}

function makePerson(number: number, change: number): object {
  return {
    '@type': 'Member',
    demographic_info: {
      '@type': 'SRPerson',
      identifier: [{ identifier_type: 'UIN', identifier_value: `p${number}` }],
      name: { given_name: 'Ada', surname: 'Lovelace' },
      sex: 'female',
      birth_date: '1980-05-17T00:00:00Z',
      address: [{ locality: 'Town', sub_region_code: `D-${number % 20}` }],
      email: [`${change}@example.org`],
    },
  };
}

/** When each notification was written down, by its transaction; epoch milliseconds. */
async function readComposed({ database }: OpenedDatabase): Promise<Map<string, number>> {
  const { rows } = await database.pool.query<{ id: string; at: Date }>(
    `select transaction_id as id, created_at as at from delivery where action = 'notify'`,
  );
  return new Map(rows.map(({ id, at }) => [id, at.getTime()]));
}

type Summary = Omit<NotifyBench, 'options' | 'machine' | 'cpu'>;

function summarise(
  { subscribers }: NotifyBenchOptions,
  committed: readonly Committed[],
  messages: readonly ToldMessage[],
  composed: ReadonlyMap<string, number>,
): Summary {
  const events = new Map(committed.map((event) => [`${event.identifier} ${event.version}`, event]));
  const seen = new Set<string>();
  const latest = new Map<string, number>();
  const tellings = new Set<ToldMessage>();
  const times = { whole: [] as number[], composed: [] as number[], sent: [] as number[], arrived: [] as number[] };
  let [told, repeated, disordered] = [0, 0, 0];
  for (const message of messages)
    for (const { identifier, version } of message.records) {
      const event = events.get(`${identifier} ${version}`);
      if (event === undefined) continue;
      told += 1;
      tellings.add(message);
      const key = `${message.subscription} ${identifier}`;
      if (seen.has(`${key} ${version}`)) {
        repeated += 1;
        continue;
      }
      seen.add(`${key} ${version}`);
      if (version < (latest.get(key) ?? 0)) disordered += 1;
      latest.set(key, Math.max(version, latest.get(key) ?? 0));
      const composedAt = composed.get(message.transactionId) ?? Number.NaN;
      times.whole.push(message.arrivedAt - event.at);
      times.composed.push(composedAt - event.at);
      times.sent.push(message.sentAt - composedAt);
      times.arrived.push(message.arrivedAt - message.sentAt);
    }
  const moments = committed.map(({ at }) => at);
  return {
    events: committed.length,
    rate: (committed.length * 1_000) / (Math.max(...moments) - Math.min(...moments)),
    told,
    messages: tellings.size,
    repeated,
    lost: committed.length * subscribers - seen.size,
    disordered,
    latency: summariseLatency(times.whole),
    parts: {
      composed: summariseLatency(times.composed),
      sent: summariseLatency(times.sent),
      arrived: summariseLatency(times.arrived),
    },
  };
}

function divide({ main, threads, database }: CpuTime, count: number): CpuTime {
  const each = (milliseconds: number): number => (milliseconds * 1_000) / count;
  return { main: each(main), threads: each(threads), database: each(database) };
}
