import { parseArgs } from 'node:util';
import { writeReport } from './report.ts';
import { benchSearch, type SearchBenchOptions } from './search.ts';

// `npm run bench -- search`: what fast means, measured against references of our own. Figures go to stdout, the rest to stderr.

const USAGE = `Usage: npm run bench -- search [options]

Compares signed identifier search with the floor: bare node:http and pg, the same look-up, nothing else.

  --persons N       persons in the database, generated on the first run (100000)
  --seed N          seed of the generator (1)
  --seconds N       length of a round (4)
  --rounds N        pairs of rounds, floor and server (5)
  --connections N   connections that ask at the same time (32)
  --signature NAME  es256 or ed25519 (es256)
  --json            print one JSON object; signed.ratio is the median of server by floor, pair by pair
`;

const OPTIONS = {
  persons: { type: 'string', default: '100000' },
  seed: { type: 'string', default: '1' },
  seconds: { type: 'string', default: '4' },
  rounds: { type: 'string', default: '5' },
  connections: { type: 'string', default: '32' },
  signature: { type: 'string', default: 'es256' },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const;

class UsageError extends Error {}

async function main(args: readonly string[]): Promise<number> {
  const { options, json, help } = readArguments(args);
  if (help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const bench = await benchSearch(options, (text) => process.stderr.write(`bench: ${text}\n`));
  process.stdout.write(json ? `${JSON.stringify(bench)}\n` : `${writeReport(bench)}\n`);
  return 0;
}

function readArguments(args: readonly string[]): { options: SearchBenchOptions; json: boolean; help: boolean } {
  const { values, positionals } = parse(args);
  const { json, help, signature } = values;
  if (!help && (positionals.length !== 1 || positionals[0] !== 'search')) throw new UsageError('say what to measure: search');
  if (signature !== 'es256' && signature !== 'ed25519') throw new UsageError('--signature is es256 or ed25519');
  const count = (name: 'persons' | 'seed' | 'seconds' | 'rounds' | 'connections'): number => {
    if (!/^[1-9]\d{0,8}$/.test(values[name])) throw new UsageError(`--${name} is a whole number from 1`);
    return Number(values[name]);
  };
  const options = {
    persons: count('persons'),
    seed: count('seed'),
    seconds: count('seconds'),
    rounds: count('rounds'),
    connections: count('connections'),
    signature,
  } as const;
  return { options, json, help };
}

function parse(args: readonly string[]): ReturnType<typeof parseArgs<{ options: typeof OPTIONS; allowPositionals: true }>> {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  const isUsage = error instanceof UsageError;
  process.stderr.write(
    isUsage ? `${error.message}\n\n${USAGE}` : `bench: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
  );
  process.exitCode = isUsage ? 2 : 1;
}
