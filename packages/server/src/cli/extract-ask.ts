import { setTimeout as sleep } from 'node:timers/promises';
import type { DciClient } from '@dci/client';
import { EXTRACT_FORMATS, type ExportCriteria, type ExportResponseItem } from '@dci/protocol';
import { type Command, Option } from 'commander';
import { addAnswerOptions, type AnswerOptions, openNamedClient, parseCount, readCriteriaFile, tellRefusal } from './client-options.ts';
import { addExamples, CommandFailed, printJson, printLine, printNote, UsageError } from './output.ts';
import { startProgress } from './progress.ts';
import { toPrintable } from './tabulate-records.ts';

interface WaitOptions extends AnswerOptions {
  readonly timeout: number;
  readonly json?: boolean;
}

interface AskOptions extends WaitOptions {
  readonly dimensions?: string;
  readonly recordType?: string;
  readonly format?: ExportCriteria['format'];
  readonly criteria?: string;
  readonly wait: boolean;
}

const USUAL_TIMEOUT_SECONDS = 600;

/** To ask a registry for an extract, and to learn from it where that is fetched; nobody needs to be reached for it. */
export function registerExtractAsk(extract: Command): void {
  const ask = extract
    .command('ask')
    .description('ask a registry for an extract of a row a record, and wait until it is made; prints where it is fetched');
  addWaitOptions(ask)
    .option('--dimensions <names>', 'columns, e.g. region,sex,education_level')
    .option('--record-type <name>', 'of what records, e.g. SRPerson')
    .addOption(new Option('--format <format>', 'of the rows').choices(EXTRACT_FORMATS))
    .option('--criteria <file>', 'export_criteria as JSON, or only its query and query_type; - reads stdin; default: all records')
    .option('--no-wait', 'print the id of the transaction, and do not wait')
    .action(askForExtract);
  addExamples(ask, `dci extract ask ${WHERE} --registry social --dimensions region,sex,education_level --format csv`);
  const wait = extract
    .command('wait')
    .argument('<transaction>', 'as "dci extract ask" printed it, or the transaction_id of a request of yours')
    .description('wait until an extract that was asked for is made; prints where it is fetched');
  addWaitOptions(wait).action(async (transactionId: string, options: WaitOptions) => {
    await waitForExtract(openNamedClient(options), transactionId, options);
  });
  addExamples(wait, `dci extract wait 92f0c1de-7b7b-4c1e-9d55-6a9df9c0a001 ${WHERE} --registry social`);
}

const WHERE =
  '--server https://social.example.org/api/v2/dci --sender-id university.example.org --client-id university --client-secret-file secret --key key.pem';

function addWaitOptions(command: Command): Command {
  return addAnswerOptions(command)
    .addOption(new Option('--timeout <seconds>', 'longest to wait').argParser(parseCount).default(USUAL_TIMEOUT_SECONDS))
    .option('--json', 'print one JSON object');
}

async function askForExtract(options: AskOptions): Promise<void> {
  const criteria = readCriteria(options);
  const client = openNamedClient(options);
  const { transactionId } = await tellRefusal(client.exportLater(criteria, registryOf(options)));
  if (options.wait) await waitForExtract(client, transactionId, options);
  else if (options.json) printJson({ transaction_id: transactionId });
  else printLine(transactionId);
}

const EVERYTHING = { query_type: 'idtype-value', query: { type: '*', value: '*' } } as const;

function readCriteria({ dimensions: names, recordType, format, criteria: file }: AskOptions): ExportCriteria {
  const [written = {}, ...others] =
    file === undefined ? [] : readCriteriaFile<Partial<ExportCriteria>>(file, '{"query_type": …, "query": …}');
  if (others.length > 0) throw new UsageError('--criteria holds several: an extract is asked for by itself');
  const dimensions = names === undefined ? written.dimensions : names.split(',').map((name) => name.trim());
  if (dimensions === undefined) throw new UsageError('say which columns: --dimensions NAME,NAME… (or dimensions in --criteria FILE)');
  return {
    ...EVERYTHING,
    ...written,
    dimensions,
    ...(recordType === undefined ? {} : { reg_record_type: recordType }),
    ...(format === undefined ? {} : { format }),
  };
}

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 5_000;

async function waitForExtract(client: DciClient, transactionId: string, options: WaitOptions): Promise<void> {
  const until = performance.now() + options.timeout * 1_000;
  const progress = startProgress('waiting for the extract; looked');
  try {
    for (let looked = 1, pause = FIRST_PAUSE_MS; ; looked += 1, pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
      const { state } = await tellRefusal(client.findStatus({ type: 'export', transactionId }, registryOf(options)));
      const item = state.export_response?.[0];
      if (item !== undefined && item.status !== 'pdng' && item.status !== 'rcvd') return tellExtract(transactionId, item, options);
      progress.update(looked);
      if (performance.now() + pause > until) break;
      await sleep(pause);
    }
  } finally {
    progress.stop();
  }
  throw new CommandFailed(`it is still being made; see "dci extract wait ${toPrintable(transactionId)}" later`);
}

function tellExtract(transactionId: string, item: ExportResponseItem, { json }: WaitOptions): void {
  const { extract, status_reason_code: code = 'rjct', status_reason_message: reason = 'no extract was made' } = item;
  if (extract === undefined) throw new CommandFailed(`refused with ${toPrintable(code)}: ${toPrintable(reason)}`);
  const { extract_id, url, expires_at, records, bytes, sha256 } = extract;
  if (json) return printJson({ transaction_id: transactionId, extract_id, url, expires_at, records, bytes, sha256 });
  printLine(toPrintable(url));
  printNote(`${records} rows, ${bytes} bytes; fetch it before ${toPrintable(expires_at)}: dci extract fetch`);
}

function registryOf({ registry }: WaitOptions): { readonly registry?: string } {
  return registry === undefined ? {} : { registry };
}
