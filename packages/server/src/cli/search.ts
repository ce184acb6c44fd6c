import type { JsonWebKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type Credentials, createDciClient, DciRefusal } from '@dci/client';
import {
  type DecryptionKey,
  importDecryptionKey,
  importPrivateKey,
  type SearchCriteria,
  SIGNATURE_DIALECTS,
  type SignatureDialect,
  type SigningKey,
} from '@dci/protocol';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { addExamples, CommandFailed, EXIT, printJson, printLine, printNote, printTable, UsageError } from './output.ts';
import { tabulateRecords, toPrintable } from './tabulate-records.ts';
import { type Found, searchPages } from './search-pages.ts';

// `dci search` is a client of any DCI server. It needs no database and no configuration of a server here.

interface SearchOptions {
  readonly server: string;
  readonly senderId: string;
  readonly receiverId?: string;
  readonly token?: string;
  readonly tokenFile?: string;
  readonly clientId?: string;
  readonly clientSecret?: string;
  readonly clientSecretFile?: string;
  readonly key?: string;
  readonly keyId?: string;
  readonly dialect?: SignatureDialect;
  readonly encrypt?: boolean;
  readonly decryptionKey?: string;
  readonly decryptionKeyId?: string;
  readonly jwks?: string;
  readonly insecureNoVerify?: boolean;
  readonly registry?: string;
  readonly id?: readonly IdentifierQuery[];
  readonly criteria?: string;
  readonly entity?: string;
  readonly pageSize?: number;
  readonly page?: number;
  readonly all?: boolean;
  readonly json?: boolean;
}

interface IdentifierQuery {
  readonly type: string;
  readonly value: string;
}

export function registerSearch(program: Command): void {
  const command = program
    .command('search')
    .description('search any DCI server: sign, ask, verify the answer, print the records')
    .requiredOption('--server <url>', 'path below which its registries answer, e.g. https://social.example.org/api/v2/dci')
    .requiredOption('--sender-id <id>', 'who asks: your sender_id at that server')
    .option('--receiver-id <id>', "the server's sender_id; answers of others are not used")
    .addOption(new Option('--token <token>', 'access token').env('DCI_CLIENT_TOKEN'))
    .addOption(new Option('--token-file <file>', 'file that holds it').env('DCI_CLIENT_TOKEN_FILE').conflicts('token'))
    .addOption(new Option('--client-id <id>', 'where no token is given: get one with this client id and its secret').env('DCI_CLIENT_ID'))
    .addOption(
      new Option('--client-secret <secret>', 'the secret; others on this machine can see it in a list of processes').env(
        'DCI_CLIENT_SECRET',
      ),
    )
    .addOption(new Option('--client-secret-file <file>', 'file that holds it').env('DCI_CLIENT_SECRET_FILE').conflicts('clientSecret'))
    .option('--key <file>', 'private key (PEM or JWK) that signs the message; without one it goes unsigned')
    .option('--key-id <id>', 'name of that key at the server; default: the kid of the JWK, else the thumbprint')
    .addOption(new Option('--dialect <dialect>', 'how the signature is written; default: dci').choices(SIGNATURE_DIALECTS))
    .option('--encrypt', 'encrypt the message, to the first key for that among the keys of the server')
    .option('--decryption-key <file>', 'private key (PEM or JWK) that answers are encrypted to')
    .option('--decryption-key-id <id>', 'name of that key at the server; default: the kid of the JWK, else the thumbprint')
    .option('--jwks <url>', "the server's keys; default: .well-known/jwks.json below --server")
    .addOption(new Option('--insecure-no-verify', 'use the answer whatever its signature').conflicts('jwks'))
    .option('--registry <name>', 'registry in the path, e.g. social; default: as the server decides')
    .option('--id <type=value>', 'search by an identifier; may be repeated', gatherIdentifiers)
    .addOption(new Option('--criteria <file>', 'search_criteria as JSON, or a list of them; - reads stdin').conflicts('id'))
    .option('--entity <name>', 'what to answer with, e.g. Group or Member')
    .option('--page-size <n>', 'records a page', parseCount)
    .option('--page <n>', 'which page, from 1', parseCount)
    .addOption(new Option('--all', 'all pages, one after another').conflicts('page'))
    .option('--json', 'print one JSON object')
    .action(runSearch);
  addExamples(
    command,
    'dci search --server http://127.0.0.1:8080/api/v2/dci --sender-id spmis.example.org --token-file token --key key.pem --key-id key-1 --id UIN=847951632',
    `echo '{"query_type": "predicate", "query": [{"expression1": {"attribute_name": "age", "operator": "lt", "attribute_value": 5}}]}' > children.json`,
    'dci search --server http://127.0.0.1:8080/api/v2/dci --sender-id spmis.example.org --token-file token --key key.pem --key-id key-1 --criteria children.json --all --json',
  );
}

