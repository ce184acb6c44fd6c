import type { Logger } from 'pino';
import { type Background, createBackground } from './background.ts';
import { type Config, ConfigError } from './config.ts';
import { type AuditLog, openAuditLog } from './disclosure/audit-log.ts';
import { createPseudonyms } from './disclosure/pseudonyms.ts';
import { createQueryDescriber } from './disclosure/query-description.ts';
import { createForeground } from './foreground.ts';
import { createGate, type GateParts } from './http/gate.ts';
import type { HealthParts } from './http/routes/health.ts';
import { createHttpServer } from './http/server.ts';
import { createLog, keepRowsOut } from './log.ts';
import { createGuardedClient, type GuardedClientSettings } from './outbound/guarded-client.ts';
import type { EventLog } from './postgres/event-log.ts';
import { openConfiguredDatabase } from './postgres/open-database.ts';
import { BUILT_IN_PROFILES } from './profiles/index.ts';
import type { Profile } from './profiles/profile.ts';
import { openReader } from './registry/reader.ts';
import { isProfileApplied, reconcileProfile } from './registry/reconcile.ts';
import { createAuditorService } from './services/answer-auditor.ts';
import { CHECKPOINT_KEY, keepCheckpoints } from './services/audit-checkpoint.ts';
import { createConsentTokens } from './services/consent-tokens.ts';
import { createAnswerWriter } from './services/answer-writer.ts';
import { createIdentifierHash, ERASED_IDENTIFIER_KEY } from './services/erase-person.ts';
import {
  countInsecurePartners,
  describeInsecureSetting,
  findInsecurePartners,
  findInsecureSettings,
  nameInsecurePartners,
} from './services/insecure-settings.ts';
import { deriveExtractKeys } from './services/extract-keys.ts';
import { createExtractFetcher } from './services/fetch-extract.ts';
import { createInbox } from './services/keep-callback.ts';
import { openJobBell } from './services/job-bell.ts';
import { createPublishedLocations } from './services/locations.ts';
import { openOwnKeys, type OwnKeys } from './services/own-keys.ts';
import { openPartnerDirectory, type PartnerDirectory } from './services/partner-directory.ts';
import { createPublishedKeys } from './services/published-keys.ts';
import { createRateLimiter } from './services/rate-limit.ts';
import { describeRefusal } from './services/search-audit.ts';
import { openSealer } from './services/sealer.ts';
import { createSearch } from './services/search.ts';
import { createSignInLimit } from './services/sign-in-limit.ts';
import { openTokenService } from './services/token-service.ts';
import { consentWrites } from './services/write-consents.ts';
import { createWriteService, RECORD_WRITES } from './services/write-records.ts';
import type { Database } from './store/database.ts';
import { findSchemaDifference } from './store/migrate.ts';
import { findRetentionProblems } from './store/retention.ts';
import { startLaneWorker } from './worker/lane-worker.ts';
import { openSignatureExecutor } from './threads/signature-executor.ts';
import { listPeriodicTasks } from './worker/periodic-tasks.ts';
import { startTicker } from './worker/ticker.ts';

/** What a process does: answer requests, do what was promised to be done later, or both. */
export type Role = (typeof ROLES)[number];

export const ROLES = ['http', 'worker', 'both'] as const;

/** A running server. */
export interface App {
  /** Where it listens, e.g. `http://127.0.0.1:8080`; empty where it only works. */
  readonly url: string;
  readonly basePath: string;
  /** Ends gracefully: no new requests, those under way are answered, then everything opened is closed. */
  close(): Promise<void>;
}

export interface AppOverrides {
  readonly profiles?: readonly Profile[];
  readonly role?: Role;
  /** Epoch milliseconds. */
  readonly now?: () => number;
  readonly log?: Logger;
  /** How others are called. */
  readonly outbound?: Partial<GuardedClientSettings>;
}

const TICK_MS = 30_000;

