import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../config.ts';
import type { Partner } from '../store/partners.ts';
import { KEY_FILE } from './sealer.ts';

/**
 * Everything that makes a server less safe than it could be, in one list: settings, which a server in production mode
 * refuses to start with unless they are marked as merely shown, and what operators decided about partners, which is never a
 * reason not to start. Whatever mode: all of it is told in the log, in `/health/ready`, by `dci doctor` and by the demo; in
 * `/health/ready`, which anybody may read, without the names of partners.
 */
export interface InsecureSetting {
  readonly setting: string;
  /** What is wrong with it and what to do, for the operator. */
  readonly text: string;
  readonly refusedInProduction: boolean;
  /** A fault of this machine, not a choice: wrong in development too. */
  readonly ofFiles?: true;
}

interface Rule extends Omit<InsecureSetting, 'text'> {
  /** Undefined: all is well. */
  readonly find: (config: Config) => string | undefined;
}

const RULES: readonly Rule[] = [
  {
    setting: 'DCI_ALLOW_HTTP_CALLBACKS',
    refusedInProduction: true,
    find: (config) =>
      config.allowHttpCallbacks ? 'what is sent to partners, personal data among it, may travel in clear: unset it' : undefined,
  },
  {
    setting: 'DCI_ALLOW_PRIVATE_CALLBACKS',
    refusedInProduction: true,
    find: (config) =>
      config.allowPrivateCallbacks ? 'a callback address may point into your own network or at this machine: unset it' : undefined,
  },
  {
    setting: 'DCI_KEY_ENCRYPTION_KEY',
    refusedInProduction: true,
    find: (config) =>
      config.databaseUrl !== undefined && config.keyEncryptionKey === undefined
        ? 'is not set though the database is not our own: other servers on it cannot open the keys, which are lost with this folder'
        : undefined,
  },
  {
    setting: 'DCI_HOST',
    refusedInProduction: true,
    find: (config) =>
      isThisMachine(config.host) || config.trustedProxies.length > 0
        ? undefined
        : 'the server speaks plain HTTP to the network: listen on 127.0.0.1, or name the TLS proxy before it in DCI_TRUSTED_PROXIES',
  },
  {
    setting: 'DCI_CALLBACK_BASE_URL',
    refusedInProduction: true,
    find: ({ callbackBaseUrl }) =>
      callbackBaseUrl?.startsWith('http:') === true
        ? 'other registries answer us over plain HTTP, where anybody on the way reads it: put TLS before the server'
        : undefined,
  },
  {
    setting: 'DCI_PUBLIC_URL',
    refusedInProduction: true,
    find: ({ publicUrl }) =>
      publicUrl?.startsWith('http:') === true ? 'partners send secrets and tokens over plain HTTP: put TLS before the server' : undefined,
  },
  {
    setting: 'DCI_SIGNING_KEY_PATH',
    refusedInProduction: true,
    ofFiles: true,
    find: ({ signingKeyPath }) => findOpenFile(signingKeyPath),
  },
  {
    setting: 'DCI_DATA_DIR',
    refusedInProduction: true,
    ofFiles: true,
    find: ({ dataDir }) => findOpenFolder(dataDir),
  },
  {
    setting: 'DCI_KEY_ENCRYPTION_KEY',
    refusedInProduction: true,
    ofFiles: true,
    find: ({ dataDir, keyEncryptionKey }) => (keyEncryptionKey === undefined ? findOpenFile(join(dataDir, KEY_FILE)) : undefined),
  },
  {
    setting: 'DCI_DATABASE_URL',
    refusedInProduction: false,
    find: ({ databaseUrl }) =>
      databaseUrl === undefined || isProtected(new URL(databaseUrl))
        ? undefined
        : 'records travel to the database in clear, unless the network sees to it: add ?sslmode=verify-full',
  },
];

export function findInsecureSettings(config: Config): InsecureSetting[] {
  return RULES.flatMap(({ find, ...rule }) => {
    const text = find(config);
    return text === undefined ? [] : [{ ...rule, text }];
  });
}

/** What operators decided about partners and may have forgotten. */
export interface InsecurePartners {
  readonly text: string;
  /** Whom it was decided of; empty: of nobody by name. */
  readonly senderIds: readonly string[];
}

export function findInsecurePartners(partners: readonly Partner[]): InsecurePartners[] {
  const active = partners.filter((partner) => partner.active);
  const chosen = (text: string, isChosen: (partner: Partner) => boolean): InsecurePartners[] => {
    const senderIds = active.filter(isChosen).map(({ senderId }) => senderId);
    return senderIds.length === 0 ? [] : [{ text, senderIds }];
  };
  const nobody = { text: 'no active partner is registered, so nobody gets in: register one with "dci partner add"', senderIds: [] };
  return [
    ...(active.length === 0 ? [nobody] : []),
    ...chosen('messages without a signature are taken from', ({ signaturePolicy }) => signaturePolicy === 'optional'),
    ...chosen('messages are read leniently from', ({ lenient }) => lenient),
  ];
}

/** By name, for the operator. */
export function nameInsecurePartners({ text, senderIds }: InsecurePartners): string {
  return senderIds.length === 0 ? text : `${text}: ${senderIds.join(', ')}`;
}

/** For whoever asks: how many, not which, for their names say whom to pretend to be. */
export function countInsecurePartners({ text, senderIds: { length } }: InsecurePartners): string {
  return length === 0 ? text : `${text}: ${length} ${length === 1 ? 'partner' : 'partners'}`;
}

export function describeInsecureSetting({ setting, text }: Pick<InsecureSetting, 'setting' | 'text'>): string {
  return `${setting}: ${text}`;
}

function isThisMachine(host: string): boolean {
  return host === 'localhost' || host === '::1' || host === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

// A host in the query wins over the one in the authority; a folder is that of a socket.
function isProtected(url: URL): boolean {
  const host = url.searchParams.get('host') ?? url.hostname;
  const mode = url.searchParams.get('sslmode') ?? '';
  return host === '' || host.startsWith('/') || isThisMachine(host) || ['require', 'verify-ca', 'verify-full'].includes(mode);
}

function findOpenFile(path: string | undefined): string | undefined {
  const mode = path === undefined ? 0 : (statSync(path, { throwIfNoEntry: false })?.mode ?? 0);
  return (mode & 0o077) === 0 ? undefined : `others on this machine can read ${path}: chmod 600 ${path}`;
}

function findOpenFolder(path: string): string | undefined {
  const mode = statSync(path, { throwIfNoEntry: false })?.mode ?? 0;
  return (mode & 0o022) === 0 ? undefined : `others on this machine can write in ${path}: chmod go-w ${path}`;
}
