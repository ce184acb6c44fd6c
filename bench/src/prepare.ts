import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { pipeDci } from './dci.ts';

/** A data folder of the bench: an embedded database with generated persons, kept between runs. */

const FOLDER = fileURLToPath(new URL('../data/', import.meta.url));

/** A folder below that of the bench. */
export function findDataFolder(name: string): string {
  return `${FOLDER}${name}`;
}

/** Fills the folder's database unless that was done before; half of it is never taken for the whole. */
export async function prepareDatabase(
  environment: NodeJS.ProcessEnv,
  wanted: { readonly folder: string; readonly registry: string; readonly persons: number; readonly seed: number },
  say: (text: string) => void,
): Promise<void> {
  const { folder, registry, persons, seed } = wanted;
  const filled = `${folder}/filled`;
  if (existsSync(filled)) return;
  say(`generating and importing ${persons} persons into ${folder} (kept for the next run)`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  await pipeDci(environment, ['generate', '--persons', String(persons), '--seed', String(seed)], ['import', '--registry', registry, '-']);
  writeFileSync(filled, '');
}
