import { accessSync, constants, statSync } from 'node:fs';
import type { Command } from 'commander';
import { type Config, ConfigError } from '../config.ts';
import { connectDatabase } from '../postgres/open-database.ts';
import { findInsecurePartners, findInsecureSettings, nameInsecurePartners } from '../services/insecure-settings.ts';
import type { Database } from '../store/database.ts';
import { findSchemaDifference } from '../store/migrate.ts';
import { loadPartners } from '../store/partners.ts';
import { findRetentionProblems } from '../store/retention.ts';
import { loadConfig } from './context.ts';
import { addExamples, EXIT, printJson, printLine } from './output.ts';

/** One thing looked at; with `advice` it is not in order. */
interface Finding {
  readonly check: string;
  readonly found: string;
  readonly advice?: string;
}

export function registerDoctor(program: Command): void {
  const command = program
    .command('doctor')
    .description('check what the server needs on this machine, and say what to do where something is wrong')
    .option('--json', 'print one JSON object')
    .action(runDoctor);
  addExamples(command, 'dci doctor');
}

async function runDoctor({ json = false }: { json?: boolean }): Promise<void> {
  const findings = await examine();
  const healthy = findings.every((finding) => finding.advice === undefined);
  if (json) printJson({ healthy, findings: findings.map((finding) => ({ ok: finding.advice === undefined, ...finding })) });
  else for (const finding of findings) printLine(describe(finding));
  process.exitCode = healthy ? EXIT.fine : EXIT.failed;
}

function describe({ check, found, advice }: Finding): string {
  return advice === undefined ? `✔ ${check}: ${found}` : `✖ ${check}: ${found}\n    → ${advice}`;
}

async function examine(): Promise<Finding[]> {
  const machine = [checkNode(), checkClock()];
  try {
    const config = loadConfig();
    const settled = { check: 'configuration', found: 'every setting is usable' };
    return [...machine, settled, checkDataDir(config), ...checkSettings(config), ...(await checkDatabase(config))];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return [...machine, { check: 'configuration', found: error.problems.join('; '), advice: 'correct these settings' }];
  }
}

const LEAST_NODE = 24;

function checkNode(): Finding {
  const found = { check: 'Node.js', found: process.version };
  return Number.parseInt(process.versions.node, 10) >= LEAST_NODE ? found : { ...found, advice: `use Node.js ${LEAST_NODE} or newer` };
}

// Nobody can have installed this program in the future.
function checkClock(): Finding {
  const now = new Date();
  const found = { check: 'clock', found: now.toISOString() };
  return now >= statSync(import.meta.filename).mtime
    ? found
    : { ...found, advice: 'set the clock: it is before the time this program was installed' };
}

function checkDataDir({ dataDir }: Config): Finding {
  const found = statSync(dataDir, { throwIfNoEntry: false });
  if (found === undefined) return { check: 'data folder', found: `${dataDir} is made on first use` };
  const finding = { check: 'data folder', found: dataDir };
  if (!found.isDirectory()) return { ...finding, advice: 'set DCI_DATA_DIR to a folder' };
  return isWritable(dataDir) ? finding : { ...finding, advice: 'give this user the right to write in it' };
}

function isWritable(folder: string): boolean {
  try {
    accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function checkSettings(config: Config): Finding[] {
  const insecure = findInsecureSettings(config).map(({ setting: check, text, refusedInProduction, ofFiles }) =>
    ofFiles === true || (refusedInProduction && config.mode === 'production')
      ? { check, found: 'insecure', advice: text }
      : { check, found: refusedInProduction ? `in production mode refused: ${text}` : text },
  );
  const retention = findRetentionProblems(config.retention).map((found) => ({ check: 'DCI_RETENTION', found, advice: 'correct it' }));
  const stray = config.strayVariables.map((text) => ({ check: 'environment', found: text, advice: 'correct or unset it' }));
  return [...insecure, ...retention, ...stray];
}

async function checkDatabase(config: Config): Promise<Finding[]> {
  const silent = { info: () => undefined, warn: () => undefined };
  try {
    const { database, close } = await connectDatabase(config, silent);
    try {
      const schema = await checkSchema(database, config);
      const machine = [await checkVersion(database, config), await checkDatabaseClock(database, config), schema];
      return schema.found === UP_TO_DATE ? [...machine, ...(await listInsecurePartners(database))] : machine;
    } finally {
      await close();
    }
  } catch (error) {
    const advice =
      config.databaseUrl === undefined
        ? 'see the message and the log in the data folder'
        : 'check DCI_DATABASE_URL and that the database runs';
    return [
      {
        check: 'database',
        found: error instanceof Error ? error.message || String((error as NodeJS.ErrnoException).code) : String(error),
        advice,
      },
    ];
  }
}

const LEAST_POSTGRES = 15;

async function checkVersion({ pool }: Database, { databaseUrl }: Config): Promise<Finding> {
  const { rows } = await pool.query<{ server_version: string }>('show server_version');
  const version = rows[0]?.server_version ?? '';
  const found = { check: 'database', found: `PostgreSQL ${version}, ${databaseUrl === undefined ? 'embedded' : 'from DCI_DATABASE_URL'}` };
  return Number.parseInt(version, 10) >= LEAST_POSTGRES ? found : { ...found, advice: `use PostgreSQL ${LEAST_POSTGRES} or newer` };
}

async function checkDatabaseClock({ pool }: Database, { clockToleranceSeconds }: Config): Promise<Finding> {
  const { rows } = await pool.query<{ now: Date }>('select clock_timestamp() as now');
  const apart = Math.abs((rows[0]?.now.getTime() ?? 0) - Date.now()) / 1_000;
  const found = { check: 'database clock', found: `${apart.toFixed(1)} s from ours` };
  return apart <= clockToleranceSeconds ? found : { ...found, advice: 'set the clocks of both machines by NTP' };
}

const UP_TO_DATE = 'up to date';

async function checkSchema({ db }: Database, { databaseUrl }: Config): Promise<Finding> {
  const check = 'schema';
  const { pending, unknown } = await findSchemaDifference(db);
  if (unknown.length > 0)
    return { check, found: `has ${unknown.join(', ')}`, advice: 'a newer version of this program made it: use that version' };
  if (pending.length === 0) return { check, found: UP_TO_DATE };
  const found = `lacks ${pending.join(', ')}`;
  return databaseUrl === undefined ? { check, found: `${found}: done at the next start` } : { check, found, advice: 'run "dci migrate"' };
}

/** What was decided on purpose is nothing to correct. */
async function listInsecurePartners({ db }: Database): Promise<Finding[]> {
  return findInsecurePartners(await loadPartners(db)).map((found) => ({ check: 'partners', found: nameInsecurePartners(found) }));
}
