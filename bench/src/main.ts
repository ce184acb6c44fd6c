import { parseArgs } from 'node:util';
import { benchAudit } from './audit.ts';
import { writeAuditReport } from './audit-report.ts';
import { benchBound } from './bound.ts';
import { writeBoundReport } from './bound-report.ts';
import { benchExtract } from './extract.ts';
import { writeExtractReport } from './extract-report.ts';
import { benchFairness } from './fairness.ts';
import { writeFairnessReport } from './fairness-report.ts';
import { benchFanOut } from './fan-out.ts';
import { writeFanOutReport } from './fan-out-report.ts';
import { benchMatching } from './matching.ts';
import { writeMatchingReport } from './matching-report.ts';
import { benchNotify } from './notify.ts';
import { writeNotifyReport } from './notify-report.ts';
import { writeReport } from './report.ts';
import { benchSearch, type SearchBenchOptions } from './search.ts';
import { benchCounts } from './counts.ts';
import { writeCountsReport } from './counts-report.ts';

// `npm run bench -- search`: what fast means, measured against references of our own. Figures go to stdout, the rest to stderr.

const USAGE = `Usage: npm run bench -- search [options]
       npm run bench -- audit [options]
       npm run bench -- bound [options]
       npm run bench -- fanout [options]
       npm run bench -- fairness [options]
       npm run bench -- matching [options]
       npm run bench -- statistics [--persons N] [--seed N] [--rounds N] [--json]
       npm run bench -- extract [--persons N] [--seed N] [--rounds N] [--json]
       npm run bench -- notify [options]

search compares signed identifier search with the floor: bare node:http and pg, the same look-up, nothing else.
audit compares it with the same server without its audit trail.
bound tells how near to the floor signed search can come on this machine: the floor, with no more than one signature
verified, one made and one row committed for an answer, against the floor and against the server.

  --persons N       persons in the database, generated on the first run (100000)
  --seed N          seed of the generator (1)
  --seconds N       length of a round (4)
  --connections N   connections that ask at the same time (32)
  --signature NAME  es256 or ed25519 (es256)

statistics compares signed requests for statistics, from counts that are kept and from the records, with a plain GROUP BY of
the same dimensions over one connection; a round is ten of each, one after the other.

extract has a research extract of all persons made, fetched and opened, beside a bare COPY of the same columns, compressed
likewise, and tells how much memory the server took for it at most.

fanout measures what an event costs to be carried on to subscriptions, as more and more of them are about others.

  --subscriptions LIST  numbers of subscriptions, ascending (1000,10000,100000)
  --events N            events of a round (2000)

fairness measures what partners whose receivers are dead, silent, failing, redirecting or without TLS cost the others.

  --seconds N       length of a round (4)
  --rate N          asynchronous searches of each of eight partners, a second (10)

matching tells how many of the persons who were registered twice are found, by what went wrong (dci duplicates).

  --persons N       persons, of which some are registered twice (20000)
  --share S         share of them (0.05)
  --seed N          seed of the generator (1)

notify measures how long a change is on its way to its subscribers, and whether each arrives, in order.

  --rate N          changes a second, each a commit (200)
  --subscribers N   subscribers, each of whom every change concerns (10)
  --seconds N       how long (20)

  --rounds N        rounds; of search, audit and bound pairs of rounds in turn, of fairness without the sick and with them (5)
  --json            print one JSON object; signed.ratio is the median of server by floor, pair by pair; ratio of fanout the
                    cost of an event at the last number of subscriptions by that at the first; ratio of fairness the
                    median of p95 with the sick by p95 without, pair by pair; ratio of audit the rate with audit by that
                    without; bound.ratio the bound by the floor, server.ratio the server by the bound; latency.p95 of notify milliseconds from commit to arrival
`;

