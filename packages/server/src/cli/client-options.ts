import type { JsonWebKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createDciClient, type Credentials, type DciClient, type DciClientOptions, DciRefusal } from '@dci/client';
import {
  type DecryptionKey,
  importDecryptionKey,
  importPrivateKey,
  SIGNATURE_DIALECTS,
  type SignatureDialect,
  type SigningKey,
} from '@dci/protocol';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { CommandFailed, UsageError } from './output.ts';
import { toPrintable } from './tabulate-records.ts';

/** Where another server is, and who calls it. */
export interface ConnectionOptions {
  readonly server: string;
  readonly senderId?: string;
  readonly receiverId?: string;
  readonly token?: string;
  readonly tokenFile?: string;
  readonly clientId?: string;
  readonly clientSecret?: string;
  readonly clientSecretFile?: string;
}

/** What all commands take alike that send messages to another server. */
export interface ClientOptions extends ConnectionOptions {
  readonly key?: string;
  readonly keyId?: string;
  readonly dialect?: SignatureDialect;
  readonly encrypt?: boolean;
  readonly registry?: string;
}

export function addConnectionOptions(command: Command): Command {
  return command
    .requiredOption('--server <url>', 'path below which its registries answer, e.g. https://social.example.org/api/v2/dci')
    .option('--sender-id <id>', 'who asks: your sender_id at that server')
    .option('--receiver-id <id>', "the server's sender_id; answers of others are not used")
    .addOption(new Option('--token <token>', 'access token').env('DCI_CLIENT_TOKEN'))
    .addOption(new Option('--token-file <file>', 'file that holds it').env('DCI_CLIENT_TOKEN_FILE').conflicts('token'))
    .addOption(new Option('--client-id <id>', 'where no token is given: get one with this client id and its secret').env('DCI_CLIENT_ID'))
    .addOption(
      new Option('--client-secret <secret>', 'the secret; others on this machine can see it in a list of processes').env(
        'DCI_CLIENT_SECRET',
      ),
    )
    .addOption(new Option('--client-secret-file <file>', 'file that holds it').env('DCI_CLIENT_SECRET_FILE').conflicts('clientSecret'));
}

export function addClientOptions(command: Command): Command {
  return addConnectionOptions(command)
    .option(
      '--key <file>',
      'private key (PEM or JWK) that signs the message; without one it goes unsigned or, in the name of the server here, signed by its own',
    )
    .option('--key-id <id>', 'name of that key at the server; default: the kid of the JWK, else the thumbprint')
    .addOption(new Option('--dialect <dialect>', 'how the signature is written; default: dci').choices(SIGNATURE_DIALECTS))
    .option('--encrypt', 'encrypt the message, to the first key for that among the keys of the server')
    .option('--registry <name>', 'registry in the path, e.g. social; default: as the server decides');
}

/** What those take alike that are answered at once, too. */
export interface AnswerOptions extends ClientOptions {
  readonly decryptionKey?: string;
  readonly decryptionKeyId?: string;
  readonly jwks?: string;
}

export function addAnswerOptions(command: Command): Command {
  return addClientOptions(command)
    .option('--decryption-key <file>', 'private key (PEM or JWK) that answers are encrypted to')
    .option('--decryption-key-id <id>', 'name of that key at the server; default: the kid of the JWK, else the thumbprint')
    .option('--jwks <url>', "the server's keys; default: .well-known/jwks.json below --server");
}

/** A client of the server named, as the partner named. */
export function openNamedClient(options: AnswerOptions, others: Pick<DciClientOptions, 'answerSignatures'> = {}): DciClient {
  if (options.senderId === undefined) throw new UsageError('--sender-id must say who asks');
  return createDciClient({
    ...others,
    baseUrl: readServer(options.server),
    senderId: options.senderId,
    receiverId: options.receiverId,
    credentials: readCredentials(options),
    signingKey: readSigningKey(options),
    dialect: options.dialect,
    encrypt: options.encrypt ?? false,
    decryptionKeys: readDecryptionKeys(options),
    jwksUrl: options.jwks,
  });
}

