import { once } from 'node:events';
import { closeSync, openSync, writeSync } from 'node:fs';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { addDuplicates, type Duplicate } from '../profiles/population/duplicates.ts';
import { listLocations } from '../profiles/population/places.ts';
import { generateSocialPopulation } from '../profiles/population/social-population.ts';
import { addExamples, UsageError } from './output.ts';

interface GenerateOptions {
  readonly persons?: number;
  readonly seed: string;
  readonly asOf: string;
  readonly locations?: true;
  readonly duplicates?: number;
  readonly truth?: string;
}

const CHUNK_CHARACTERS = 65_536;

/** `dci generate`: a made-up registry, the same bytes for the same seed. */
export function registerGenerate(program: Command): void {
  const command = program
    .command('generate')
    .description('Write a made-up population to stdout, one record a line (NDJSON), as dci import reads it')
    .option('--persons <n>', 'how many persons there are in it', parseCount)
    .option('--seed <text>', 'the same seed gives the same bytes', '1')
    .addOption(new Option('--registry <name>', 'registry it is for').choices(['social']).default('social'))
    .option('--as-of <date>', 'day to which ages are counted, YYYY-MM-DD', parseDate, '2026-01-01')
    .option('--duplicates <share>', 'share of the persons that are registered twice, with mistakes, e.g. 0.02', parseShare)
    .option('--truth <file>', 'write which records are duplicates of which, and what went wrong (NDJSON)')
    .option('--locations', "write the country's locations instead (CSV: code,name,type,parent)")
    .action((options: GenerateOptions) => generate(options));
  addExamples(
    command,
    'dci generate --persons 1000 --seed 7 | dci import --registry social -',
    'dci generate --locations > locations.csv',
    'dci generate --persons 10000 --duplicates 0.02 --truth truth.ndjson > persons.ndjson',
  );
}

function parseCount(text: string): number {
  const count = Number(text);
  if (!/^\d{1,9}$/.test(text) || count < 1 || count > 100_000_000) throw new InvalidArgumentError('a whole number from 1 to 100000000');
  return count;
}

function parseShare(text: string): number {
  const share = Number(text);
  if (!/^(0?\.\d{1,6}|1|1\.0*)$/.test(text) || share <= 0) throw new InvalidArgumentError('a share above 0 and up to 1, like 0.02');
  return share;
}

function parseDate(text: string): string {
  const moment = Date.parse(`${text}T00:00:00Z`);
  if (!/^(19|20)\d{2}-\d{2}-\d{2}$/.test(text) || Number.isNaN(moment) || !new Date(moment).toISOString().startsWith(text))
    throw new InvalidArgumentError('a date like 2026-01-01');
  return text;
}

async function generate(options: GenerateOptions): Promise<void> {
  if (options.locations === true) return writeAll(locationLines());
  if (options.persons === undefined) throw new UsageError('--persons or --locations is needed');
  const { persons, seed, asOf: referenceDate, duplicates: share, truth } = options;
  if (truth !== undefined && share === undefined) throw new UsageError('--truth tells of duplicates: give --duplicates as well');
  const population = generateSocialPopulation({ persons, seed, referenceDate });
  if (share === undefined) return writeAll(ndjson(population));
  const told = openTruth(truth);
  try {
    await writeAll(ndjson(addDuplicates(population, { share, seed, persons, tell: told.write })));
  } finally {
    told.close();
  }
}

function openTruth(file: string | undefined): { write(duplicate: Duplicate): void; close(): void } {
  if (file === undefined) return { write: () => undefined, close: () => undefined };
  const descriptor = openSync(file, 'w');
  return { write: (duplicate) => void writeSync(descriptor, `${JSON.stringify(duplicate)}\n`), close: () => closeSync(descriptor) };
}

function* ndjson(documents: Iterable<object>): Generator<string> {
  for (const document of documents) yield `${JSON.stringify(document)}\n`;
}

function* locationLines(): Generator<string> {
  yield 'code,name,type,parent\n';
  for (const { code, name, type, parent } of listLocations()) yield `${code},${name},${type},${parent}\n`;
}

/** No faster than it is read. */
async function writeAll(lines: Iterable<string>): Promise<void> {
  let chunk = '';
  for (const line of lines) {
    chunk += line;
    if (chunk.length < CHUNK_CHARACTERS) continue;
    if (!process.stdout.write(chunk)) await once(process.stdout, 'drain');
    chunk = '';
  }
  process.stdout.write(chunk);
}
