import type { Command } from 'commander';
import { BUILT_IN_PROFILES } from '../profiles/index.ts';
import { AGREEMENT_SCHEMA, writeAgreement } from '../services/agreement.ts';
import { RegistrationError } from '../services/partner-terms.ts';
import { changePartner, getPartner, type Registered, registerPartner, rotateSecret } from '../services/register-partner.ts';
import { DEFAULT_SCOPES } from '../services/scopes.ts';
import { loadCredentialsOf } from '../store/credentials.ts';
import type { Db } from '../store/database.ts';
import { findPartnerJwks } from '../store/partner-jwks.ts';
import { loadPartnerKeysOf } from '../store/partner-keys.ts';
import { loadPartners, type StoredPartner } from '../store/partners.ts';
import { loadConfig, withDatabase } from './context.ts';
import { addExamples, CommandFailed, printJson, printLine, printNote, printTable, UsageError } from './output.ts';
import { describePartner, findGaps, type PartnerAndKeys, partnerJson } from './partner-description.ts';
import { openCommandSealer } from './own-keys.ts';
import { addPartnerOptions, collect, type PartnerOptions, readKeys, readPublished, readTerms } from './partner-options.ts';

/** `dci partner …`: who may call, and what they may see. */
export function registerPartnerCommand(program: Command): void {
  const partner = program.command('partner').description('register the systems that may call, and say what they may see');
  registerAdd(partner);
  registerSet(partner);
  registerRotateSecret(partner);
  registerSwitch(partner, 'disable', false, 'shut a partner out at once: its tokens, its messages, its sign-in');
  registerSwitch(partner, 'enable', true, 'let a partner in again');
  registerList(partner);
  registerShow(partner);
  registerAgreement(partner);
}

function registerAdd(partner: Command): void {
  const command = partner
    .command('add')
    .description('register a partner; prints its client id and, this once, its client secret')
    .requiredOption('--sender-id <id>', 'the sender_id of its messages');
  addPartnerOptions(command)
    .option('--json', 'print {sender_id, client_id, client_secret}')
    .action((options: PartnerOptions) => refusing(() => add(options)));
  addExamples(
    command,
    'dci partner add --sender-id mis.example.org --public-key mis.pem --key-id key-1 --legal-basis "Social Protection Act, s. 12" --fields full',
  );
}

async function add(options: PartnerOptions): Promise<void> {
  const config = loadConfig();
  const senderId = options.senderId ?? '';
  const keys = readKeys(options) ?? [];
  const terms = {
    registries: [config.defaultRegistry],
    scopes: DEFAULT_SCOPES,
    ...defined(readTerms(options, () => openCommandSealer(config))),
  };
  const published = (await readPublished(options, config)) ?? undefined;
  const { registered, partner } = await withDatabase(config, async ({ db }) => {
    const made = await registerPartner(db, BUILT_IN_PROFILES, { senderId, terms, keys, published });
    return { registered: made, partner: await getPartner(db, senderId) };
  });
  printRegistered(`registered ${senderId}`, registered, options.json);
  warnOfGaps(partner);
}

function registerSet(partner: Command): void {
  const command = addPartnerOptions(
    onePartner(partner.command('set').description('change what is registered of a partner; an empty text takes it away')),
  )
    .option('--revoke-key <id>', 'refuse what this key signs from now on; may be repeated', collect)
    .option('--json', 'print the partner as one JSON object')
    .action((named: string | undefined, options: PartnerOptions & { revokeKey?: string[] }) => refusing(() => set(named, options)));
  addExamples(command, 'dci partner set mis.example.org --fields minimal --purpose "cash transfer targeting"');
}

async function set(named: string | undefined, options: PartnerOptions & { revokeKey?: string[] }): Promise<void> {
  const senderId = readSenderId(named, options);
  const config = loadConfig();
  const put = readKeys(options);
  const terms = readTerms(options, () => openCommandSealer(config));
  const published = await readPublished(options, config);
  const keys = { put, replaceAll: options.jwks !== undefined && published === undefined, revoke: options.revokeKey, published };
  const found = await withDatabase(config, async ({ db }) => {
    await changePartner(db, BUILT_IN_PROFILES, senderId, { terms, keys });
    return await loadPartnerAndKeys(db, senderId);
  });
  printPartner(found, options.json);
  warnOfGaps(found.partner);
}

function registerRotateSecret(partner: Command): void {
  const command = onePartner(
    partner.command('rotate-secret').description('make a new client secret; the old one and its tokens end at once'),
  )
    .option('--json', 'print {sender_id, client_id, client_secret}')
    .action((named: string | undefined, options: PartnerOptions) =>
      refusing(async () => {
        const senderId = readSenderId(named, options);
        const rotated = await withDatabase(loadConfig(), ({ db }) => rotateSecret(db, senderId));
        printRegistered(`${senderId} has a new secret; the old one has ended`, rotated, options.json);
      }),
    );
  addExamples(command, 'dci partner rotate-secret mis.example.org');
}

