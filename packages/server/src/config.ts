import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { baseUrl, databaseUrl, flag, networks, oneOf, origin, path, randomSecret, retention, text, wholeNumber } from './setting-values.ts';

/**
 * The only place that reads the environment. Every setting is declared once in `SETTINGS` (the reference page is made
 * from it); `readConfig` returns one checked, typed value or names every setting that is wrong. Any `DCI_X` may be given
 * as `DCI_X_FILE`, a file that holds the value.
 */
export interface Config extends Settings {
  /** What is set under a name that is no setting's, with the setting that may have been meant. */
  readonly strayVariables: readonly string[];
}

export interface Settings {
  /** `production`: insecure settings are refused at start. */
  readonly mode: 'production' | 'development';
  readonly host: string;
  readonly port: number;
  readonly basePath: string;
  readonly senderId: string;
  readonly defaultRegistry: string;
  /** Absent: the embedded database in `dataDir`. */
  readonly databaseUrl: string | undefined;
  readonly dataDir: string;
  readonly signingKeyPath: string | undefined;
  readonly keyEncryptionKey: string | undefined;
  /** Where partners reach us, without the base path; absent: where we listen. */
  readonly publicUrl: string | undefined;
  /** Below which other registries answer our requests; absent: `publicUrl` and the base path. */
  readonly callbackBaseUrl: string | undefined;
  /** Signs access tokens in place of our signing key. */
  readonly jwtSecret: string | undefined;
  readonly logLevel: string;
  /** Largest request body, bytes. */
  readonly maxBodyBytes: number;
  /** How far `message_ts` may lie from now, seconds. */
  readonly clockToleranceSeconds: number;
  readonly tokenLifetimeSeconds: number;
  /** Requests a minute that one address may send before it is known who sends them. */
  readonly addressLimitPerMinute: number;
  /** Addresses and networks of proxies whose `X-Forwarded-For` is believed. */
  readonly trustedProxies: readonly string[];
  /** Points a minute that a partner may spend: see `services/search-cost.ts`. */
  readonly partnerLimitPerMinute: number;
  readonly statementTimeoutMs: number;
  /** Days by kind of row; undefined as a value: for ever. */
  readonly retention: ReadonlyMap<string, number | undefined>;
  /** Whole months that audit rows are kept; absent: for ever. */
  readonly auditRetentionMonths: number | undefined;
  /** How long a research extract can be fetched. */
  readonly extractLifetimeDays: number;
  /** How long keys that a partner publishes are used though its address does not answer. */
  readonly partnerKeyMaxAgeHours: number;
  /** Whether partners are also called over http. */
  readonly allowHttpCallbacks: boolean;
  /** Whether partners are also called at private addresses and on this machine. */
  readonly allowPrivateCallbacks: boolean;
}

interface Setting<T> {
  readonly variable: string;
  readonly purpose: string;
  /** As it would be written in the environment; undefined: unset. */
  readonly fallback: string | undefined;
  readonly parse: (text: string) => T;
}

