import { createWriteStream, readFileSync } from 'node:fs';
import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { type Command, Option } from 'commander';
import { findRecordIdsEver } from '../registry/find-record-ids-ever.ts';
import { CHECKPOINT_KEY, writeCheckpoint } from '../services/audit-checkpoint.ts';
import { createIdentifierHash, ERASED_IDENTIFIER_KEY } from '../services/erase-person.ts';
import { type AuditProblem, type AuditVerification, verifyAudit } from '../services/verify-audit.ts';
import { inTransaction } from '../store/audit-partitions.ts';
import { nameRow, writeRowLine } from '../store/audit-row.ts';
import { type AuditFilter, readAuditPage, type StoredAuditRow, streamAudit } from '../store/read-audit.ts';
import { CSV_HEADINGS, writeCsvLine } from './audit-csv.ts';
import { loadConfig, withDatabase } from './context.ts';
import { addExamples, CommandFailed, EXIT, printJson, printLine, printNote, printTable, UsageError } from './output.ts';
import { startProgress } from './progress.ts';
import { getProfile, getReference, withRegistry } from './registry.ts';
import { openCommandSealer, openKeys } from './own-keys.ts';

/** `dci audit …`: who asked what and was given what, and whether that record of it is whole. */
export function registerAudit(program: Command): void {
  const audit = program.command('audit').description('the audit trail: who asked what, and which records were disclosed to whom');
  registerVerify(audit);
  registerCheckpoint(audit);
  registerExport(audit);
  registerList(audit);
  registerPerson(audit);
}

function registerVerify(audit: Command): void {
  const verify = audit
    .command('verify')
    .description(
      'go through the audit trail and name every row that was edited, removed, inserted or moved. Ends with 1 where there is one',
    )
    .option('--incremental', 'only what came after the checkpoint up to which it was last verified')
    .option('--known <file>', 'checkpoints kept outside the database, one a line: each must be in it')
    .option('--json', 'print one JSON object')
    .action(runVerify);
  addExamples(verify, 'dci audit verify', 'dci audit verify --incremental --known checkpoints.jws');
}

/** After so many, problems are counted only. */
const TOLD_ON_SCREEN = 50;

async function runVerify(options: { incremental?: true; known?: string; json?: true }): Promise<void> {
  const known = options.known === undefined ? [] : readLines(options.known);
  const config = loadConfig();
  const problems: AuditProblem[] = [];
  let count = 0;
  const verification = await withDatabase(config, async ({ pool }) => {
    const macKey = openCommandSealer(config).deriveKey(CHECKPOINT_KEY);
    let progress: ReturnType<typeof startProgress> | undefined;
    try {
      return await verifyAudit(pool, {
        macKey,
        known,
        incremental: options.incremental === true,
        onProblem: (problem) => {
          count += 1;
          if (count <= TOLD_ON_SCREEN) problems.push(problem);
        },
        onProgress: (rows, total) => {
          progress ??= startProgress('verifying', total);
          progress.update(rows);
        },
      });
    } finally {
      progress?.stop();
    }
  });
  if (options.json === true) printJson({ ...verification, found: problems });
  else tellVerification(verification, problems);
  process.exitCode = verification.problems > 0 ? EXIT.failed : EXIT.fine;
}

function tellVerification(
  { rows, checkpoints, problems, since, until, droppedBefore }: AuditVerification,
  found: readonly AuditProblem[],
): void {
  for (const { kind, text } of found) printLine(`${kind}: ${text}`);
  if (problems > found.length) printLine(`… and ${problems - found.length} more`);
  const from = since === undefined ? '' : ` since checkpoint ${since}`;
  const gone = droppedBefore === undefined ? '' : `; rows before ${droppedBefore} were dropped, by a signed statement`;
  const verdict = problems === 0 ? 'all as they were written' : `${problems} ${problems === 1 ? 'problem' : 'problems'}`;
  printLine(
    `${rows} rows and ${checkpoints} checkpoints${from}${until === undefined ? '' : ` up to checkpoint ${until}`}: ${verdict}${gone}`,
  );
}

