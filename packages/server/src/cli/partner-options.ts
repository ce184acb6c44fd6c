import { readFileSync } from 'node:fs';
import type { EncryptionKey, VerificationKey } from '@dci/protocol';
import { type Command, InvalidArgumentError } from 'commander';
import type { Config } from '../config.ts';
import { readAgreement, readOwnRule } from '../services/agreement.ts';
import { parseCallbackAuth } from '../services/callback-terms.ts';
import { parseEncryptionKey, parseJwks, parsePublicKey } from '../services/partner-key-text.ts';
import type { TermChanges } from '../services/partner-terms.ts';
import { fetchPublishedKeysOnce, PublishedKeyError } from '../services/published-keys.ts';
import { sealCallbackAuth } from '../services/receiver-credentials.ts';
import type { PublishedAt } from '../services/register-partner.ts';
import type { Sealer } from '../services/sealer.ts';
import { CommandFailed, printNote, UsageError } from './output.ts';

/** What may be said of a partner on the command line, the same for a new one and for a change. */
export interface PartnerOptions {
  readonly senderId?: string;
  readonly name?: string;
  readonly registries?: readonly string[];
  readonly scopes?: readonly string[];
  readonly signature?: string;
  readonly dialect?: string;
  readonly encryption?: string;
  readonly subscriptions?: string;
  readonly lenient?: boolean;
  readonly defaultEntity?: string;
  readonly legalBasis?: string;
  readonly purpose?: readonly string[];
  readonly fields?: string;
  readonly agreement?: string;
  readonly limits?: Readonly<Record<string, number | undefined>>;
  readonly allowCallback?: readonly string[];
  readonly notifyUri?: string;
  readonly callbackAuth?: string | false;
  readonly jwks?: string;
  readonly publicKey?: string;
  readonly keyId?: string;
  readonly encryptionKey?: string;
  readonly json?: boolean;
}

export function addPartnerOptions(command: Command): Command {
  return command
    .option('--name <name>', 'what people call it')
    .option('--registries <list>', 'registries open to it, separated by commas', splitList)
    .option('--scopes <list>', 'what it may ask for, separated by commas', splitList)
    .option('--signature <policy>', 'required, or optional: messages without a signature are taken')
    .option('--subscriptions <policy>', 'whether they are in force at once (automatic) or once approved (approval)')
    .option('--dialect <dialect>', 'how answers to it are signed: as-asked (as it signs itself), dci, jws or jws-detached')
    .option('--encryption <policy>', 'optional, or required: messages that are not encrypted are refused')
    .option('--lenient', 'read its messages leniently')
    .option('--no-lenient', 'read its messages strictly')
    .option(
      '--jwks <file-or-url>',
      'its public keys, a JWKS, for signatures and encryption; these and no others; from an address they are fetched again and again',
    )
    .option('--public-key <file>', 'one public key more, PEM or JWK')
    .option('--key-id <id>', 'id of the --public-key')
    .option('--encryption-key <file>', 'one public key more that it is encrypted to, PEM or JWK; a PEM is known by its thumbprint')
    .option('--default-entity <entity>', 'how records are written when a search does not say')
    .option(
      '--agreement <file>',
      'all that is agreed, in one JSON file ("dci partner agreement --schema"); what it leaves out is not agreed',
    )
    .option(
      '--legal-basis <text>',
      'why it may see personal data, e.g. "law: Social Protection Act" or "consent: registration form 3"; without one it sees nothing',
    )
    .option('--purpose <text>', 'what for; may be repeated', collect)
    .option(
      '--fields <rule>',
      'how much it sees: full, minimal, eligibility, research, existence, or a JSON file with a rule of its own; without one it sees nothing',
    )
    .option(
      '--limits <list>',
      'its own limits, e.g. points-per-minute=600,page-size=50; "default" as a value puts the usual one back',
      parseLimits,
    )
    .option(
      '--allow-callback <url-prefix>',
      'address below which it may have itself called (sender_uri); may be repeated; these and no others',
      collect,
    )
    .option('--notify-uri <url>', 'where it is called when a message does not say')
    .option(
      '--callback-auth <file>',
      'JSON file that says how we present ourselves there: {"token"}, or {"token_url","client_id","client_secret","scope"} for OAuth2',
    )
    .option('--no-callback-auth', 'present ourselves there no more');
}

