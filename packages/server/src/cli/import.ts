import { readFileSync, type WriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import type { Command } from 'commander';
import { findEntity, findRecordType, getRecordType } from '../profiles/index.ts';
import type { Profile, RecordType } from '../profiles/profile.ts';
import { type ImportReport, importRecords, type RefusedLine } from '../services/import-records.ts';
import type { ImportRow } from '../services/import-rows.ts';
import { type ColumnMapping, readCsv } from '../services/read-csv.ts';
import { readNdjson } from '../services/read-ndjson.ts';
import { loadConfig } from './context.ts';
import { type Input, openInput, openOutput } from './files.ts';
import { addExamples, EXIT, printJson, printLine, printNote, UsageError } from './output.ts';
import { startProgress } from './progress.ts';
import { getProfile, withRegistry } from './registry.ts';

interface ImportCommandOptions {
  readonly registry: string;
  readonly type?: string;
  readonly mapping?: string;
  readonly report?: string;
  readonly json?: true;
}

/** After so many, refused lines are counted only; the report file has them all. */
const TOLD_ON_SCREEN = 20;

export function registerImport(program: Command): void {
  const command = program
    .command('import')
    .description(
      'put the records of a file into a registry; what is there already, by identifier, is brought up to date. Ends with 1 when lines were refused',
    )
    .argument('<file>', 'NDJSON, or CSV when the name ends in .csv or --mapping is given; - reads stdin')
    .requiredOption('--registry <name>', 'registry to import into')
    .option('--type <name>', 'record type or entity of records that do not say it (@type)')
    .option('--mapping <file>', 'JSON object from CSV heading to identifier type, attribute or dotted path')
    .option('--report <file>', 'write the refused lines there, as NDJSON')
    .option('--json', 'print one JSON object')
    .action(runImport);
  addExamples(
    command,
    'dci import --registry social persons.ndjson',
    'dci import --registry social --type person --mapping columns.json --report refused.ndjson persons.csv',
    'dci generate --persons 1000 | dci import --registry social -',
  );
}

async function runImport(file: string, options: ImportCommandOptions): Promise<void> {
  const profile = getProfile(options.registry);
  const recordType = options.type === undefined ? undefined : getNamedType(profile, options.type);
  const mapping = options.mapping === undefined ? undefined : readMapping(options.mapping);
  const isCsv = mapping !== undefined || file.toLowerCase().endsWith('.csv');
  const input = openInput(file);
  const refusals = options.report === undefined ? undefined : openOutput('--report', options.report, file);
  const report = await withRegistry(loadConfig(), profile, async (database) => {
    const rows = isCsv
      ? readCsv(input.bytes, profile, recordType ?? getRecordType(profile, profile.defaultRecordType), mapping)
      : readNdjson(input.bytes);
    const typeName = isCsv ? (recordType?.name ?? profile.defaultRecordType) : options.type;
    return importWithReport(rows, refusals, input, (source, onRefused, onProgress) =>
      importRecords(database.db, profile, source, { onRefused, onProgress, ...(typeName !== undefined && { typeName }) }),
    );
  });
  if (options.json === true) printJson(report);
  else printLine(describe(report));
  process.exitCode = report.refused > 0 ? EXIT.failed : EXIT.fine;
}

type Run = (
  source: AsyncIterable<readonly ImportRow[]>,
  onRefused: (refused: RefusedLine) => void,
  onProgress: (lines: number) => void,
) => Promise<ImportReport>;

/** Runs an import under a progress bar, and tells refused lines on stderr and in the report file. */
async function importWithReport(
  rows: AsyncIterable<readonly ImportRow[]>,
  refusals: WriteStream | undefined,
  input: Input,
  run: Run,
): Promise<ImportReport> {
  const kept = refusals === undefined ? undefined : finished(refusals);
  // Told at the end, of whatever was written.
  kept?.catch(() => undefined);
  const progress = startProgress('importing', input.size);
  let refusedCount = 0;
  const tell = (refused: RefusedLine): void => {
    refusedCount += 1;
    refusals?.write(`${JSON.stringify(refused)}\n`);
    if (refusedCount <= TOLD_ON_SCREEN) printNote(describeRefused(refused));
  };
  try {
    const report = await run(rows, tell, (lines) => progress.update(input.size === undefined ? lines : input.bytesRead()));
    if (refusedCount > TOLD_ON_SCREEN) printNote(`… and ${refusedCount - TOLD_ON_SCREEN} more refused lines`);
    return report;
  } finally {
    progress.stop();
    refusals?.end();
    await kept;
  }
}

function describeRefused({ line, problems }: RefusedLine): string {
  return `line ${line}: ${problems.map(({ pointer, text }) => (pointer === '' ? text : `${pointer} ${text}`)).join('; ')}`;
}

function describe(report: ImportReport): string {
  const { lines, created, updated, unchanged, refused } = report;
  return `${lines} lines: ${created} records created, ${updated} updated, ${unchanged} unchanged; ${refused} lines refused`;
}

function getNamedType(profile: Profile, name: string): RecordType {
  const found = findRecordType(profile, name) ?? findEntity(profile, name)?.recordType;
  if (found !== undefined) return found;
  throw new UsageError(
    `${name} is no record type of ${profile.registry}; known: ${profile.recordTypes.map((type) => type.name).join(', ')}`,
  );
}

function readMapping(file: string): ColumnMapping {
  const mapping: unknown = parseJsonFile(file);
  if (typeof mapping === 'object' && mapping !== null && Object.values(mapping).every((value) => typeof value === 'string'))
    return mapping as ColumnMapping;
  throw new UsageError(`${file} is no JSON object of texts, e.g. {"National ID": "UIN", "Born": "birth_date"}`);
}

function parseJsonFile(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new UsageError(`${file} cannot be read as JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
}