async function runSearch(options: SearchOptions): Promise<void> {
  const client = createDciClient({
    baseUrl: readServer(options.server),
    senderId: options.senderId,
    receiverId: options.receiverId,
    credentials: readCredentials(options),
    signingKey: readSigningKey(options),
    dialect: options.dialect,
    encrypt: options.encrypt ?? false,
    decryptionKeys: readDecryptionKeys(options),
    jwksUrl: options.jwks,
    answerSignatures: options.insecureNoVerify ? 'unverified' : 'required',
  });
  try {
    const found = await searchPages(client, readCriteria(options), { registry: options.registry, all: options.all });
    print(found, options);
    if (found.items.some((item) => item.refusal !== undefined)) process.exitCode = EXIT.failed;
  } catch (error) {
    if (error instanceof DciRefusal)
      throw new CommandFailed(`refused with ${toPrintable(error.code)} (HTTP ${error.status}): ${toPrintable(error.message)}`);
    throw error;
  }
}

function readServer(text: string): string {
  if (!/^https?:$/.test(URL.parse(text)?.protocol ?? '')) throw new UsageError('--server is a URL that begins with http:// or https://');
  return text;
}

function readCredentials(options: SearchOptions): Credentials {
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

function readSigningKey({ key: file, keyId }: SearchOptions): SigningKey | undefined {
  if (file === undefined && keyId !== undefined) throw new UsageError('--key-id names a key that --key must give');
  return file === undefined ? undefined : readPrivateKey('--key', file, keyId, importPrivateKey);
}

function readDecryptionKeys({ encrypt = false, decryptionKey: file, decryptionKeyId: keyId }: SearchOptions): DecryptionKey[] {
  if (file === undefined && keyId !== undefined) throw new UsageError('--decryption-key-id names a key that --decryption-key must give');
  if (file === undefined && encrypt) throw new UsageError('--encrypt needs --decryption-key: the answer comes encrypted as well');
  return file === undefined ? [] : [readPrivateKey('--decryption-key', file, keyId, importDecryptionKey)];
}

function readPrivateKey<K>(
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

function readCriteria(options: SearchOptions): SearchCriteria[] {
  const asked = options.criteria === undefined ? (options.id ?? []).map(byIdentifier) : readCriteriaFile(options.criteria);
  if (asked.length === 0) throw new UsageError('say what to search for: --id TYPE=VALUE or --criteria FILE');
  return asked.map((criteria) => complete(criteria, options));
}

function byIdentifier(query: IdentifierQuery): SearchCriteria {
  return { query_type: 'idtype-value', query };
}

function readCriteriaFile(file: string): SearchCriteria[] {
  const value = parseJson(file, readText(file === '-' ? STDIN : file));
  // The server judges what is in them; here they must only be objects to put options into.
  const list: unknown[] = Array.isArray(value) ? value : [value];
  if (!list.every((criteria) => typeof criteria === 'object' && criteria !== null && !Array.isArray(criteria)))
    throw new UsageError(`--criteria ${file} holds no object {"query_type": …, "query": …}, or list of them`);
  return list as SearchCriteria[];
}

const STDIN = '/dev/stdin';
const DEFAULT_PAGE_SIZE = 20;

function complete(criteria: SearchCriteria, { entity, pageSize, page }: SearchOptions): SearchCriteria {
  const size = pageSize ?? criteria.pagination?.page_size ?? (page === undefined ? undefined : DEFAULT_PAGE_SIZE);
  return {
    ...criteria,
    ...(entity === undefined ? {} : { response_entity: entity }),
    ...(size === undefined
      ? {}
      : { pagination: { ...criteria.pagination, page_size: size, ...(page === undefined ? {} : { page_number: page }) } }),
  };
}

function parseJson(file: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UsageError(`${file} is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new UsageError(`cannot read ${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function gatherIdentifiers(text: string, before: readonly IdentifierQuery[] | undefined): IdentifierQuery[] {
  const end = text.indexOf('=');
  if (end < 1 || end === text.length - 1) throw new InvalidArgumentError('It is written TYPE=VALUE, e.g. UIN=847951632.');
  return [...(before ?? []), { type: text.slice(0, end), value: text.slice(end + 1) }];
}

function parseCount(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('It is a whole number from 1.');
  return Number(text);
}

function print(found: Found, { json = false }: SearchOptions): void {
  if (json) {
    printJson({
      signed_by: found.signedBy ?? null,
      items: found.items.map(({ refusal, totalCount, records }) =>
        refusal === undefined ? { total_count: totalCount, records } : { refusal },
      ),
    });
    return;
  }
  const records = found.items.flatMap((item) => item.records);
  for (const { headings, rows } of tabulateRecords(records)) {
    printTable(headings, rows);
    printLine();
  }
  const total = found.items.reduce((sum, item) => sum + item.totalCount, 0);
  printLine(
    `${records.length} of ${total} records; ${found.signedBy === undefined ? 'answer NOT verified' : `answer signed by ${found.signedBy}`}`,
  );
  for (const [index, { refusal }] of found.items.entries())
    if (refusal !== undefined) printNote(`item ${index + 1} refused with ${refusal.code}: ${toPrintable(refusal.message)}`);
}
