import { randomBytes } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Config, ConfigError, readConfig, SETTINGS } from '../../src/config.ts';
import { findInsecureSettings } from '../../src/services/insecure-settings.ts';
import { startTestApp, type TestApp } from '../support/test-app.ts';

/**
 * Flags stored as the string "false" that read as true; insecure switches that stay on unnoticed. → Typed configuration,
 * refused at start in production mode, shown otherwise.
 */

const KEY = randomBytes(32).toString('base64');
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'dci-settings-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function problemsOf(environment: Record<string, string>): readonly string[] {
  try {
    readConfig(environment);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}

function insecure(environment: Record<string, string>): string[] {
  return findInsecureSettings(readConfig({ DCI_DATA_DIR: folder, ...environment })).map(({ setting }) => setting);
}

describe('a switch', () => {
  it.each([
    ['true', true],
    ['1', true],
    ['false', false],
    ['0', false],
    ['', false],
  ])('"%s" is %s', (text, value) => {
    expect(readConfig({ DCI_ALLOW_HTTP_CALLBACKS: text }).allowHttpCallbacks).toBe(value);
  });

  it.each(['False', 'TRUE', 'no', 'yes', 'off', 'null', 'undefined', ' true', '2', '{}'])('"%s" is refused', (text) => {
    expect(problemsOf({ DCI_ALLOW_PRIVATE_CALLBACKS: text })).toEqual([
      expect.stringMatching(/^DCI_ALLOW_PRIVATE_CALLBACKS must be one of/),
    ]);
  });

  it('is off where nothing is said', () => {
    const { allowHttpCallbacks, allowPrivateCallbacks, mode } = readConfig({});
    expect([allowHttpCallbacks, allowPrivateCallbacks, mode]).toEqual([false, false, 'development']);
  });
});

describe('a limit', () => {
  it.each(['0', '-1', '1e3', '0x10', 'unlimited', 'NaN', '1.5'])('of "%s" is refused', (text) => {
    for (const variable of [
      SETTINGS.maxBodyBytes.variable,
      SETTINGS.addressLimitPerMinute.variable,
      SETTINGS.partnerLimitPerMinute.variable,
    ])
      expect(problemsOf({ [variable]: text })).toHaveLength(1);
  });
});

