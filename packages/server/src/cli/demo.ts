import { createServer } from 'node:net';
import { join } from 'node:path';
import type { Command } from 'commander';
import { pino } from 'pino';
import { type App, startApp } from '../app.ts';
import type { Config } from '../config.ts';
import { openConfiguredDatabase } from '../postgres/open-database.ts';
import { addDuplicates, type Duplicate } from '../profiles/population/duplicates.ts';
import { generateSocialPopulation } from '../profiles/population/social-population.ts';
import { keepMatchIndex } from '../registry/matching/keep-match-index.ts';
import { refreshStatistics } from '../registry/statistics.ts';
import { putRecords } from '../registry/write.ts';
import {
  describeInsecureSetting,
  findInsecurePartners,
  findInsecureSettings,
  nameInsecurePartners,
} from '../services/insecure-settings.ts';
import { loadPartners } from '../store/partners.ts';
import { loadConfig, NOTES, withDatabase } from './context.ts';
import { printAudit } from './demo-audit.ts';
import { registerDemoPartners } from './demo-partners.ts';
import { startDemoReceiver } from './demo-receiver.ts';
import { BUILT_IN_PROFILES } from '../profiles/index.ts';
import type { DemoPartner, DemoTwice, Json } from './demo-step.ts';
import { runWalk } from './demo-walk.ts';
import { addExamples, printLine, printNote, UsageError } from './output.ts';
import { startProgress } from './progress.ts';
import { getProfile, withRegistry } from './registry.ts';
import { onStopSignal } from './stop-signal.ts';

/** `dci demo`: a server with made-up people, and a partner's way through it, step by step. */
export function registerDemo(program: Command): void {
  const command = program
    .command('demo')
    .description('Start a server with a made-up registry on an embedded database and walk through it as a partner would')
    .option('--once', 'end after the walk, with exit status 0 or 1, instead of serving on')
    .action((options: { once?: true }) => demo(options.once === true));
  addExamples(command, 'dci demo', 'dci demo --once');
}

const PERSONS = 2_000;
const SEED = 'demo';
const REFERENCE_DATE = '2026-01-01';
/** Of the persons, who are registered a second time. */
const TWICE_SHARE = 0.004;
const BATCH = 200;

async function demo(once: boolean): Promise<void> {
  const config = await demoConfig(loadConfig());
  printLine(`1. A registry of ${PERSONS} made-up people, on an embedded PostgreSQL in ${config.dataDir}`);
  const receiver = await startDemoReceiver();
  try {
    const { person, partners } = await alone(config, async () => ({
      person: await fillRegistry(config),
      partners: await withDatabase(config, ({ db }) => registerDemoPartners(db, receiver.url)),
    }));
    const stopped = new Promise<void>((resolve) => onStopSignal(() => resolve()));
    const app = await startApp(config, { log: pino({ level: 'warn' }, { write: tellOfLog }) });
    try {
      printLine(`   ✔ the server answers at ${app.url}${app.basePath}`);
      const walk = { ...partners, ...person, baseUrl: `${app.url}${app.basePath}`, serverId: config.senderId, receiver, print: printLine };
      await printAudit(config, await runWalk(walk, 2), person.uin);
      await printInsecure(config);
      if (once) return;
      printWaysOn(app, config, partners.visitor, person.uin);
      await stopped;
    } finally {
      await app.close();
    }
  } finally {
    await receiver.close();
  }
}

/** Throws where a server, that of another demo, runs on the database: what it has given out must go on to hold. */
async function alone<T>(config: Config, work: () => Promise<T>): Promise<T> {
  const opened = await openConfiguredDatabase(config, NOTES);
  try {
    await opened.embedded?.claimServer('dci demo');
    return await work();
  } finally {
    await opened.close();
  }
}

/** What the server would write into its log as JSON, for somebody who watches. */
function tellOfLog(line: string): void {
  const { msg, err } = JSON.parse(line) as { readonly msg: string; readonly err?: { readonly message: string } };
  printNote(`   note: ${msg}${err === undefined ? '' : `: ${err.message}`}`);
}

/** Its own folder and, where the usual port is taken, another port: the demo disturbs nobody. */
async function demoConfig(config: Config): Promise<Config> {
  if (config.databaseUrl !== undefined)
    throw new UsageError('the demo keeps its made-up data in an embedded database: unset DCI_DATABASE_URL');
  const port = (await isFree(config.host, config.port)) ? config.port : 0;
  // The receiver of the demo listens on this machine, without TLS.
  return { ...config, dataDir: join(config.dataDir, 'demo'), port, allowHttpCallbacks: true, allowPrivateCallbacks: true };
}

function isFree(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, host, () => probe.close(() => resolve(true)));
  });
}

