import { text } from 'node:stream/consumers';
import type { Command } from 'commander';
import type { ChangeResult } from '../registry/change-records.ts';
import { findRecord } from '../registry/find-record.ts';
import { deleteRecord, linkMember, putRecords, unlinkMember } from '../registry/write.ts';
import { createIdentifierHash, ERASED_IDENTIFIER_KEY, erasePerson } from '../services/erase-person.ts';
import { loadConfig } from './context.ts';
import { addExamples, CommandFailed, printJson, printLine, UsageError } from './output.ts';
import { getProfile, getReference, withRegistry } from './registry.ts';
import { openCommandSealer } from './own-keys.ts';
import { readText } from './client-options.ts';

interface RecordOptions {
  readonly registry: string;
  readonly type?: string;
  readonly head?: true;
  readonly json?: true;
}

export function registerRecord(program: Command): void {
  const record = program.command('record').description('change or show one record of a registry');
  const add = (usage: string, description: string): Command =>
    record
      .command(usage)
      .description(description)
      .requiredOption('--registry <name>', 'registry of the record')
      .option('--json', 'print one JSON object');

  const put = add('put <file>', 'put the record in a JSON file (- reads stdin); what is there already, by identifier, is replaced')
    .option('--type <name>', 'record type or entity, if the record does not say it (@type)')
    .action(putOne);
  addExamples(put, 'dci record put --registry social person.json');

  const remove = add('delete <identifier>', 'delete a record, and its places in groups').action(deleteOne);
  addExamples(remove, 'dci record delete --registry social UIN=991308255769');

  const erase = add(
    'erase <identifier>',
    'delete a record if it is still there, and erase its identifiers and history for good; the audit trail stays',
  )
    .requiredOption('--reason <text>', 'why, e.g. the request it is done for; stands in the audit trail')
    .option('--record-id <id>', 'which, where several records have had the identifier')
    .action(eraseOne);
  addExamples(erase, 'dci record erase --registry social --reason "request 2026-118" UIN=991308255769');

  const link = add('link <group> <member>', 'make a record a member of a group')
    .option('--head', 'as the head of the group')
    .action(linkOne);
  addExamples(link, 'dci record link --registry social HHID=H994881201564 UIN=991308255769 --head');

  const unlink = add('unlink <group> <member>', 'take a member out of a group').action(unlinkOne);
  addExamples(unlink, 'dci record unlink --registry social HHID=H994881201564 UIN=991308255769');

  const show = add('show <identifier>', 'print a record as it is kept, with its members').action(showOne);
  addExamples(show, 'dci record show --registry social HHID=H994881201564');
}

async function putOne(file: string, options: RecordOptions): Promise<void> {
  const profile = getProfile(options.registry);
  const input = parseJson(file, await readInput(file));
  const [result] = await withRegistry(loadConfig(), profile, ({ db }) => putRecords(db, profile, [input], options.type));
  if (result === undefined) throw new CommandFailed('nothing was put');
  if (result.status === 'refused') {
    const lines = result.problems.map(({ pointer, text: problem }) => (pointer === '' ? `the record ${problem}` : `${pointer} ${problem}`));
    throw new CommandFailed(lines.join('\n'));
  }
  const { status, recordType, version } = result;
  if (options.json === true) printJson({ status, record_type: recordType, version });
  else printLine(`${status}: ${recordType}, version ${version}`);
}

async function deleteOne(identifier: string, options: RecordOptions): Promise<void> {
  const profile = getProfile(options.registry);
  const reference = getReference(profile, identifier);
  const result = await withRegistry(loadConfig(), profile, ({ db }) => deleteRecord(db, profile, reference));
  tell(result, options, `deleted ${identifier}`, `${identifier} is not in the registry`);
}

async function eraseOne(identifier: string, options: RecordOptions & { reason: string; recordId?: string }): Promise<void> {
  const profile = getProfile(options.registry);
  const reference = getReference(profile, identifier);
  const config = loadConfig();
  const { reason, recordId } = options;
  const erasure = await withRegistry(config, profile, (database) => {
    const hash = createIdentifierHash(openCommandSealer(config).deriveKey(ERASED_IDENTIFIER_KEY));
    return erasePerson(database, profile, { reference, recordId, reason }, { hash, now: Date.now() });
  });
  if (erasure.status === 'not-found') throw new CommandFailed(`${identifier} is not in the registry and never was`);
  if (erasure.status === 'ambiguous')
    throw new CommandFailed(`several records have had ${identifier}; name one with --record-id: ${erasure.recordIds.join(', ')}`);
  if (options.json === true) printJson(erasure);
  else printLine(`erased ${identifier}; in the audit trail it is the record ${erasure.recordId}`);
}

async function linkOne(group: string, member: string, options: RecordOptions): Promise<void> {
  const profile = getProfile(options.registry);
  const references = getPair(options.registry, group, member);
  const result = await withRegistry(loadConfig(), profile, ({ db }) =>
    linkMember(db, profile, references.group, references.member, options.head === undefined ? {} : { isHead: options.head }),
  );
  tell(result, options, `linked ${member} to ${group}`, `${group} or ${member} is not in the registry`);
}

async function unlinkOne(group: string, member: string, options: RecordOptions): Promise<void> {
  const profile = getProfile(options.registry);
  const references = getPair(options.registry, group, member);
  const result = await withRegistry(loadConfig(), profile, ({ db }) => unlinkMember(db, profile, references.group, references.member));
  tell(result, options, `unlinked ${member} from ${group}`, `${group} or ${member} is not in the registry`);
}

async function showOne(identifier: string, options: RecordOptions): Promise<void> {
  const profile = getProfile(options.registry);
  const reference = getReference(profile, identifier);
  const found = await withRegistry(loadConfig(), profile, ({ db }) => findRecord(db, profile, reference));
  if (found === undefined) throw new CommandFailed(`${identifier} is not in the registry`);
  const { recordType, version, updatedAt, document } = found;
  printJson(options.json === true ? { record_type: recordType, version, updated_at: updatedAt.toISOString(), document } : document);
}

type Reference = ReturnType<typeof getReference>;

/** A group and a record that may be its member. */
function getPair(registry: string, groupText: string, memberText: string): { group: Reference; member: Reference } {
  const profile = getProfile(registry);
  const group = getReference(profile, groupText);
  const members = profile.recordTypes.find((recordType) => recordType.name === group.recordType)?.members;
  if (members === undefined) throw new UsageError(`${groupText} names a ${group.recordType}, which has no members`);
  return { group, member: getReference(profile, memberText, members.recordType) };
}

function tell(result: ChangeResult, options: RecordOptions, done: string, missing: string): void {
  if (result.status === 'not-found') throw new CommandFailed(missing);
  if (options.json === true) printJson({ status: result.status, record_type: result.recordType, version: result.version });
  else printLine(result.status === 'changed' ? done : 'nothing to change');
}

async function readInput(file: string): Promise<string> {
  return file === '-' ? text(process.stdin) : readText(file);
}

function parseJson(file: string, content: string): unknown {
  try {
    return JSON.parse(content);
  } catch {
    throw new CommandFailed(`${file} is no JSON`);
  }
}
