import { readFileSync } from 'node:fs';
import { isEncryptionKey, publicJwk, type VerificationKey } from '@dci/protocol';
import type { Command } from 'commander';
import { parseJwks, parsePublicKey } from '../services/partner-key-text.ts';
import { loadAuthorities, putAuthority, removeAuthority } from '../store/consent-authorities.ts';
import { loadConfig, withDatabase } from './context.ts';
import { addExamples, CommandFailed, printJson, printLine, printTable, UsageError } from './output.ts';
import { getProfile } from './registry.ts';

interface AuthorityOptions {
  readonly registries: readonly string[];
  readonly jwks?: string;
  readonly publicKey?: string;
  readonly keyId?: string;
  readonly json?: true;
}

/** `dci authority …`: whose word counts for consents that come with a request. */
export function registerAuthority(program: Command): void {
  const authority = program.command('authority').description('say whose signature on a consent token (consent_jws) is taken');
  const add = authority
    .command('add <name>')
    .description('register a consent authority, or put other keys in place of those it has; the name is the iss of its tokens')
    .requiredOption('--registries <list>', 'registries it may attest consents of, separated by commas', (text: string) => text.split(','))
    .option('--jwks <file>', 'its public keys, a JWKS file')
    .option('--public-key <file>', 'or its one public key, PEM or JWK')
    .option('--key-id <id>', 'id of the --public-key')
    .action(addOne);
  addExamples(add, 'dci authority add https://consent.example.org --registries social --jwks consent-authority.json');
  const list = authority.command('list').description('list the consent authorities').option('--json', 'print a JSON list').action(listAll);
  addExamples(list, 'dci authority list');
  const remove = authority
    .command('remove <name>')
    .description('take no more tokens of an authority; consents that it attested before stay until they end or are withdrawn')
    .action(removeOne);
  addExamples(remove, 'dci authority remove https://consent.example.org');
}

async function addOne(name: string, options: AuthorityOptions): Promise<void> {
  const registries = options.registries.map((registry) => getProfile(registry.trim()).registry);
  const keys = readKeys(options).map((key) => ({ ...publicJwk(key) }));
  await withDatabase(loadConfig(), ({ db }) => putAuthority(db, { name, registries, keys }));
  printLine(`consent tokens of ${name} are taken for ${registries.join(', ')}, signed by ${keys.map(({ kid }) => kid).join(', ')}`);
}

function readKeys({ jwks, publicKey, keyId }: AuthorityOptions): readonly VerificationKey[] {
  const file = jwks ?? publicKey;
  if (file === undefined || (jwks !== undefined && publicKey !== undefined)) throw new UsageError('give --jwks or --public-key');
  try {
    const text = readFileSync(file, 'utf8');
    return jwks === undefined ? [parsePublicKey(text, keyId)] : parseJwks(text).filter((key) => !isEncryptionKey(key));
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

async function listAll({ json }: AuthorityOptions): Promise<void> {
  const found = await withDatabase(loadConfig(), ({ db }) => loadAuthorities(db));
  const rows = found.map(({ name, registries, keys, createdAt }) => ({
    name,
    registries,
    keys: keys.map((key) => key['kid']),
    created_at: createdAt,
  }));
  if (json === true) printJson(rows);
  else
    printTable(
      ['name', 'registries', 'keys', 'registered'],
      rows.map((row) => Object.values(row)),
    );
}

async function removeOne(name: string): Promise<void> {
  if (!(await withDatabase(loadConfig(), ({ db }) => removeAuthority(db, name))))
    throw new CommandFailed(`no authority is registered as "${name}"`);
  printLine(`consent tokens of ${name} are not taken any more`);
}
