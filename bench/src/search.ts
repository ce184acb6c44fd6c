import type { JsonWebKey } from 'node:crypto';
import { connectDatabase } from '@dci/server';
import { startChild } from './child.ts';
import { type Closing, withClosing } from './closing.ts';
import { type Comparison, compare, type Pair } from './comparison.ts';
import { findParent } from './cpu-time.ts';
import { makeEnvironment, startServer } from './dci.ts';
import type { FloorOrder, FloorReady } from './floor.ts';
import type { LoadOrder, Measured } from './load.ts';
import { describeMachine, type Machine } from './machine.ts';
import type { Identifier, Traffic } from './messages.ts';
import { makeKeyFiles, registerPartner, type SignatureAlgorithm } from './partner.ts';
import { findDataFolder, prepareDatabase } from './prepare.ts';
import { readStatements } from './statements.ts';
import { waitForFollowers } from './wait-for-followers.ts';

/** Identifier search: the server against the floor, in pairs of rounds, floor first. */

export interface SearchBenchOptions {
  readonly persons: number;
  readonly seed: number;
  /** Length of a round. */
  readonly seconds: number;
  readonly rounds: number;
  readonly connections: number;
  readonly signature: SignatureAlgorithm;
}

export interface SearchBench {
  readonly options: SearchBenchOptions;
  readonly machine: Machine;
  /** One identifier a message, signed. */
  readonly signed: Comparison;
  /** The same from a partner that need not sign. */
  readonly unsigned: Comparison;
  /** Fifty identifiers a message, signed. */
  readonly batch: Comparison;
}

const REGISTRY = 'social';
const BASE_PATH = '/api/v2/dci';
const BATCH = 50;
const IDENTIFIERS = 20_000;
// Until the compilers of both have seen their code often enough; later rows only need their own paths warm.
const FIRST_WARM_UP_SECONDS = 10;
const WARM_UP_SECONDS = 3;
// A round may turn out faster than the last one; messages that are left over are only wasted.
const SPARE = 1.5;
// More than any server here answers before the first rate is known.
const FIRST_GUESS = 6_000;

export async function benchSearch(options: SearchBenchOptions, say: (text: string) => void): Promise<SearchBench> {
  return await withClosing((closing) => runSearchBench(options, closing, say));
}

async function runSearchBench(options: SearchBenchOptions, closing: Closing, say: (text: string) => void): Promise<SearchBench> {
  const { persons, seed } = options;
  const folder = findDataFolder(`persons-${persons}-seed-${seed}`);
  const key = closing(makeKeyFiles(options.signature), ({ remove }) => remove());
  const environment = makeEnvironment({
    DCI_DATA_DIR: folder,
    DCI_BASE_PATH: BASE_PATH,
    DCI_SIGNING_KEY_PATH: key.privateFile,
    DCI_ADDRESS_LIMIT_PER_MINUTE: '100000000',
    DCI_LOG_LEVEL: 'warn',
  });
  await prepareDatabase(environment, { folder, registry: REGISTRY, persons, seed }, say);

  const database = closing(
    await connectDatabase({ databaseUrl: undefined, dataDir: folder }, { info: () => undefined, warn: say }),
    (opened) => opened.close(),
  );
  const identifiers = await chooseIdentifiers(database.database.pool);
  const machine = await describeMachine(database);
  const partner = await registerPartner(environment, REGISTRY, key, 'required');
  const unsignedPartner = await registerPartner(environment, REGISTRY, key, 'optional');

  const floor = closing(startChild<FloorOrder, FloorReady>('./floor.js'), (child) => child.stop());
  const { port: floorPort, pid: floorPid } = await floor.ask({ connection: database.database.connection, ...readStatements(REGISTRY) });
  const server = closing(await startServer(environment), ({ stop }) => stop());
  const load = closing(startChild<LoadOrder, Measured>('./load.js'), (child) => child.stop());
  const answerKeys = await fetchKeys(server.port);
  await waitForFollowers(database.database.pool, say);
  const postmaster = await findPostmaster(database.database.pool);

  const path = `${BASE_PATH}/${REGISTRY}/registry/sync/search`;
  const targets: Targets = {
    floor: (order) => load.ask({ ...order, port: floorPort, watched: { process: floorPid, postmaster } }),
    server: (order) => load.ask({ ...order, port: server.port, answerKeys, watched: { process: server.pid, postmaster } }),
  };
  const compareTraffic = (name: string, traffic: Traffic, warmUpSeconds = WARM_UP_SECONDS): Promise<Comparison> =>
    runPairs(targets, { name, traffic, identifiers, options, warmUpSeconds, say });
  return {
    options,
    machine,
    signed: await compareTraffic('signed', { ...partner, path, batch: 1 }, FIRST_WARM_UP_SECONDS),
    unsigned: await compareTraffic('unsigned', { ...unsignedPartner, path, batch: 1 }),
    batch: await compareTraffic(`signed, ${BATCH} a message`, { ...partner, path, batch: BATCH }),
  };
}

