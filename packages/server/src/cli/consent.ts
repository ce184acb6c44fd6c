import { DciError } from '@dci/protocol';
import type { Command } from 'commander';
import type { Profile } from '../profiles/profile.ts';
import { findRecipient, type GivenConsent, parseGivenConsent } from '../services/consent-request.ts';
import { importConsents } from '../services/import-consents.ts';
import { getConsent, getSubjectId, giveConsent, renewConsent, withdrawConsent } from '../services/consents.ts';
import { type Consent, loadConsents } from '../store/consents.ts';
import type { Db } from '../store/database.ts';
import { consentJson, consentRow, describeConsent, loadConsentAndParties, receiptOf } from './consent-description.ts';
import { loadConfig } from './context.ts';
import { openInput } from './files.ts';
import { collect } from './partner-options.ts';
import { addExamples, CommandFailed, EXIT, printJson, printLine, printNote, printTable, UsageError } from './output.ts';
import { getProfile, getReference, withRegistry } from './registry.ts';

interface ConsentOptions {
  readonly registry: string;
  readonly subject?: string;
  readonly to?: string;
  readonly toClass?: string;
  readonly purpose?: readonly string[];
  readonly covers?: string;
  readonly from?: string;
  readonly until?: string;
  readonly evidence?: string;
  readonly reason?: string;
  readonly receipt?: true;
  readonly json?: true;
}

const BY = 'operator';
const MOST_LISTED = 1_000;

/** `dci consent …`: what people have consented to. */
export function registerConsent(program: Command): void {
  const consent = program.command('consent').description('write down, renew, withdraw and show what people consent to');
  const add = (usage: string, description: string): Command =>
    consent
      .command(usage)
      .description(description)
      .requiredOption('--registry <name>', 'registry of the record')
      .option('--json', 'print JSON');

  const give = add('give', 'write down that a person, or a group, consents; prints the id of the consent')
    .requiredOption('--subject <identifier>', 'whose record, e.g. UIN=991308255769')
    .option('--to <sender-id>', 'the partner that may see it')
    .option('--to-class <name>', 'or the class of recipients that may')
    .requiredOption('--purpose <code>', 'for what; may be repeated', collect)
    .requiredOption('--covers <list>', 'classes of fields, fields and identifier types, separated by commas; * for all')
    .option('--from <time>', 'from when; otherwise from now')
    .option('--until <time>', 'until when; otherwise until it is withdrawn')
    .option('--evidence <text>', 'where it is on paper or on file')
    .action((options: ConsentOptions) => refusing(() => giveOne(options)));
  addExamples(
    give,
    'dci consent give --registry social --subject UIN=991308255769 --to clinic.example.org --purpose treatment --covers identifier,name,birth_date --until 2030-01-01',
  );

  const renew = add('renew <id>', 'let a consent last until another time; without --until, until it is withdrawn')
    .option('--until <time>', 'until when')
    .option('--evidence <text>', 'where it is on paper or on file')
    .action((id: string, options: ConsentOptions) => refusing(() => renewOne(id, options)));
  addExamples(renew, 'dci consent renew --registry social 0199f0a2-5d3c-7c1e-9b1a-2f6d7c3e4b5a --until 2032-01-01');

  const withdraw = add('withdraw <id>', 'end a consent at once, for what waits to be sent too; it cannot be revived')
    .option('--reason <text>', 'why, or where it is on paper')
    .action((id: string, options: ConsentOptions) => refusing(() => withdrawOne(id, options)));
  addExamples(withdraw, 'dci consent withdraw --registry social 0199f0a2-5d3c-7c1e-9b1a-2f6d7c3e4b5a');

  const list = add('list', 'list consents, the newest first')
    .option('--subject <identifier>', 'of one record')
    .option('--to <sender-id>', 'to one partner by name')
    .option('--to-class <name>', 'to one class of recipients')
    .action((options: ConsentOptions) => refusing(() => listAll(options)));
  addExamples(list, 'dci consent list --registry social --subject UIN=991308255769');

  const show = add('show <id>', 'show a consent with its history')
    .option('--receipt', 'print the receipt for the person instead (ISO/IEC TS 27560)')
    .action((id: string, options: ConsentOptions) => refusing(() => showOne(id, options)));
  addExamples(show, 'dci consent show --registry social 0199f0a2-5d3c-7c1e-9b1a-2f6d7c3e4b5a --receipt');

  const load = add('import <file>', 'write down the consents of an NDJSON file (- reads stdin), each whole or not at all').action(
    (file: string, options: ConsentOptions) => refusing(() => importFile(file, options)),
  );
  addExamples(load, 'dci consent import --registry social consents.ndjson');
}

