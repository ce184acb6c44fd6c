import { connectDatabase, type OpenedDatabase } from '@dci/server';
import type { Closing } from './closing.ts';
import { makeEnvironment } from './dci.ts';
import { describeMachine, type Machine } from './machine.ts';
import { type KeyFiles, makeKeyFiles, type SignatureAlgorithm } from './partner.ts';
import { findDataFolder, prepareDatabase } from './prepare.ts';

/** A registry of generated persons, kept from one run to the next, and the key that its server and partners sign with. */
export interface Populace {
  readonly environment: NodeJS.ProcessEnv;
  readonly key: KeyFiles;
  readonly opened: OpenedDatabase;
  readonly machine: Machine;
}

export interface PopulaceOptions {
  readonly persons: number;
  readonly seed: number;
  readonly signature: SignatureAlgorithm;
  /** Settings of the server, beside the usual ones. */
  readonly settings?: Readonly<Record<string, string>>;
}

export const REGISTRY = 'social';
export const BASE_PATH = '/api/v2/dci';

export async function openPopulace(
  { persons, seed, signature, settings = {} }: PopulaceOptions,
  closing: Closing,
  say: (text: string) => void,
): Promise<Populace> {
  const folder = findDataFolder(`persons-${persons}-seed-${seed}`);
  const key = closing(makeKeyFiles(signature), ({ remove }) => remove());
  const environment = makeEnvironment({
    DCI_DATA_DIR: folder,
    DCI_BASE_PATH: BASE_PATH,
    DCI_SIGNING_KEY_PATH: key.privateFile,
    DCI_ADDRESS_LIMIT_PER_MINUTE: '100000000',
    DCI_LOG_LEVEL: 'warn',
    ...settings,
  });
  await prepareDatabase(environment, { folder, registry: REGISTRY, persons, seed }, say);
  const opened = closing(await connectDatabase({ databaseUrl: undefined, dataDir: folder }, { info: () => undefined, warn: say }), (one) =>
    one.close(),
  );
  return { environment, key, opened, machine: await describeMachine(opened) };
}