type TargetOrder = Omit<LoadOrder, 'port' | 'answerKeys' | 'watched'>;

interface Targets {
  floor(order: TargetOrder): Promise<Measured>;
  server(order: TargetOrder): Promise<Measured>;
}

interface Row {
  readonly name: string;
  readonly traffic: Traffic;
  readonly identifiers: readonly Identifier[];
  readonly options: SearchBenchOptions;
  readonly warmUpSeconds: number;
  readonly say: (text: string) => void;
}

async function runPairs(targets: Targets, { name, traffic, identifiers, options, warmUpSeconds, say }: Row): Promise<Comparison> {
  const { connections, rounds, seconds } = options;
  const order = (rate: number, length: number): TargetOrder => ({
    traffic,
    identifiers,
    connections,
    seconds: length,
    messages: Math.ceil(rate * length * SPARE) + connections,
  });
  const guess = FIRST_GUESS / traffic.batch;
  say(`${name}: warming up`);
  let floor = await targets.floor(order(guess, warmUpSeconds));
  let server = await targets.server(order(guess, warmUpSeconds));
  const pairs: Pair[] = [];
  while (pairs.length < rounds) {
    floor = await targets.floor(order(rateOf(floor), seconds));
    server = await targets.server(order(rateOf(server), seconds));
    pairs.push({ floor, server });
    say(`${name}: round ${pairs.length} of ${rounds}, floor ${rateOf(floor).toFixed(0)}/s, server ${rateOf(server).toFixed(0)}/s`);
  }
  return compare(pairs);
}

function rateOf({ requests, seconds }: Measured): number {
  return requests / seconds;
}

async function chooseIdentifiers(pool: { query(text: string, values: unknown[]): Promise<{ rows: Identifier[] }> }): Promise<Identifier[]> {
  const { rows } = await pool.query(
    `select type, value from identifier
     where registry = $1 and record_type = 'person' and is_unique and valid_to is null and type = 'UIN'
     order by random() limit $2`,
    [REGISTRY, IDENTIFIERS],
  );
  if (rows.length === 0) throw new Error('the database holds no person with an identifier');
  return rows;
}

async function findPostmaster(pool: { query(text: string): Promise<{ rows: { pid: number }[] }> }): Promise<number> {
  const { rows } = await pool.query('select pg_backend_pid() as pid');
  return findParent(rows[0]?.pid ?? Number.NaN) ?? Number.NaN;
}

async function fetchKeys(port: number): Promise<JsonWebKey[]> {
  const response = await fetch(`http://127.0.0.1:${port}${BASE_PATH}/.well-known/jwks.json`);
  const { keys } = (await response.json()) as { keys: JsonWebKey[] };
  return keys.filter((key) => key['use'] === 'sig');
}