interface DemoPerson {
  readonly uin: string;
  /** The record, as it was written. */
  readonly member: Json;
  readonly twice: DemoTwice;
}

/** Writes the population unless it is there; returns its first person. */
async function fillRegistry(config: Config): Promise<DemoPerson> {
  const duplicates: Duplicate[] = [];
  const population = [
    ...addDuplicates(generateSocialPopulation({ persons: PERSONS, seed: SEED, referenceDate: REFERENCE_DATE }), {
      share: TWICE_SHARE,
      seed: SEED,
      persons: PERSONS,
      tell: (duplicate) => duplicates.push(duplicate),
    }),
  ];
  await withRegistry(config, getProfile('social'), async (database) => {
    const { db } = database;
    const progress = startProgress('writing records', population.length);
    let created = 0;
    for (let from = 0; from < population.length; from += BATCH) {
      const results = await putRecords(db, getProfile('social'), population.slice(from, from + BATCH));
      for (const result of results) if (result.status !== 'refused') created += result.counts.created;
      progress.update(from + BATCH);
    }
    progress.stop();
    printLine(
      created === 0
        ? '   ✔ the records are there from an earlier run'
        : `   ✔ ${created} records written: people, and the households they live in; some people were registered twice`,
    );
    if (created > 0) await refreshStatistics(db, getProfile('social'));
    // Else it is there within a minute.
    await keepMatchIndex(database, BUILT_IN_PROFILES);
  });
  return { ...findFirst(population), twice: findTwice(population, duplicates) };
}

function findFirst(population: readonly Json[]): Omit<DemoPerson, 'twice'> {
  const members = population.flatMap((household) => (household['member_list'] ?? []) as readonly Json[]);
  for (const member of members) {
    const uin = uinOf(member);
    if (uin !== undefined) return { uin, member };
  }
  throw new Error('nobody in the population has a UIN');
}

function findTwice(population: readonly Json[], duplicates: readonly Duplicate[]): DemoTwice {
  const duplicate = duplicates.find(({ mistakes }) => mistakes.includes('transliteration')) ?? duplicates[0];
  if (duplicate === undefined) throw new Error('nobody in the population was registered twice');
  const uins = [withoutType(duplicate.identifier), withoutType(duplicate.duplicate_of)] as const;
  const second = population.find((line) => uinOf(line) === uins[0]);
  return { person: (second?.['demographic_info'] ?? {}) as Json, uins };
}

function uinOf(member: Json): string | undefined {
  const identifiers = (member['member_identifier'] ?? []) as readonly { identifier_type: string; identifier_value: string }[];
  return identifiers.find((identifier) => identifier.identifier_type === 'UIN')?.identifier_value;
}

function withoutType(identifier: string): string {
  return identifier.slice(identifier.indexOf('=') + 1);
}

async function printInsecure(config: Config): Promise<void> {
  const partners = await withDatabase(config, ({ db }) => loadPartners(db));
  const found = [...findInsecureSettings(config).map(describeInsecureSetting), ...findInsecurePartners(partners).map(nameInsecurePartners)];
  printLine();
  printLine(
    found.length === 0
      ? 'Nothing here is insecure.'
      : 'Insecure here, as /health/ready says too (DCI_MODE=production refuses such settings):',
  );
  for (const text of found) printLine(`     ${text}`);
}

function printWaysOn({ url, basePath }: App, config: Config, visitor: DemoPartner, uin: string): void {
  const base = `${url}${basePath}`;
  printLine(`
The server goes on. The API's page: ${base}/docs
Try it (visitor.demo may send unsigned messages; others may not):

  TOKEN=$(curl -s ${base}/oauth2/client/token -d grant_type=client_credentials \\
    -d client_id=${visitor.clientId} -d client_secret=${visitor.clientSecret} | sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/')

  curl -s ${base}/social/registry/sync/search -H "authorization: Bearer $TOKEN" -H 'content-type: application/json' -d '{
    "header": {"version": "1.0.0", "message_id": "'$(date +%s%N)'", "message_ts": "'$(date -u +%FT%TZ)'", "action": "search",
      "sender_id": "${visitor.senderId}", "receiver_id": "${config.senderId}", "total_count": 1},
    "message": {"transaction_id": "t-1", "search_request": [{"reference_id": "1", "timestamp": "'$(date -u +%FT%TZ)'",
      "search_criteria": {"query_type": "idtype-value", "query": {"type": "UIN", "value": "${uin}"}}}]}}'

Who saw this person, and whether the audit trail is as it was written (in a checkout, beside the running server):

  DCI_DATA_DIR=${config.dataDir} npx dci audit person --registry social --id UIN=${uin}
  DCI_DATA_DIR=${config.dataDir} npx dci audit verify

Ctrl-C stops it.`);
}
