import type { Command } from 'commander';
import { isPublished, rotateSigningKey } from '../services/signing-keys.ts';
import { loadSigningKeys, type StoredSigningKey } from '../store/signing-keys.ts';
import { loadConfig, withDatabase } from './context.ts';
import { addExamples, CommandFailed, printJson, printLine, printTable } from './output.ts';
import { openCommandSealer, openKeys } from './signing-keys.ts';

/** `dci key …`: the keys that sign what this server sends. */
export function registerKey(program: Command): void {
  const key = program.command('key').description('the keys that sign what this server sends');
  const list = key
    .command('list')
    .description('list our keys: which signs, which are still published')
    .option('--json', 'print a JSON list')
    .action(listKeys);
  addExamples(list, 'dci key list');
  const rotate = key
    .command('rotate')
    .description('make a new key; running servers sign with it within seconds, and publish the old one until its signatures have expired')
    .option('--json', 'print {kid}')
    .action(rotateKey);
  addExamples(rotate, 'dci key rotate');
}

interface ListedKey {
  readonly kid: string;
  readonly algorithm: string;
  readonly state: 'signs' | 'published' | 'expired';
  readonly created_at: Date;
  readonly retired_at: Date | null;
}

async function listKeys({ json }: { json?: boolean }): Promise<void> {
  const config = loadConfig();
  const keys = await withDatabase(config, async ({ db }) => {
    const signingKeys = await openKeys(db, config);
    signingKeys.close();
    const { kid } = signingKeys.active();
    return (await loadSigningKeys(db)).map((key) => listKey(key, kid, config.tokenLifetimeSeconds));
  });
  if (json) printJson(keys);
  else
    printTable(
      ['key id', 'algorithm', 'state', 'made', 'retired'],
      keys.map((key) => [key.kid, key.algorithm, key.state, key.created_at, key.retired_at]),
    );
}

function listKey(
  { kid, algorithm, createdAt, retiredAt, ...key }: StoredSigningKey,
  activeKid: string,
  tokenLifetimeSeconds: number,
): ListedKey {
  const published = isPublished({ kid, algorithm, createdAt, retiredAt, ...key }, { tokenLifetimeSeconds, now: Date.now });
  const state = kid === activeKid ? 'signs' : published ? 'published' : 'expired';
  return { kid, algorithm, state, created_at: createdAt, retired_at: retiredAt };
}

async function rotateKey({ json }: { json?: boolean }): Promise<void> {
  const config = loadConfig();
  if (config.signingKeyPath !== undefined)
    throw new CommandFailed('the signing key is the file DCI_SIGNING_KEY_PATH: put another key there and restart the servers');
  const kid = await withDatabase(config, ({ db }) => rotateSigningKey(db, openCommandSealer(config)));
  if (json) printJson({ kid });
  else printLine(`made the key ${kid}; it signs from now on`);
}