async function refusing(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    throw error instanceof DciError ? new CommandFailed(tell(error)) : error;
  }
}

function tell({ message, pointer }: DciError): string {
  return pointer === undefined || pointer === '' ? message : `${message} (at ${pointer})`;
}

function inRegistry(options: ConsentOptions, work: (db: Db, profile: Profile) => Promise<void>): Promise<void> {
  const profile = getProfile(options.registry);
  return withRegistry(loadConfig(), profile, ({ db }) => work(db, profile));
}

function readRecipient({ to, toClass }: ConsentOptions): GivenConsent['recipient'] {
  if ((to === undefined) === (toClass === undefined)) throw new UsageError('say who may see it: --to or --to-class');
  return to === undefined ? { class: toClass ?? '' } : { partner: to };
}

function readSubject(profile: Profile, subject: string): GivenConsent['subject'] {
  const { type, value } = getReference(profile, subject);
  return { identifier_type: type, identifier_value: value };
}

async function giveOne(options: ConsentOptions): Promise<void> {
  await inRegistry(options, async (db, profile) => {
    const given = parseGivenConsent({
      subject: readSubject(profile, options.subject ?? ''),
      recipient: readRecipient(options),
      purposes: options.purpose,
      covers: (options.covers ?? '').split(',').map((name) => name.trim()),
      ...(options.from === undefined ? {} : { valid_from: options.from }),
      ...(options.until === undefined ? {} : { valid_until: options.until }),
      ...(options.evidence === undefined ? {} : { evidence: options.evidence }),
    });
    const consent = await db.transaction().execute((transaction) => giveConsent(transaction, profile, given, BY, Date.now()));
    await print(db, consent, options);
  });
}

async function renewOne(id: string, options: ConsentOptions): Promise<void> {
  await inRegistry(options, async (db, profile) => {
    const change = { validUntil: options.until, evidence: options.evidence, by: BY };
    await print(db, await db.transaction().execute((transaction) => renewConsent(transaction, profile, id, change)), options);
  });
}

async function withdrawOne(id: string, options: ConsentOptions): Promise<void> {
  await inRegistry(options, async (db, profile) => {
    const change = { reason: options.reason, by: BY };
    await print(db, await db.transaction().execute((transaction) => withdrawConsent(transaction, profile, id, change)), options);
  });
}

async function listAll(options: ConsentOptions): Promise<void> {
  await inRegistry(options, async (db, profile) => {
    const recordId = options.subject === undefined ? undefined : await getSubjectId(db, profile, getReference(profile, options.subject));
    const hasRecipient = options.to !== undefined || options.toClass !== undefined;
    const recipient = hasRecipient ? await findRecipient(db, readRecipient(options)) : undefined;
    const filter = {
      registry: profile.registry,
      ...(recordId === undefined ? {} : { recordId }),
      ...(recipient === undefined ? {} : { recipient }),
    };
    const found = await loadConsents(db, filter, MOST_LISTED);
    if (found.length === MOST_LISTED) printNote(`the newest ${MOST_LISTED} are shown; narrow the list`);
    const shown = [];
    for (const consent of found) shown.push(await loadConsentAndParties(db, consent));
    if (options.json) printJson(shown.map((one) => consentJson(one, Date.now())));
    else
      printTable(
        ['id', 'subject', 'to', 'purposes', 'covers', 'until', 'state'],
        shown.map((one) => consentRow(one, Date.now())),
      );
  });
}

async function showOne(id: string, options: ConsentOptions): Promise<void> {
  const { senderId } = loadConfig();
  await inRegistry(options, async (db, profile) => {
    const consent = await loadConsentAndParties(db, await getConsent(db, profile, id));
    if (options.receipt === true) printJson(receiptOf(consent, senderId));
    else await print(db, consent.consent, options);
  });
}

async function importFile(file: string, options: ConsentOptions): Promise<void> {
  const { bytes } = openInput(file);
  await inRegistry(options, async (db, profile) => {
    const report = await importConsents(db, profile, bytes, {
      by: BY,
      now: Date.now,
      onRefused: ({ line, problem }) => printNote(`line ${line}: ${problem}`),
    });
    if (options.json) printJson(report);
    else printLine(`${report.given} consents written down; ${report.refused} lines refused`);
    if (report.refused > 0) process.exitCode = EXIT.failed;
  });
}

async function print(db: Db, consent: Consent, { json }: ConsentOptions): Promise<void> {
  const found = await loadConsentAndParties(db, consent);
  if (json) printJson(consentJson(found, Date.now()));
  else for (const line of describeConsent(found, Date.now())) printLine(line);
}
