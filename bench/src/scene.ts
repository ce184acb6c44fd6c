import type { JsonWebKey } from 'node:crypto';
import type { OpenedDatabase } from '@dci/server';
import { type Child, startChild } from './child.ts';
import { type Closing, withClosing } from './closing.ts';
import { findParent } from './cpu-time.ts';
import { type ServerProcess, startServer } from './dci.ts';
import type { LoadOrder, Measured } from './load.ts';
import type { Machine } from './machine.ts';
import type { Identifier, Traffic } from './messages.ts';
import type { TargetOrder } from './pairs.ts';
import { registerPartner, type SignatureAlgorithm } from './partner.ts';
import { BASE_PATH, openPopulace, REGISTRY } from './populace.ts';
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

const IDENTIFIERS = 20_000;

/** Sets the scene, runs the bench on it, and clears it away. */
export async function onScene<T>(options: SceneOptions, say: (text: string) => void, bench: (scene: Scene) => Promise<T>): Promise<T> {
  return await withClosing(async (closing) => bench(await setScene(options, closing, say)));
}

async function setScene(options: SceneOptions, closing: Closing, say: (text: string) => void): Promise<Scene> {
  const { environment, key, opened, machine } = await openPopulace(options, closing, say);
  const { pool } = opened.database;
  const identifiers = await chooseIdentifiers(pool);
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