/** Opens everything in order and listens. Whatever was opened is closed again where a later part fails. */
export async function startApp(config: Config, overrides: AppOverrides = {}): Promise<App> {
  const { profiles = BUILT_IN_PROFILES, now = Date.now, role = 'both' } = overrides;
  const log = keepRowsOut(overrides.log ?? createLog(config));
  const opened: (() => Promise<void> | void)[] = [];
  const closing = <T extends { close(): Promise<void> | void }>(part: T): T => {
    opened.unshift(() => part.close());
    return part;
  };
  const closeAll = async (): Promise<void> => {
    for (const close of opened.splice(0)) await close();
  };
  const warnings = [...checkSettings(config), ...config.strayVariables];
  try {
    const { database, embedded } = closing(await openConfiguredDatabase(config, plainLog(log)));
    if (role !== 'worker') await embedded?.claimServer(`${config.host}:${config.port}`);
    for (const profile of profiles) await prepareTables(database, embedded !== undefined, profile);
    const sealer = openSealer(config, (text) => log.warn(text));
    const ownKeys = closing(await openOwnKeys(database.db, { ...config, sealer, now, log }));
    const directory = closing(await openPartnerDirectory(database, log));
    const client = closing(createGuardedClient({ ...config, ...overrides.outbound }));
    let listening = '';
    const origin = (): string => config.publicUrl ?? listening;
    const tokens = closing(await openTokenService({ ...config, database, directory, ownKeys, client, origin, now, log }));
    const limiter = createRateLimiter(database.db, { now });
    const reader = closing(openReader(database, config));
    // Closed before the keys and after the trail: the last rows are signed for as well.
    const checkpointKeys = { activeKey: ownKeys.active, macKey: sealer.deriveKey(CHECKPOINT_KEY) };
    opened.unshift(async () => {
      await keepCheckpoints(database.pool, checkpointKeys, now(), 0).catch((error: unknown) =>
        log.error({ err: error }, 'the last rows of the audit trail could not be signed for; the next server signs for them'),
      );
    });
    const audit = closing(openAuditLog(database.pool, { now }));
    const publishedKeys = createPublishedKeys({ ...config, db: database.db, client, directory, now, log });
    const tasks = listPeriodicTasks({ config, database, profiles, checkpointKeys, publishedKeys, now, log });
    const bell = closing(openJobBell(database, log));
    const signatures = closing(openSignatureExecutor());
    const gate = createGate({ ...config, tokens: tokens.verifier, limiter, recordRefusal: refusalRecorder(audit) });
    const answers = createAnswerWriter({ ...config, activeKey: ownKeys.active, signatures, now });
    const [cursorKey, extractKeys] = [sealer.deriveKey('cursor'), deriveExtractKeys(sealer)];
    const hashIdentifier = createIdentifierHash(sealer.deriveKey(ERASED_IDENTIFIER_KEY));
    const pseudonyms = createPseudonyms(extractKeys.pseudonyms);
    const consentTokens = createConsentTokens(database.db, now);
    const finding = { ...config, db: database.db, profiles, reader, cursorKey, pseudonyms, consentTokens, now };
    const searching = {
      reception: {
        ...config,
        now,
        digestForms: new Map(),
        signatures,
        decryption: { findKey: ownKeys.findDecryptionKey, maxBytes: config.maxBodyBytes },
        publishedKeys,
        log,
      },
      search: createSearch(finding),
      audit,
      answers,
      describeQuery: createQueryDescriber(extractKeys.queries),
      cursorKey,
      pseudonyms,
      charge: gate.charge,
      chargeIdentifiers: gate.chargeIdentifiers,
      finding,
      statisticsKey: extractKeys.cells,
    };
    const extracting = { ...searching, extractKeys, database, activeKey: ownKeys.active, origin, now };
    const background = closing(createBackground({ ...extracting, config, reader, profiles, directory, sealer, client, bell, log }));
    const ticker = { pool: database.pool, tasks, everyMs: TICK_MS, log };
    const workers = role === 'http' ? [] : startWorkers(background, { ticker, database, bell, log }).map(closing);
    for (const warning of [...warnings, ...findInsecurePartners(directory.list()).map(nameInsecurePartners)]) log.warn(warning);
    if (role === 'worker') return { url: '', basePath: config.basePath, close: closeAll };
    const writing = { ...config, db: database.db, profiles, audit, charge: gate.charge };
    const http = closing(
      await createHttpServer({
        ...config,
        profiles,
        gate,
        ...createForeground(searching),
        ...background,
        extracts: createExtractFetcher({ ...searching, db: database.db, directory, now }),
        inbox: createInbox({ ...searching, db: database.db, directory, sealer }),
        auditor: createAuditorService({ ...database, audit, profiles, cursorKey, hashIdentifier, now }),
        write: createWriteService(writing, RECORD_WRITES),
        writeConsents: createWriteService(writing, consentWrites(now)),
        answers,
        token: { ...tokens, limit: createSignInLimit(limiter) },
        wellKnown: { ownKeys, locations: createPublishedLocations(database.db, { now }), ...tokens },
        health: describeHealth({ database, ownKeys, directory, workers, warnings }),
        now,
        log,
      }),
    );
    listening = await http.listen({ host: config.host, port: config.port }).catch((error: unknown) => {
      throw explainListening(error, config);
    });
    return { url: listening, basePath: config.basePath, close: closeAll };
  } catch (error) {
    await closeAll();
    throw error;
  }
}

