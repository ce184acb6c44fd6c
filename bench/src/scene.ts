import type { JsonWebKey } from 'node:crypto';
import { connectDatabase, type OpenedDatabase } from '@dci/server';
import { type Child, startChild } from './child.ts';
import { type Closing, withClosing } from './closing.ts';
import { findParent } from './cpu-time.ts';
import { makeEnvironment, type ServerProcess, startServer } from './dci.ts';
import type { LoadOrder, Measured } from './load.ts';
import { describeMachine, type Machine } from './machine.ts';
import type { Identifier, Traffic } from './messages.ts';
import type { TargetOrder } from './pairs.ts';
import { makeKeyFiles, registerPartner, type SignatureAlgorithm } from './partner.ts';
import { findDataFolder, prepareDatabase } from './prepare.ts';
import { waitForFollowers } from './wait-for-followers.ts';

/** What a bench of the search stands on: a database of persons, a partner's key, a process that asks. */
export interface Scene {
  readonly environment: NodeJS.ProcessEnv;
  readonly opened: OpenedDatabase;
  readonly machine: Machine;
  readonly identifiers: readonly Identifier[];
  /** A partner, and what it asks; `batch` identifiers a message. */
  addPartner(signature: 'required' | 'optional'): Promise<Omit<Traffic, 'batch'>>;
  /** Starts `dci serve`, and stops it with the scene. */
  startServer(environment?: NodeJS.ProcessEnv): Promise<ServerProcess & { readonly answerKeys: JsonWebKey[] }>;
  /** Has the process that asks fire at a port, on which `pid` answers. */
  fire(order: TargetOrder, at: Aimed): Promise<Measured>;
  /** Closes a part with the scene. */
  readonly closing: Closing;
}

export interface Aimed {
  readonly port: number;
  readonly pid: number;
  readonly answerKeys?: readonly JsonWebKey[];
}

export interface SceneOptions {
  readonly persons: number;
  readonly seed: number;
  readonly signature: SignatureAlgorithm;
}

export const REGISTRY = 'social';
export const BASE_PATH = '/api/v2/dci';
const IDENTIFIERS = 20_000;

/** Sets the scene, runs the bench on it, and clears it away. */
export async function onScene<T>(options: SceneOptions, say: (text: string) => void, bench: (scene: Scene) => Promise<T>): Promise<T> {
  return await withClosing(async (closing) => bench(await setScene(options, closing, say)));
}

async function setScene({ persons, seed, signature }: SceneOptions, closing: Closing, say: (text: string) => void): Promise<Scene> {
  const folder = findDataFolder(`persons-${persons}-seed-${seed}`);
  const key = closing(makeKeyFiles(signature), ({ remove }) => remove());
  const environment = makeEnvironment({
    DCI_DATA_DIR: folder,
    DCI_BASE_PATH: BASE_PATH,
    DCI_SIGNING_KEY_PATH: key.privateFile,
    DCI_ADDRESS_LIMIT_PER_MINUTE: '100000000',
    DCI_LOG_LEVEL: 'warn',
  });
  await prepareDatabase(environment, { folder, registry: REGISTRY, persons, seed }, say);
  const opened = closing(await connectDatabase({ databaseUrl: undefined, dataDir: folder }, { info: () => undefined, warn: say }), (one) =>
    one.close(),
  );
  const { pool } = opened.database;
  const identifiers = await chooseIdentifiers(pool);
  const machine = await describeMachine(opened);
  const postmaster = await findPostmaster(pool);
  let load: Child<LoadOrder, Measured> | undefined;
  return {
    environment,
    opened,
    machine,
    identifiers,
    closing,
    addPartner: async (policy) => ({
      ...(await registerPartner(environment, REGISTRY, key, policy)),
      path: `${BASE_PATH}/${REGISTRY}/registry/sync/search`,
    }),
    startServer: async (own = environment) => {
      const server = closing(await startServer(own), ({ stop }) => stop());
      await waitForFollowers(pool, say);
      return { ...server, answerKeys: await fetchKeys(server.port) };
    },
    fire: (order, { port, pid, answerKeys }) => {
      load ??= closing(startChild<LoadOrder, Measured>('./load.js'), (child) => child.stop());
      return load.ask({ ...order, port, answerKeys, watched: { process: pid, postmaster } });
    },
  };
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

export async function findPostmaster(pool: { query(text: string): Promise<{ rows: { pid: number }[] }> }): Promise<number> {
  const { rows } = await pool.query('select pg_backend_pid() as pid');
  return findParent(rows[0]?.pid ?? Number.NaN) ?? Number.NaN;
}

export async function fetchKeys(port: number): Promise<JsonWebKey[]> {
  const response = await fetch(`http://127.0.0.1:${port}${BASE_PATH}/.well-known/jwks.json`);
  const { keys } = (await response.json()) as { keys: JsonWebKey[] };
  return keys.filter((key) => key['use'] === 'sig');
}