describe('the secret of tokens', () => {
  it.each([
    ['base64', randomBytes(32).toString('base64')],
    ['base64url', randomBytes(48).toString('base64url')],
    ['hexadecimal', randomBytes(32).toString('hex')],
  ])('may be random bytes in %s', (_name, secret) => {
    expect(readConfig({ DCI_JWT_SECRET: secret }).jwtSecret).toBe(secret);
  });

  it.each([
    ['a word', 'secret'],
    ['words', 'correct horse battery staple correct horse battery staple correct horse'],
    ['words without blanks', 'correcthorsebatterystapleandtwelvemorewordsofthiskindtoreachitslength'],
    ['words in capitals and small letters', 'ChangeMeChangeMeChangeMeChangeMeChangeMeChangeMeChangeMe'],
    ['31 random bytes', randomBytes(31).toString('base64')],
    ['zeroes', Buffer.alloc(64).toString('base64')],
    ['a repetition', Buffer.from('Zk9'.repeat(30)).toString('base64')],
    ['a sequence', Buffer.from(Array.from({ length: 64 }, (_, index) => index)).toString('hex')],
    ['the alphabet', 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'],
  ])('may not be %s, and is not told', (_name, secret) => {
    const problems = problemsOf({ DCI_JWT_SECRET: secret });
    expect(problems).toEqual([expect.stringMatching(/^DCI_JWT_SECRET must be at least 32 random bytes/)]);
    expect(problems[0]).not.toContain(secret);
  });
});

describe('a misspelt variable', () => {
  it('is told, with the setting that may have been meant', () => {
    const { strayVariables } = readConfig({ DCI_ALLOW_HTTP_CALLBAKS: 'true', DCI_MODE_FILE: '', DCI_CLIENT_SECRET: 'x', PATH: '' });
    expect(strayVariables).toEqual(['DCI_ALLOW_HTTP_CALLBAKS is no setting and changes nothing; the nearest is DCI_ALLOW_HTTP_CALLBACKS']);
  });
});

describe('the list of insecure settings', () => {
  it('is empty for a server behind its proxy, with keys that are kept well', () => {
    chmodSync(folder, 0o700);
    const environment = {
      DCI_HOST: '0.0.0.0',
      DCI_TRUSTED_PROXIES: '10.0.0.5',
      DCI_DATABASE_URL: 'postgres://db.example.org/dci?sslmode=verify-full',
      DCI_KEY_ENCRYPTION_KEY: KEY,
      DCI_PUBLIC_URL: 'https://registry.example.org',
    };
    expect(insecure(environment)).toEqual([]);
    expect(insecure({})).toEqual([]);
  });

  it.each<[string, Record<string, string>, string[]]>([
    ['callbacks over HTTP', { DCI_ALLOW_HTTP_CALLBACKS: 'true' }, ['DCI_ALLOW_HTTP_CALLBACKS']],
    ['callbacks into the own network', { DCI_ALLOW_PRIVATE_CALLBACKS: '1' }, ['DCI_ALLOW_PRIVATE_CALLBACKS']],
    ['keys kept in one folder for a shared database', { DCI_DATABASE_URL: 'postgres://localhost/dci' }, ['DCI_KEY_ENCRYPTION_KEY']],
    ['plain HTTP to the network', { DCI_HOST: '0.0.0.0' }, ['DCI_HOST']],
    ['plain HTTP to the network, version 6', { DCI_HOST: '::' }, ['DCI_HOST']],
    ['answers to us over plain HTTP', { DCI_CALLBACK_BASE_URL: 'http://registry.example.org/dci' }, ['DCI_CALLBACK_BASE_URL']],
    ['a name that says plain HTTP', { DCI_PUBLIC_URL: 'http://registry.example.org' }, ['DCI_PUBLIC_URL']],
    [
      'a database reached in clear',
      { DCI_DATABASE_URL: 'postgres://db.example.org/dci', DCI_KEY_ENCRYPTION_KEY: KEY },
      ['DCI_DATABASE_URL'],
    ],
  ])('names %s', (_name, environment, found) => {
    expect(insecure(environment)).toEqual(found);
  });

  it('names files of keys that others can read', () => {
    const file = join(folder, 'signing.pem');
    writeFileSync(file, 'key');
    chmodSync(file, 0o644);
    expect(insecure({ DCI_SIGNING_KEY_PATH: file })).toEqual(['DCI_SIGNING_KEY_PATH']);
    chmodSync(file, 0o600);
    expect(insecure({ DCI_SIGNING_KEY_PATH: file })).toEqual([]);
    chmodSync(folder, 0o777);
    expect(insecure({})).toEqual(['DCI_DATA_DIR']);
    chmodSync(folder, 0o700);
  });
});

describe('a server with insecure settings', () => {
  const settings = { DCI_ALLOW_HTTP_CALLBACKS: 'true', DCI_HOST: '0.0.0.0' };

  it('does not start in production mode, and names each of them', async () => {
    const started = startTestApp({}, { DCI_MODE: 'production', ...settings });
    await expect(started).rejects.toThrow(ConfigError);
    const { problems } = (await started.catch((error: unknown) => error)) as ConfigError;
    expect(problems.map((problem) => problem.split(':')[0])).toEqual(['DCI_ALLOW_HTTP_CALLBACKS', 'DCI_KEY_ENCRYPTION_KEY', 'DCI_HOST']);
  });

  it('starts in development mode, and tells of them in the log and when asked whether it is ready', async () => {
    const lines: string[] = [];
    const log = pino({ level: 'warn' }, { write: (line: string) => void lines.push(line) });
    const test = await startTestApp({ log }, { ...settings, DCI_SENDERID: 'x' });
    const warnings = await readWarnings(test);
    const expected = [
      'DCI_ALLOW_HTTP_CALLBACKS:',
      'DCI_KEY_ENCRYPTION_KEY:',
      'DCI_HOST:',
      'DCI_SENDERID is no setting',
      'no active partner',
    ];
    for (const text of expected) {
      expect(warnings.filter((warning) => warning.startsWith(text))).toHaveLength(1);
      expect(lines.filter((line) => line.includes(text))).toHaveLength(1);
    }
    await test.close();
  });
});

describe('a server in production mode', () => {
  it('starts with secure settings, and shows what was decided about partners', async () => {
    const test = await startTestApp({}, { DCI_MODE: 'production', DCI_KEY_ENCRYPTION_KEY: KEY });
    await test.addPartner('unsigned.test', { signature: 'optional' });
    await test.addPartner('lenient.test', { lenient: true });
    await test.addPartner('gone.test', { signature: 'optional' });
    await test.addPartner('strict.test');
    // Strangers read this: which partners they are is not theirs to know.
    expect(await readWarnings(test)).toEqual([
      'messages without a signature are taken from: 2 partners',
      'messages are read leniently from: 1 partner',
    ]);
    const lines: string[] = [];
    const log = pino({ level: 'warn' }, { write: (line: string) => void lines.push(line) });
    const environment = { DCI_DATABASE_URL: test.config.databaseUrl ?? '', DCI_DATA_DIR: test.config.dataDir, DCI_KEY_ENCRYPTION_KEY: KEY };
    const second = await startTestApp({ log }, environment);
    for (const text of [
      'messages without a signature are taken from: gone.test, unsigned.test',
      'messages are read leniently from: lenient.test',
    ])
      expect(lines.filter((line) => line.includes(text))).toHaveLength(1);
    await second.close();
    await test.close();
  });
});

async function readWarnings({ app }: TestApp): Promise<readonly string[]> {
  const ready = await fetch(`${app.url}/health/ready`);
  return ((await ready.json()) as { warnings: string[] }).warnings;
}

it('reads every setting into a value of its type, whatever is written', () => {
  const usual: Config = readConfig({});
  const types = new Map(Object.entries(usual).map(([name, value]) => [name, typeof value]));
  for (const [name, setting] of Object.entries(SETTINGS))
    for (const text of ['false', 'true', '0', '-1', 'null', '[]', 'NaN', '\u0000', 'x'.repeat(1_000)]) {
      const problems = problemsOf({ [setting.variable]: text });
      if (problems.length > 0) continue;
      const value: unknown = Reflect.get(readConfig({ [setting.variable]: text }), name);
      const type = types.get(name);
      if (type !== 'undefined') expect([name, text, typeof value]).toEqual([name, text, type]);
    }
});
