import { type Command, Option } from 'commander';
import { keyState, type KeyState, LEAD_SECONDS } from '../services/own-key-life.ts';
import { OwnKeyError, rotateOwnKeys, withdrawKey } from '../services/own-keys.ts';
import { resealAll } from '../services/reseal.ts';
import { readSealer, type Sealer } from '../services/sealer.ts';
import { type KeyUse, loadOwnKeys } from '../store/own-keys.ts';
import { loadConfig, withDatabase } from './context.ts';
import { openCommandSealer, openKeys } from './own-keys.ts';
import { addExamples, CommandFailed, printJson, printLine, printTable, UsageError } from './output.ts';

/** `dci key …`: the keys that sign what this server sends, and those that others encrypt to. */
export function registerKey(program: Command): void {
  const key = program
    .command('key')
    .description('our keys: those that sign what this server sends (sig), those that others encrypt to (enc)');
  const list = key
    .command('list')
    .description('list our keys: which are in use, and which are still good for what was signed or encrypted before')
    .option('--json', 'print a JSON list')
    .action(listKeys);
  addExamples(list, 'dci key list');
  const rotate = key
    .command('rotate')
    .description(
      'make new keys; running servers use them once others had the time to learn of them, and honour the old ones until they are needed no more',
    )
    .addOption(new Option('--use <use>', 'which keys').choices(['sig', 'enc']).default('sig'))
    .option('--now', 'use them at once: for when the old ones are in wrong hands')
    .option('--json', 'print {keys: [{kid, use, algorithm}], active_in_seconds}')
    .action(rotateKeys);
  addExamples(rotate, 'dci key rotate', 'dci key rotate --use enc');
  const retire = key
    .command('retire')
    .argument('<key-id>', 'the key')
    .description('end a key at once and for good: what it signed is not accepted, what was encrypted to it is not read any more')
    .option('--json', 'print {kid}')
    // A key id may begin with a dash.
    .allowUnknownOption()
    .action(retireKey);
  addExamples(retire, 'dci key retire gY9x0EGZUmhnQSNYpVxCrE2Opdv6CMfRMGXWPxiIAKU');
  registerReseal(key);
}

function registerReseal(key: Command): void {
  const reseal = key
    .command('reseal')
    .description(
      'after the key encryption key was changed, with all servers stopped: seal under the new one what was sealed under the old one',
    )
    .requiredOption('--from <file>', 'the old key encryption key, as base64')
    .option('--json', 'print {resealed}')
    .action(resealKeys);
  addExamples(reseal, 'dci key reseal --from old-key-encryption.key');
}

async function resealKeys({ from, json }: { from: string; json?: boolean }): Promise<void> {
  const config = loadConfig();
  const resealed = await withDatabase(config, ({ db }) => resealAll(db, readOldSealer(from), openCommandSealer(config)));
  if (json) printJson({ resealed });
  else printLine(`sealed anew: ${resealed}`);
}

function readOldSealer(file: string): Sealer {
  try {
    return readSealer(file);
  } catch (error) {
    throw new UsageError(`--from: ${error instanceof Error ? error.message : String(error)}`);
  }
}

interface ListedKey {
  readonly kid: string;
  readonly use: KeyUse;
  readonly algorithm: string;
  readonly state: KeyState;
  readonly created_at: Date;
  readonly active_from: Date;
  readonly retired_at: Date | null;
}

async function listKeys({ json }: { json?: boolean }): Promise<void> {
  const config = loadConfig();
  const keys = await withDatabase(config, async ({ db }) => {
    // Makes what is missing, and says so where the keys cannot be opened.
    (await openKeys(db, config)).close();
    const settings = { ...config, now: Date.now };
    return (await loadOwnKeys(db)).map(
      (key): ListedKey => ({
        kid: key.kid,
        use: key.use,
        algorithm: key.algorithm,
        state: keyState(key, settings),
        created_at: key.createdAt,
        active_from: key.activeFrom,
        retired_at: key.retiredAt,
      }),
    );
  });
  if (json) printJson(keys);
  else
    printTable(
      ['key id', 'use', 'algorithm', 'state', 'made', 'in use from', 'retired'],
      keys.map((key) => [key.kid, key.use, key.algorithm, key.state, key.created_at, key.active_from, key.retired_at]),
    );
}

async function rotateKeys({ use, now: atOnce = false, json }: { use: KeyUse; now?: boolean; json?: boolean }): Promise<void> {
  const config = loadConfig();
  if (use === 'sig' && config.signingKeyPath !== undefined)
    throw new CommandFailed('the signing key is the file DCI_SIGNING_KEY_PATH: put another key there and restart the servers');
  const keys = await withDatabase(config, ({ db }) => rotateOwnKeys(db, openCommandSealer(config), use, { atOnce }));
  const activeInSeconds = atOnce ? 0 : LEAD_SECONDS[use];
  if (json) printJson({ keys, active_in_seconds: activeInSeconds });
  else
    for (const { kid, algorithm } of keys)
      printLine(`made the key ${kid} (${algorithm}); it is in use ${atOnce ? 'from now on' : `in ${activeInSeconds} s`}`);
}

async function retireKey(kid: string, { json }: { json?: boolean }): Promise<void> {
  const config = loadConfig();
  await withDatabase(config, ({ db }) => withdrawKey(db, kid, { ...config, now: Date.now })).catch((error: unknown) => {
    throw error instanceof OwnKeyError ? new CommandFailed(error.message) : error;
  });
  if (json) printJson({ kid });
  else printLine(`the key ${kid} has ended`);
}