/** `openSealer` is asked only where there is a secret to keep. */
export function readTerms(options: PartnerOptions, openSealer: () => Sealer): TermChanges {
  const { name, registries, scopes, signature, dialect, encryption, subscriptions, lenient, defaultEntity } = options;
  const { legalBasis, purpose: purposes, limits, allowCallback: callbackPrefixes, notifyUri } = options;
  const said = {
    name,
    registries,
    scopes,
    signature,
    dialect,
    encryption,
    subscriptions,
    lenient,
    defaultEntity,
    legalBasis,
    purposes,
    limits,
  };
  const fields = readFields(options);
  const stated = { ...said, fields, callbackPrefixes, notifyUri, sealedCallbackAuth: readCallbackAuth(options, openSealer) };
  if (options.agreement === undefined) return stated;
  const agreed = ['registries', 'legalBasis', 'purposes', 'fields', 'limits'] as const;
  if (agreed.some((part) => stated[part] !== undefined))
    throw new UsageError('--agreement says registries, legal basis, purposes, fields and limits: give it or those options, not both');
  const read = readAgreement(readJsonFile('--agreement', options.agreement));
  if ('problems' in read) throw new UsageError(read.problems.join('\n'));
  return { ...stated, ...read.changes };
}

/** A ready-made rule by its name, else a file that holds one; a file's name ends so, or has a path. */
function readFields({ fields }: PartnerOptions): TermChanges['fields'] {
  if (fields === undefined || !/\.json$|\//.test(fields)) return fields;
  const read = readOwnRule(readJsonFile('--fields', fields));
  if ('problems' in read) throw new UsageError(read.problems.join('\n'));
  return read.rule;
}

function readJsonFile(option: string, path: string): unknown {
  const text = readKeyFile(option, path);
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new UsageError(`${option}: ${path} is no JSON`);
  }
}

function readCallbackAuth({ callbackAuth }: PartnerOptions, openSealer: () => Sealer): Buffer | undefined {
  if (callbackAuth === undefined) return undefined;
  if (callbackAuth === false) return Buffer.alloc(0);
  const text = readKeyFile('--callback-auth', callbackAuth);
  try {
    return sealCallbackAuth(openSealer(), parseCallbackAuth(text));
  } catch (error) {
    throw new UsageError(`--callback-auth: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Undefined where no key was given. */
export function readKeys({ jwks, publicKey, keyId, encryptionKey }: PartnerOptions): (VerificationKey | EncryptionKey)[] | undefined {
  if (jwks !== undefined && publicKey !== undefined) throw new UsageError('give --jwks or --public-key, not both');
  if (publicKey === undefined && keyId !== undefined) throw new UsageError('--key-id names the key of --public-key, which is missing');
  const file = jwks === undefined || jwks === '' || isAddress(jwks) ? undefined : jwks;
  if (file === undefined && publicKey === undefined && encryptionKey === undefined) return undefined;
  return [
    ...(file === undefined ? [] : parseJwks(readKeyFile('--jwks', file))),
    ...(publicKey === undefined ? [] : [parsePublicKey(readKeyFile('--public-key', publicKey), keyId)]),
    ...(encryptionKey === undefined ? [] : [parseEncryptionKey(readKeyFile('--encryption-key', encryptionKey))]),
  ];
}

/** Where `--jwks` names an address: what it holds now; null where it is empty: no address any more. */
export async function readPublished({ jwks }: PartnerOptions, config: Config): Promise<PublishedAt | null | undefined> {
  if (jwks === '') return null;
  if (jwks === undefined || !isAddress(jwks)) return undefined;
  try {
    const { keys, skipped } = await fetchPublishedKeysOnce(config, jwks);
    for (const reason of skipped) printNote(`note: ${reason}`);
    return { url: jwks, keys, usableForSeconds: config.partnerKeyMaxAgeHours * 3_600 };
  } catch (error) {
    if (!(error instanceof PublishedKeyError)) throw error;
    throw new CommandFailed(`nothing was changed: the keys at ${jwks} could not be fetched: ${error.message}`);
  }
}

function isAddress(text: string): boolean {
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(text);
}

function readKeyFile(option: string, path: string): string {
  if (isAddress(path)) throw new UsageError(`${option} takes a file; a partner that publishes its keys is registered with --jwks ADDRESS`);
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new UsageError(`${option}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function splitList(text: string): string[] {
  return text
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');
}

/** For an option that may be repeated. */
export function collect(text: string, before: readonly string[] | undefined): string[] {
  return [...(before ?? []), text];
}

function parseLimits(text: string): Record<string, number | undefined> {
  return Object.fromEntries(splitList(text).map(parseLimit));
}

function parseLimit(entry: string): [string, number | undefined] {
  const [, name, value] = /^([a-z-]+)=(\d{1,12}|default)$/.exec(entry) ?? [];
  if (name === undefined || value === undefined) throw new InvalidArgumentError(`"${entry}" is not of the form name=number.`);
  const camelName = name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
  return [camelName, value === 'default' ? undefined : Number(value)];
}