function readLines(file: string): string[] {
  try {
    return readFileSync(file, 'utf8')
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '');
  } catch (error) {
    throw new UsageError(`${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function registerCheckpoint(audit: Command): void {
  const checkpoint = audit
    .command('checkpoint')
    .description(
      'sign a statement of where the audit trail stands now and print it: keep it where no administrator of the database can change it',
    )
    .action(runCheckpoint);
  addExamples(checkpoint, 'dci audit checkpoint >> /media/archive/checkpoints.jws');
}

async function runCheckpoint(): Promise<void> {
  const config = loadConfig();
  await withDatabase(config, async ({ db, pool }) => {
    const keys = await openKeys(db, config);
    keys.close();
    const macKey = openCommandSealer(config).deriveKey(CHECKPOINT_KEY);
    const { jws } = await inTransaction(pool, (client) => writeCheckpoint(client, { activeKey: keys.active, macKey }, Date.now()));
    printLine(jws);
  });
}

interface FilterOptions {
  readonly since?: string;
  readonly until?: string;
  readonly partner?: string;
}

function addFilters(command: Command): Command {
  return command
    .option('--since <time>', 'from this day or moment on (UTC), e.g. 2026-11-01 or 2026-11-01T08:00:00Z')
    .option('--until <time>', 'before this day or moment')
    .option('--partner <sender id>', 'of this partner only');
}

function readFilter({ since, until, partner }: FilterOptions): AuditFilter {
  return { since: readTime('--since', since), until: readTime('--until', until), senderId: partner };
}

function readTime(option: string, text: string | undefined): Date | undefined {
  if (text === undefined) return undefined;
  const time = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2}))?$/.test(text) ? new Date(text) : undefined;
  if (time === undefined || Number.isNaN(time.getTime()))
    throw new UsageError(`${option} takes a day or a moment with its zone, e.g. 2026-11-01 or 2026-11-01T08:00:00Z`);
  return time;
}

function registerExport(audit: Command): void {
  const command = addFilters(audit.command('export').description('write audit rows as they are, the oldest first'))
    .addOption(new Option('--format <name>', 'ndjson has all that is needed to verify a row').choices(['ndjson', 'csv']).default('ndjson'))
    .option('--output <file>', 'write there instead of to stdout')
    .action(runExport);
  addExamples(
    command,
    'dci audit export --since 2026-11-01 --until 2026-12-01 > november.ndjson',
    'dci audit export --format csv --partner mis.example.org',
  );
}

async function runExport(options: FilterOptions & { format: string; output?: string }): Promise<void> {
  const filter = readFilter(options);
  const isCsv = options.format === 'csv';
  const output = options.output === undefined ? process.stdout : createWriteStream(options.output, { mode: 0o600 });
  let count = 0;
  const progress = startProgress('exporting');
  try {
    await withDatabase(loadConfig(), ({ pool }) =>
      // One snapshot: what is written meanwhile is for the next export.
      inTransaction(pool, async (client) => {
        await client.query('set transaction isolation level repeatable read, read only');
        if (isCsv) await write(output, `${CSV_HEADINGS}\n`);
        for await (const rows of streamAudit(client, filter)) {
          await write(output, rows.map((row) => `${isCsv ? writeCsvLine(row) : writeRowLine(row)}\n`).join(''));
          count += rows.length;
          progress.update(count);
        }
      }),
    );
  } finally {
    progress.stop();
    if (output !== process.stdout) {
      output.end();
      await finished(output);
    }
  }
  printNote(`${count} rows`);
}

async function write(output: Writable, text: string): Promise<void> {
  if (text !== '' && !output.write(text)) await once(output, 'drain');
}

function registerList(audit: Command): void {
  const command = addFilters(audit.command('list').description('show audit rows, the newest first'))
    .option('--action <name>', 'of this action only, e.g. search')
    .option('--outcome <code>', 'answered, or the code of a refusal')
    .option('--most <number>', 'so many rows', '20')
    .option('--json', 'print a JSON list')
    .action(runList);
  addExamples(command, 'dci audit list', 'dci audit list --partner mis.example.org --since 2026-11-01 --most 100 --json');
}

async function runList(options: FilterOptions & { action?: string; outcome?: string; most: string; json?: true }): Promise<void> {
  if (!/^[1-9]\d{0,4}$/.test(options.most)) throw new UsageError('--most is a whole number from 1 to 99999');
  const filter = { ...readFilter(options), action: options.action, outcome: options.outcome };
  const { rows } = await withDatabase(loadConfig(), ({ pool }) =>
    readAuditPage(pool, filter, { size: Number(options.most), newestFirst: true }),
  );
  tellRows(rows, options.json);
}

function registerPerson(audit: Command): void {
  const command = audit
    .command('person')
    .description('show to whom a record was disclosed, the newest first, also where it was deleted or erased since')
    .requiredOption('--registry <name>', 'registry of the record')
    .requiredOption('--id <type=value>', 'an identifier that the record has or ever had')
    .option('--since <time>', 'from this day or moment on (UTC)')
    .option('--until <time>', 'before this day or moment')
    .option('--most <number>', 'so many rows', '1000')
    .option('--json', 'print a JSON list')
    .action(runPerson);
  addExamples(command, 'dci audit person --registry social --id UIN=991308255769');
}

async function runPerson(options: FilterOptions & { registry: string; id: string; most: string; json?: true }): Promise<void> {
  if (!/^[1-9]\d{0,6}$/.test(options.most)) throw new UsageError('--most is a whole number from 1');
  const profile = getProfile(options.registry);
  const reference = getReference(profile, options.id.replace(':', '='));
  const config = loadConfig();
  const { rows } = await withRegistry(config, profile, async ({ db, pool }) => {
    const hash = createIdentifierHash(openCommandSealer(config).deriveKey(ERASED_IDENTIFIER_KEY));
    const records = await findRecordIdsEver(db, profile.registry, reference, hash);
    if (records.length === 0) throw new CommandFailed(`no record of ${profile.registry} has or had ${options.id}`);
    return await readAuditPage(pool, { ...readFilter(options), records }, { size: Number(options.most), newestFirst: true });
  });
  tellRows(rows, options.json);
}

function tellRows(rows: readonly StoredAuditRow[], json: true | undefined): void {
  if (json === true) printJson(rows.map((row) => JSON.parse(writeRowLine(row)) as unknown));
  else
    printTable(
      ['row', 'at', 'partner', 'from', 'action', 'outcome', 'records', 'fields', 'basis', 'purposes'],
      rows.map((row) => [
        nameRow(row),
        row.at,
        row.senderId,
        row.remoteAddress,
        row.action,
        row.outcome,
        row.recordCount,
        row.fieldRule,
        row.legalBasis,
        row.purposes,
      ]),
    );
}
