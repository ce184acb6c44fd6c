import { type Command, InvalidArgumentError } from 'commander';
import { BUILT_IN_PROFILES } from '../profiles/index.ts';
import type { Profile, RecordType } from '../profiles/profile.ts';
import { readIdentifiers } from '../registry/identifier-rows.ts';
import { keepMatchIndex } from '../registry/matching/keep-match-index.ts';
import { type DuplicatePair, type DuplicateProgress, findDuplicates } from '../services/find-duplicates.ts';
import type { Database } from '../store/database.ts';
import { loadConfig } from './context.ts';
import { addExamples, printLine, printNote, printTable, UsageError } from './output.ts';
import { startProgress } from './progress.ts';
import { getProfile, withRegistry } from './registry.ts';

interface DuplicatesOptions {
  readonly registry: string;
  readonly least: number;
  readonly most: number;
  readonly json?: true;
}

/** `dci duplicates`: who may be registered twice. */
export function registerDuplicates(program: Command): void {
  const command = program
    .command('duplicates')
    .description('List pairs of records that seem to be of one person, the likeliest first, with what speaks for and against it')
    .option('--registry <name>', 'registry to look through', 'social')
    .option('--least <probability>', 'leave out pairs that are less likely, 0 to 1', parseProbability, 0.9)
    .option('--most <n>', 'list no more than so many pairs', parseCount, 100)
    .option('--json', 'print every pair as one JSON object a line, as it is found')
    .action((options: DuplicatesOptions) => listDuplicates(options));
  addExamples(command, 'dci duplicates --registry social --least 0.95', 'dci duplicates --json > pairs.ndjson');
}

function parseProbability(text: string): number {
  if (!/^(0|1|0?\.\d{1,9})$/.test(text)) throw new InvalidArgumentError('a number from 0 to 1, like 0.95');
  return Number(text);
}

function parseCount(text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new InvalidArgumentError('a whole number from 1');
  return Number(text);
}

async function listDuplicates(options: DuplicatesOptions): Promise<void> {
  const profile = getProfile(options.registry);
  const recordType = profile.recordTypes.find(({ matching }) => matching !== undefined);
  if (recordType === undefined) throw new UsageError(`the profile of ${profile.registry} does not say how its records are matched`);
  await withRegistry(loadConfig(), profile, async (database) => {
    await bringUpToDate(database);
    const progress = await (options.json === true ? printAll : printLikeliest)(database, profile, recordType, options);
    const { keys, compared, crowded } = progress;
    printNote(
      `${compared} pairs compared under ${keys} keys${crowded > 0 ? `; ${crowded} keys were passed over, too many records share them` : ''}`,
    );
  });
}

async function bringUpToDate(database: Database): Promise<void> {
  const bar = startProgress('bringing the match index up to date');
  try {
    await keepMatchIndex(database, BUILT_IN_PROFILES, { tell: (records) => bar.update(records) });
  } finally {
    bar.stop();
  }
}

const NOTHING_YET: DuplicateProgress = { keys: 0, compared: 0, crowded: 0 };

/** Hands every pair to `take` as it is found; shows how far it is. */
async function gather(
  database: Database,
  profile: Profile,
  recordType: RecordType,
  least: number,
  take: (pair: DuplicatePair) => Promise<void> | void,
): Promise<DuplicateProgress> {
  const bar = startProgress('comparing');
  let last = NOTHING_YET;
  const tell = (progress: DuplicateProgress): void => {
    last = progress;
    bar.update(progress.compared);
  };
  try {
    for await (const pair of findDuplicates(database, { profile, recordType, least, tell })) await take(pair);
    return last;
  } finally {
    bar.stop();
  }
}

async function printAll(
  database: Database,
  profile: Profile,
  recordType: RecordType,
  { least }: DuplicatesOptions,
): Promise<DuplicateProgress> {
  return await gather(database, profile, recordType, least, async (pair) => {
    const [first, second] = await nameRecords(database, profile, pair.records);
    printLine(JSON.stringify({ probability: pair.probability, records: [first, second], evidence: pair.evidence }));
  });
}

async function printLikeliest(
  database: Database,
  profile: Profile,
  recordType: RecordType,
  { least, most }: DuplicatesOptions,
): Promise<DuplicateProgress> {
  let pairs: DuplicatePair[] = [];
  let found = 0;
  const progress = await gather(database, profile, recordType, least, (pair) => {
    found += 1;
    pairs.push(pair);
    if (pairs.length > 2 * most) pairs = likeliest(pairs, most);
  });
  const rows: unknown[][] = [];
  for (const pair of likeliest(pairs, most))
    rows.push([pair.probability.toFixed(4), ...(await nameRecords(database, profile, pair.records)), describeEvidence(pair)]);
  printTable(['probability', 'record', 'record', 'evidence in bits'], rows);
  printNote(`${found} pairs of at least ${least}${found > most ? `; the ${most} likeliest are listed` : ''}`);
  return progress;
}

function likeliest(pairs: readonly DuplicatePair[], most: number): DuplicatePair[] {
  return pairs.toSorted((one, other) => other.probability - one.probability).slice(0, most);
}

function describeEvidence({ evidence }: DuplicatePair): string {
  return evidence
    .map(({ field, agreement, weight }) => `${field.replace('_', ' ')} ${agreement} ${weight >= 0 ? '+' : ''}${weight}`)
    .join(', ');
}

/** By the unique identifier that the profile names first. */
async function nameRecords({ db }: Database, profile: Profile, ids: readonly string[]): Promise<readonly string[]> {
  const found = await readIdentifiers(db, ids);
  const unique = profile.identifierTypes.filter((type) => type.unique);
  return ids.map((id) => {
    const identifiers = found.get(id) ?? [];
    const identifier = unique.flatMap(({ code }) => identifiers.filter(({ type }) => type === code))[0];
    return identifier === undefined ? id : `${identifier.type}=${identifier.value}`;
  });
}
