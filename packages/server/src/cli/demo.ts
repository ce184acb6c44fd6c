import { createServer } from 'node:net';
import { join } from 'node:path';
import { generateSigningKey, importPublicKey, publicJwk } from '@dci/protocol';
import type { Command } from 'commander';
import { pino } from 'pino';
import { type App, startApp } from '../app.ts';
import type { Config } from '../config.ts';
import { BUILT_IN_PROFILES } from '../profiles/index.ts';
import { generateSocialPopulation } from '../profiles/population/social-population.ts';
import { putRecords } from '../registry/write.ts';
import { describeInsecureSetting, findInsecurePartners, findInsecureSettings } from '../services/insecure-settings.ts';
import { changePartner, registerPartner, rotateSecret } from '../services/register-partner.ts';
import { CHECKPOINT_KEY } from '../services/audit-checkpoint.ts';
import { verifyAudit } from '../services/verify-audit.ts';
import { readAuditPage } from '../store/read-audit.ts';
import type { Database } from '../store/database.ts';
import { findPartner, loadPartners } from '../store/partners.ts';
import { loadConfig, withDatabase } from './context.ts';
import { type DemoPartner, runWalk } from './demo-walk.ts';
import { addExamples, printLine, UsageError } from './output.ts';
import { startProgress } from './progress.ts';
import { getProfile, withRegistry } from './registry.ts';
import { openCommandSealer } from './own-keys.ts';
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
const BATCH = 200;

async function demo(once: boolean): Promise<void> {
  const config = await demoConfig(loadConfig());
  printLine(`1. A registry of ${PERSONS} made-up people, on an embedded PostgreSQL in ${config.dataDir}`);
  const uin = await fillRegistry(config);
  const partners = await registerDemoPartners(config);
  const stopped = new Promise<void>((resolve) => onStopSignal(() => resolve()));
  const app = await startApp(config, { log: pino({ level: 'warn' }, pino.destination({ dest: 2, sync: true })) });
  try {
    printLine(`   ✔ the server answers at ${app.url}${app.basePath}`);
    await runWalk({ ...partners, baseUrl: `${app.url}${app.basePath}`, serverId: config.senderId, uin, print: printLine });
    await printAudit(config);
    await printInsecure(config);
    if (once) return;
    printWaysOn(app, config, partners.visitor, uin);
    await stopped;
  } finally {
    await app.close();
  }
}

/** Its own folder and, where the usual port is taken, another port: the demo disturbs nobody. */
async function demoConfig(config: Config): Promise<Config> {
  if (config.databaseUrl !== undefined)
    throw new UsageError('the demo keeps its made-up data in an embedded database: unset DCI_DATABASE_URL');
  const port = (await isFree(config.host, config.port)) ? config.port : 0;
  return { ...config, dataDir: join(config.dataDir, 'demo'), port };
}

function isFree(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, host, () => probe.close(() => resolve(true)));
  });
}

/** Writes the population unless it is there; returns the identifier of its first person. */
async function fillRegistry(config: Config): Promise<string> {
  const population = [...generateSocialPopulation({ persons: PERSONS, seed: SEED, referenceDate: REFERENCE_DATE })];
  await withRegistry(config, getProfile('social'), async ({ db }) => {
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
        : `   ✔ ${created} records written: people, and the households they live in`,
    );
  });
  const uin = JSON.stringify(population).match(/"identifier_type":"UIN","identifier_value":"([^"]+)"/)?.[1];
  if (uin === undefined) throw new Error('nobody in the population has a UIN');
  return uin;
}

interface DemoPartners {
  readonly programme: DemoPartner;
  readonly clinic: DemoPartner;
  /** May send unsigned messages, so that a line of curl can. */
  readonly visitor: DemoPartner;
}

async function registerDemoPartners(config: Config): Promise<DemoPartners> {
  return withDatabase(config, async (database) => ({
    programme: await registerDemoPartner(database, 'programme.demo', { fields: 'full', signature: 'required' }),
    clinic: await registerDemoPartner(database, 'clinic.demo', { fields: 'minimal', signature: 'required' }),
    visitor: await registerDemoPartner(database, 'visitor.demo', { fields: 'minimal', signature: 'optional' }),
  }));
}

/** New keys and a new secret each time: the demo keeps none. */
async function registerDemoPartner({ db }: Database, senderId: string, terms: { fields: string; signature: string }): Promise<DemoPartner> {
  const key = generateSigningKey('ES256');
  const keys = [importPublicKey({ ...publicJwk(key) })];
  const whole = { registries: ['social'], scopes: ['registry/search'], legalBasis: 'made-up data', purposes: ['demo'], ...terms };
  if ((await findPartner(db, senderId)) === undefined)
    return { ...(await registerPartner(db, BUILT_IN_PROFILES, { senderId, terms: whole, keys })), key };
  await changePartner(db, BUILT_IN_PROFILES, senderId, { terms: whole, keys: { put: keys, replaceAll: true } });
  return { ...(await rotateSecret(db, senderId)), key };
}

async function printAudit(config: Config): Promise<void> {
  printLine();
  printLine('11. What the audit log keeps: a row for every message, committed before its answer left; the last eight');
  await withDatabase(config, async ({ pool }) => {
    const { rows } = await readAuditPage(pool, {}, { size: 8, newestFirst: true });
    for (const row of rows.toReversed())
      printLine(
        `     ${row.at.toISOString()}  ${row.senderId.padEnd(15)} ${row.outcome.padEnd(26)} ${row.recordCount} records  ${row.fieldRule ?? ''}`,
      );
    const verification = await verifyAudit(pool, {
      macKey: openCommandSealer(config).deriveKey(CHECKPOINT_KEY),
      onProblem: ({ text }) => printLine(`     ${text}`),
    });
    if (verification.problems > 0) throw new Error('the demo expected that the audit trail verifies');
    printLine(`   ✔ chain verified: ${verification.rows} rows, each linked to the one before it by its hash`);
  });
  printLine('   ✔ the walk is done');
}

async function printInsecure(config: Config): Promise<void> {
  const partners = await withDatabase(config, ({ db }) => loadPartners(db));
  const found = [...findInsecureSettings(config).map(describeInsecureSetting), ...findInsecurePartners(partners)];
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

Ctrl-C stops it.`);
}