export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly string[];

  constructor(problems: readonly string[], headline = 'the configuration is not usable') {
    super(`${headline}:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
    this.problems = problems;
  }
}

export const SETTINGS: { readonly [K in keyof Settings]: Setting<Exclude<Settings[K], undefined>> } = {
  mode: {
    variable: 'DCI_MODE',
    purpose: 'production: the server does not start with insecure settings; development: it tells of them',
    fallback: 'development',
    parse: oneOf('production', 'development'),
  },
  host: { variable: 'DCI_HOST', purpose: 'address to listen on', fallback: '127.0.0.1', parse: text },
  port: { variable: 'DCI_PORT', purpose: 'port to listen on; 0 takes a free one', fallback: '8080', parse: wholeNumber(0, 65_535) },
  basePath: { variable: 'DCI_BASE_PATH', purpose: 'path below which the registries answer', fallback: '/api/v2/dci', parse: path },
  senderId: { variable: 'DCI_SENDER_ID', purpose: 'our name in message headers', fallback: 'dci-server', parse: text },
  defaultRegistry: {
    variable: 'DCI_DEFAULT_REGISTRY',
    purpose: 'registry of a message that names none',
    fallback: 'social',
    parse: text,
  },
  databaseUrl: {
    variable: 'DCI_DATABASE_URL',
    purpose: 'PostgreSQL 15 or newer; unset: an embedded PostgreSQL that keeps its data in DCI_DATA_DIR',
    fallback: undefined,
    parse: databaseUrl,
  },
  dataDir: {
    variable: 'DCI_DATA_DIR',
    purpose: 'folder of the embedded database and of the keys made on first run',
    fallback: './data',
    parse: (value) => resolve(value),
  },
  signingKeyPath: {
    variable: 'DCI_SIGNING_KEY_PATH',
    purpose: 'private key (PEM or JWK: P-256, Ed25519 or RSA) that signs answers; unset: made on first run and kept encrypted',
    fallback: undefined,
    parse: text,
  },
  keyEncryptionKey: {
    variable: 'DCI_KEY_ENCRYPTION_KEY',
    purpose: '32 bytes, base64, under which private keys are kept; unset: made in DCI_DATA_DIR with mode 0600',
    fallback: undefined,
    parse: text,
  },
  publicUrl: {
    variable: 'DCI_PUBLIC_URL',
    purpose: 'where partners reach the server, scheme and host, e.g. https://registry.example.org; unset: where it listens',
    fallback: undefined,
    parse: origin,
  },
  callbackBaseUrl: {
    variable: 'DCI_CALLBACK_BASE_URL',
    purpose:
      'path below which other registries send their answers to our requests, e.g. https://registry.example.org/api/v2/dci; unset: DCI_BASE_PATH at DCI_PUBLIC_URL, or where the server listens',
    fallback: undefined,
    parse: baseUrl,
  },
  jwtSecret: {
    variable: 'DCI_JWT_SECRET',
    purpose: 'secret that signs access tokens (HS256): 32 random bytes or more in base64 or hexadecimal; unset: the signing key signs them',
    fallback: undefined,
    parse: randomSecret,
  },
  logLevel: {
    variable: 'DCI_LOG_LEVEL',
    purpose: 'least severe log line that is written',
    fallback: 'info',
    parse: oneOf('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'),
  },
  maxBodyBytes: {
    variable: 'DCI_MAX_BODY_BYTES',
    purpose: 'largest request body, bytes',
    fallback: '2097152',
    parse: wholeNumber(1_024, 104_857_600),
  },
  clockToleranceSeconds: {
    variable: 'DCI_CLOCK_TOLERANCE_SECONDS',
    purpose: 'how far the time in a message may lie from ours',
    fallback: '300',
    parse: wholeNumber(1, 86_400),
  },
  tokenLifetimeSeconds: {
    variable: 'DCI_TOKEN_LIFETIME_SECONDS',
    purpose: 'lifetime of an access token',
    fallback: '3600',
    parse: wholeNumber(30, 86_400),
  },
  addressLimitPerMinute: {
    variable: 'DCI_ADDRESS_LIMIT_PER_MINUTE',
    purpose: 'requests a minute from one address',
    fallback: '60000',
    parse: wholeNumber(1, 100_000_000),
  },
  trustedProxies: {
    variable: 'DCI_TRUSTED_PROXIES',
    purpose:
      'addresses or networks, separated by commas, of proxies in front of the server: limits and the audit see the addresses that they name',
    fallback: '',
    parse: networks,
  },
  partnerLimitPerMinute: {
    variable: 'DCI_PARTNER_LIMIT_PER_MINUTE',
    purpose:
      'points a minute for each partner (1 an identifier, 5 each hundred records of a page of another search), unless its own limit is set',
    fallback: '60000',
    parse: wholeNumber(1, 100_000_000),
  },
  statementTimeoutMs: {
    variable: 'DCI_STATEMENT_TIMEOUT_MS',
    purpose: 'longest a search may keep the database busy, milliseconds',
    fallback: '5000',
    parse: wholeNumber(10, 600_000),
  },
  retention: {
    variable: 'DCI_RETENTION',
    purpose: 'how long rows are kept where that is to differ from what docs/privacy.md says: kind=Nd or kind=forever, separated by commas',
    fallback: '',
    parse: retention,
  },
  auditRetentionMonths: {
    variable: 'DCI_AUDIT_RETENTION_MONTHS',
    purpose: 'whole months after which audit rows are dropped, with a signed statement of what is gone; unset: they are kept for ever',
    fallback: undefined,
    parse: wholeNumber(1, 1_200),
  },
  extractLifetimeDays: {
    variable: 'DCI_EXTRACT_LIFETIME_DAYS',
    purpose: 'days that a research extract can be fetched; then it is deleted',
    fallback: '7',
    parse: wholeNumber(1, 90),
  },
  partnerKeyMaxAgeHours: {
    variable: 'DCI_PARTNER_KEY_MAX_AGE_HOURS',
    purpose: 'how long keys that a partner publishes at an address are used though the address does not answer, hours',
    fallback: '24',
    parse: wholeNumber(1, 720),
  },
  allowHttpCallbacks: {
    variable: 'DCI_ALLOW_HTTP_CALLBACKS',
    purpose: 'true: partners are also called over http, where anybody on the way reads and changes what is sent',
    fallback: 'false',
    parse: flag,
  },
  allowPrivateCallbacks: {
    variable: 'DCI_ALLOW_PRIVATE_CALLBACKS',
    purpose:
      'true: partners are also called at addresses of private networks and of this machine; link-local addresses and the metadata services of clouds never are',
    fallback: 'false',
    parse: flag,
  },
};

/** Reads and checks `environment`; throws a `ConfigError` that names every wrong setting. */
export function readConfig(environment: Readonly<Record<string, string | undefined>>): Config {
  const problems: string[] = [];
  const entries = Object.entries(SETTINGS).map(([name, setting]) => {
    try {
      const value = readVariable(environment, setting.variable) ?? setting.fallback;
      return [name, value === undefined ? undefined : setting.parse(value)];
    } catch (error) {
      problems.push(`${setting.variable} ${error instanceof Error ? error.message : String(error)}`);
      return [name, undefined];
    }
  });
  if (problems.length > 0) throw new ConfigError(problems);
  return { ...(Object.fromEntries(entries) as Settings), strayVariables: findStrayVariables(environment) };
}

function readVariable(environment: Readonly<Record<string, string | undefined>>, variable: string): string | undefined {
  const direct = environment[variable];
  const file = environment[`${variable}_FILE`];
  if (direct !== undefined && direct !== '' && file !== undefined && file !== '')
    throw new Error(`is given twice, as ${variable} and as ${variable}_FILE`);
  if (file !== undefined && file !== '') return readFileSync(file, 'utf8').trim();
  return direct === '' ? undefined : direct;
}

/** Read elsewhere: by `dci search`, and by the tests. */
const OTHER_VARIABLES = ['DCI_CLIENT_ID', 'DCI_CLIENT_SECRET', 'DCI_CLIENT_TOKEN', 'DCI_SPEC_DIR', 'DCI_TEST_POSTGRES'];

function findStrayVariables(environment: Readonly<Record<string, string | undefined>>): string[] {
  const known = [...Object.values(SETTINGS).map(({ variable }) => variable), ...OTHER_VARIABLES];
  const stray = Object.keys(environment).filter((name) => name.startsWith('DCI_') && !known.includes(name.replace(/_FILE$/, '')));
  return stray.map((name) => {
    const [nearest] = known.toSorted((one, other) => distance(name, one) - distance(name, other));
    return `${name} is no setting and changes nothing${nearest === undefined ? '' : `; the nearest is ${nearest}`}`;
  });
}

/** Letters to add, leave out or replace (Levenshtein). */
function distance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (const [index, letter] of [...one].entries()) {
    const next = [index + 1];
    for (let at = 0; at < other.length; at += 1)
      next.push(Math.min((row[at] ?? 0) + (letter === other[at] ? 0 : 1), (row[at + 1] ?? 0) + 1, (next[at] ?? 0) + 1));
    row = next;
  }
  return row.at(-1) ?? 0;
}