function registerSwitch(partner: Command, verb: string, active: boolean, description: string): void {
  const command = onePartner(partner.command(verb).description(description)).action((named: string | undefined, options: PartnerOptions) =>
    refusing(async () => {
      const senderId = readSenderId(named, options);
      await withDatabase(loadConfig(), ({ db }) => changePartner(db, BUILT_IN_PROFILES, senderId, { terms: { active } }));
      printLine(`${senderId} is ${active ? 'active' : 'not active any more'}`);
    }),
  );
  addExamples(command, `dci partner ${verb} mis.example.org`);
}

function registerList(partner: Command): void {
  const command = partner
    .command('list')
    .description('list all partners')
    .option('--json', 'print a JSON list')
    .action(async ({ json }: { json?: boolean }) => {
      const partners = await withDatabase(loadConfig(), ({ db }) => loadAll(db));
      if (json) printJson(partners.map(partnerJson));
      else printTable(['sender id', 'name', 'active', 'registries', 'scopes', 'fields', 'signature', 'keys'], partners.map(toRow));
    });
  addExamples(command, 'dci partner list');
}

function toRow({ partner, keys }: PartnerAndKeys): readonly unknown[] {
  const { senderId, name, active, registries, scopes, fieldRule, signaturePolicy } = partner;
  return [
    senderId,
    name,
    active ? 'yes' : 'no',
    [...registries],
    [...scopes],
    fieldRule ?? 'nothing',
    signaturePolicy,
    keys.map(({ kid }) => kid),
  ];
}

function registerShow(partner: Command): void {
  const command = onePartner(partner.command('show').description('say in words what a partner may ask and see, and with which keys'))
    .option('--json', 'print one JSON object')
    .action((named: string | undefined, options: PartnerOptions) =>
      refusing(async () => {
        const senderId = readSenderId(named, options);
        printPartner(await withDatabase(loadConfig(), ({ db }) => loadPartnerAndKeys(db, senderId)), options.json);
      }),
    );
  addExamples(command, 'dci partner show mis.example.org');
}

function registerAgreement(partner: Command): void {
  const command = onePartner(
    partner.command('agreement').description('print what is agreed with a partner as the file that "dci partner set --agreement" takes'),
  )
    .option('--schema', 'print the JSON Schema of such files instead')
    .action((named: string | undefined, options: PartnerOptions & { schema?: true }) =>
      refusing(async () => {
        if (options.schema === true) return printJson(AGREEMENT_SCHEMA);
        const senderId = readSenderId(named, options);
        const agreement = writeAgreement(await withDatabase(loadConfig(), ({ db }) => getPartner(db, senderId)));
        if (agreement === undefined) throw new CommandFailed(`nothing is agreed with ${senderId}: it has no legal basis or no field rule`);
        printJson(agreement);
      }),
    );
  addExamples(command, 'dci partner agreement mis.example.org > agreement.json', 'dci partner agreement --schema');
}

function onePartner(command: Command): Command {
  return command.argument('[sender-id]', 'the partner').option('--sender-id <id>', 'the partner, where it is not the argument');
}

function readSenderId(named: string | undefined, { senderId }: PartnerOptions): string {
  const given = named ?? senderId;
  if (given === undefined || (senderId !== undefined && senderId !== given)) throw new UsageError('name one partner by its sender id');
  return given;
}

async function refusing(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    throw error instanceof RegistrationError ? new UsageError(error.message) : error;
  }
}

async function loadAll(db: Db): Promise<PartnerAndKeys[]> {
  const found: PartnerAndKeys[] = [];
  for (const partner of await loadPartners(db)) found.push(await withKeys(db, partner));
  return found;
}

async function loadPartnerAndKeys(db: Db, senderId: string): Promise<PartnerAndKeys> {
  return await withKeys(db, await getPartner(db, senderId));
}

async function withKeys(db: Db, partner: StoredPartner): Promise<PartnerAndKeys> {
  return {
    partner,
    keys: await loadPartnerKeysOf(db, partner.id),
    jwks: await findPartnerJwks(db, partner.id),
    credentials: await loadCredentialsOf(db, partner.id),
  };
}

function printRegistered(headline: string, { senderId, clientId, clientSecret }: Registered, json: boolean | undefined): void {
  if (json) {
    printJson({ sender_id: senderId, client_id: clientId, client_secret: clientSecret });
    return;
  }
  printLine(headline);
  printLine(`  client id      ${clientId}`);
  printLine(`  client secret  ${clientSecret}`);
  printLine(`The secret is not kept and not shown again; "dci partner rotate-secret ${senderId}" makes another.`);
}

function printPartner(found: PartnerAndKeys, json: boolean | undefined): void {
  if (json) printJson(partnerJson(found));
  else for (const line of describePartner(found)) printLine(line);
}

function warnOfGaps(partner: StoredPartner): void {
  for (const gap of findGaps(partner)) printNote(`note: ${gap}`);
}

/** Without the members that are undefined, so that they do not cover what stands before them. */
function defined<T extends object>(object: T): Partial<T> {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as Partial<T>;
}