const OPTIONS = {
  persons: { type: 'string' },
  share: { type: 'string', default: '0.05' },
  seed: { type: 'string', default: '1' },
  seconds: { type: 'string' },
  rounds: { type: 'string', default: '5' },
  connections: { type: 'string', default: '32' },
  signature: { type: 'string', default: 'es256' },
  subscriptions: { type: 'string', default: '1000,10000,100000' },
  events: { type: 'string', default: '2000' },
  rate: { type: 'string' },
  subscribers: { type: 'string', default: '10' },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const;

class UsageError extends Error {}

type Say = (text: string) => void;
type Measure = (values: Values, json: boolean, say: Say) => Promise<string>;

const BENCHES: Readonly<Record<string, Measure>> = {
  async search(values, json, say) {
    const bench = await benchSearch(readSearchOptions(values), say);
    return json ? JSON.stringify(bench) : writeReport(bench);
  },
  async statistics(values, json, say) {
    const bench = await benchCounts(
      { persons: count(values, 'persons', '100000'), seed: count(values, 'seed'), rounds: count(values, 'rounds') },
      say,
    );
    return json ? JSON.stringify(bench) : writeCountsReport(bench);
  },
  async extract(values, json, say) {
    const bench = await benchExtract(
      { persons: count(values, 'persons', '100000'), seed: count(values, 'seed'), rounds: count(values, 'rounds') },
      say,
    );
    return json ? JSON.stringify(bench) : writeExtractReport(bench);
  },
  async audit(values, json, say) {
    const bench = await benchAudit(readSearchOptions(values), say);
    return json ? JSON.stringify(bench) : writeAuditReport(bench);
  },
  async bound(values, json, say) {
    const bench = await benchBound(readSearchOptions(values), say);
    return json ? JSON.stringify(bench) : writeBoundReport(bench);
  },
  async fanout(values, json, say) {
    const subscriptions = values.subscriptions.split(',').map(Number);
    if (!subscriptions.every((number, index) => Number.isInteger(number) && number >= 10 && number > (subscriptions[index - 1] ?? 0)))
      throw new UsageError('--subscriptions is a list of ascending whole numbers from 10, e.g. 1000,100000');
    const bench = await benchFanOut({ subscriptions, events: count(values, 'events'), rounds: count(values, 'rounds') }, say);
    return json ? JSON.stringify(bench) : writeFanOutReport(bench);
  },
  async fairness(values, json, say) {
    const [seconds, rounds, rate] = [count(values, 'seconds', '4'), count(values, 'rounds'), count(values, 'rate', '10')];
    const bench = await benchFairness({ seconds, rounds, rate }, say);
    return json ? JSON.stringify(bench) : writeFairnessReport(bench);
  },
  async matching(values, json, say) {
    const share = Number(values.share);
    if (!(share > 0 && share <= 1)) throw new UsageError('--share is a number above 0, at most 1');
    const bench = await benchMatching({ persons: count(values, 'persons', '20000'), seed: count(values, 'seed'), share }, say);
    return json ? JSON.stringify(bench) : writeMatchingReport(bench);
  },
  async notify(values, json, say) {
    const [rate, subscribers] = [count(values, 'rate', '200'), count(values, 'subscribers')];
    const bench = await benchNotify({ rate, subscribers, seconds: count(values, 'seconds', '20') }, say);
    return json ? JSON.stringify(bench) : writeNotifyReport(bench);
  },
};

async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse(args);
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const [name = '', ...others] = positionals;
  const measure = Object.hasOwn(BENCHES, name) && others.length === 0 ? BENCHES[name] : undefined;
  if (measure === undefined) throw new UsageError(`say what to measure: ${Object.keys(BENCHES).join(', ')}`);
  process.stdout.write(`${await measure(values, values.json, (text) => process.stderr.write(`bench: ${text}\n`))}\n`);
  return 0;
}

type Values = ReturnType<typeof parse>['values'];

function readSearchOptions(values: Values): SearchBenchOptions {
  const { signature } = values;
  if (signature !== 'es256' && signature !== 'ed25519') throw new UsageError('--signature is es256 or ed25519');
  const [persons, seed, seconds] = [count(values, 'persons', '100000'), count(values, 'seed'), count(values, 'seconds', '4')];
  return { persons, seed, seconds, rounds: count(values, 'rounds'), connections: count(values, 'connections'), signature };
}

type CountName = 'persons' | 'seed' | 'seconds' | 'rounds' | 'connections' | 'events' | 'rate' | 'subscribers';

/** `usual`: where the option has no value of its own that is usual for every bench. */
function count(values: Values, name: CountName, usual = '1'): number {
  const written = values[name] ?? usual;
  if (!/^[1-9]\d{0,8}$/.test(written)) throw new UsageError(`--${name} is a whole number from 1`);
  return Number(written);
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