function readDecryptionKeys({ encrypt = false, decryptionKey: file, decryptionKeyId: keyId }: AnswerOptions): DecryptionKey[] {
  if (file === undefined && keyId !== undefined) throw new UsageError('--decryption-key-id names a key that --decryption-key must give');
  if (file === undefined && encrypt) throw new UsageError('--encrypt needs --decryption-key: the answer comes encrypted as well');
  return file === undefined ? [] : [readPrivateKey('--decryption-key', file, keyId, importDecryptionKey)];
}

export function readServer(text: string): string {
  if (!/^https?:$/.test(URL.parse(text)?.protocol ?? '')) throw new UsageError('--server is a URL that begins with http:// or https://');
  return text;
}

export function readCredentials(options: ConnectionOptions): Credentials {
  const token = options.token ?? readSecretFile(options.tokenFile);
  if (token !== undefined) return { token };
  const clientSecret = options.clientSecret ?? readSecretFile(options.clientSecretFile);
  if (options.clientId === undefined || clientSecret === undefined)
    throw new UsageError(
      'give --token-file, or --client-id with --client-secret-file (or DCI_CLIENT_TOKEN, or DCI_CLIENT_ID and DCI_CLIENT_SECRET)',
    );
  return { clientId: options.clientId, clientSecret };
}

function readSecretFile(file: string | undefined): string | undefined {
  return file === undefined ? undefined : readText(file).trim();
}

export function readSigningKey({ key: file, keyId }: ClientOptions): SigningKey | undefined {
  if (file === undefined && keyId !== undefined) throw new UsageError('--key-id names a key that --key must give');
  return file === undefined ? undefined : readPrivateKey('--key', file, keyId, importPrivateKey);
}

export function readPrivateKey<K>(
  option: string,
  file: string,
  kid: string | undefined,
  load: (key: JsonWebKey | string, options: { kid?: string }) => K,
): K {
  const text = readText(file);
  try {
    return load(text.trimStart().startsWith('{') ? (JSON.parse(text) as JsonWebKey) : text, kid === undefined ? {} : { kid });
  } catch (error) {
    throw new UsageError(`${option} ${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

export interface IdentifierQuery {
  readonly type: string;
  readonly value: string;
}

export function gatherIdentifiers(text: string, before: readonly IdentifierQuery[] | undefined): IdentifierQuery[] {
  const end = text.indexOf('=');
  if (end < 1 || end === text.length - 1) throw new InvalidArgumentError('It is written TYPE=VALUE, e.g. UIN=847951632.');
  return [...(before ?? []), { type: text.slice(0, end), value: text.slice(end + 1) }];
}

const STDIN = '/dev/stdin';

/** The objects of a file of criteria; what is in them the server judges. `what` says what they should be. */
export function readCriteriaFile<T extends object>(file: string, what: string): T[] {
  const value = parseJson(file, readText(file === '-' ? STDIN : file));
  const list: unknown[] = Array.isArray(value) ? value : [value];
  if (!list.every((criteria) => typeof criteria === 'object' && criteria !== null && !Array.isArray(criteria)))
    throw new UsageError(`--criteria ${file} holds no object ${what}, or list of them`);
  return list as T[];
}

export function parseJson(file: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UsageError(`${file} is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
}

export function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new UsageError(`cannot read ${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

export function parseCount(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('It is a whole number from 1.');
  return Number(text);
}

/** Says by what code a server refused. */
export async function tellRefusal<T>(asking: Promise<T>): Promise<T> {
  try {
    return await asking;
  } catch (error) {
    if (error instanceof DciRefusal)
      throw new CommandFailed(`refused with ${toPrintable(error.code)} (HTTP ${error.status}): ${toPrintable(error.message)}`);
    throw error;
  }
}