function assertRetention({ retention }: Config): void {
  const problems = findRetentionProblems(retention);
  if (problems.length > 0) throw new ConfigError(problems.map((problem) => `DCI_RETENTION: ${problem}`));
}

function refusalRecorder(audit: AuditLog): GateParts['recordRefusal'] {
  return async (sender, scope, fault) => {
    await audit.release(describeRefusal(sender, scope, fault, undefined), async () => '');
  };
}

/** The tables of the embedded database are made to fit; any other is changed by `dci migrate` alone. */
async function prepareTables(database: Database, isEmbedded: boolean, profile: Profile): Promise<void> {
  if (isEmbedded) await reconcileProfile(database, profile);
  else if (!(await isProfileApplied(database, profile)))
    throw new Error(`the tables of the registry "${profile.registry}" are not up to date: run "dci migrate" once, then start again`);
}

function explainListening(error: unknown, { host, port }: Config): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'EADDRINUSE')
    return new Error(`port ${port} of ${host} is taken: stop what listens there, or set DCI_PORT (0 takes a free one)`);
  if (code === 'EADDRNOTAVAIL') return new Error(`${host} is no address of this machine: set DCI_HOST`);
  return error;
}

/** What is insecure and allowed; throws a `ConfigError` where a setting cannot be obeyed or production mode refuses it. */
function checkSettings(config: Config): string[] {
  assertRetention(config);
  const found = findInsecureSettings(config);
  const refused = config.mode === 'production' ? found.filter(({ refusedInProduction }) => refusedInProduction) : [];
  if (refused.length > 0)
    throw new ConfigError(
      refused.map(describeInsecureSetting),
      'in production mode (DCI_MODE) the server does not start with these settings',
    );
  return found.map(describeInsecureSetting);
}

interface Worker {
  findTrouble(): string | undefined;
  close(): Promise<void>;
}

type WorkerParts = Omit<Parameters<typeof startLaneWorker>[0], 'kinds'> & { readonly ticker: Parameters<typeof startTicker>[0] };

/** Whatever works beside the answering of requests. */
function startWorkers({ kinds, startFanOut }: Background, { ticker, ...lanes }: WorkerParts): readonly Worker[] {
  return [startTicker(ticker), startLaneWorker({ ...lanes, kinds }), startFanOut()];
}

interface HealthSources {
  readonly database: Database;
  readonly ownKeys: OwnKeys;
  readonly directory: PartnerDirectory;
  readonly workers: readonly Worker[];
  /** Of the settings. */
  readonly warnings: readonly string[];
}

function describeHealth({ database, ownKeys, directory, workers, warnings }: HealthSources): HealthParts {
  return {
    checks: {
      database: async () => {
        await database.pool.query('select 1');
        return undefined;
      },
      migrations: async () => {
        const { pending, unknown } = await findSchemaDifference(database.db);
        return pending.length + unknown.length === 0 ? undefined : `pending: ${pending.join(', ')}; unknown: ${unknown.join(', ')}`;
      },
      key: async () =>
        ownKeys.jwks().keys.some(({ kid }) => kid === ownKeys.active().kid) ? undefined : 'the active key is not published',
      worker: async () => workers.map((worker) => worker.findTrouble()).find((trouble) => trouble !== undefined),
    },
    warnings: () => [...warnings, ...findInsecurePartners(directory.list()).map(countInsecurePartners)],
  };
}

function plainLog(log: Logger): EventLog {
  return { info: (text) => log.info(text), warn: (text) => log.warn(text) };
}
