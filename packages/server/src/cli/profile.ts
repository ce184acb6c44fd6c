import type { Command } from 'commander';
import { BUILT_IN_PROFILES, checkProfile } from '../profiles/index.ts';
import { listEventTypes } from '../profiles/events.ts';
import type { Dimension, EventType, Profile } from '../profiles/profile.ts';
import { sensitivityOf } from '../profiles/sensitivity.ts';
import { addExamples, CommandFailed, printJson, printLine, printTable } from './output.ts';
import { getProfile } from './registry.ts';

interface ProfileOptions {
  readonly json?: true;
}

export function registerProfile(program: Command): void {
  const profile = program.command('profile').description('the registries this server knows, and what can be searched in them');
  const json = '--json';
  const list = profile.command('list').description('list the registries').option(json, 'print one JSON object').action(listProfiles);
  addExamples(list, 'dci profile list');
  const show = profile
    .command('show <registry>')
    .description('show record types, attributes and identifiers of a registry')
    .option(json, 'print one JSON object')
    .action(showProfile);
  addExamples(show, 'dci profile show social');
  const check = profile
    .command('check [registry]')
    .description('check that profiles hold together; without a name, all of them')
    .option(json, 'print one JSON object')
    .action(checkProfiles);
  addExamples(check, 'dci profile check social');
}

function listProfiles({ json }: ProfileOptions): void {
  const rows = BUILT_IN_PROFILES.map(({ registry, aliases, regTypes, recordTypes }) => ({
    registry,
    aliases,
    reg_types: regTypes,
    record_types: recordTypes.map((recordType) => recordType.name),
  }));
  if (json === true) printJson({ profiles: rows });
  else
    printTable(
      ['registry', 'aliases', 'reg_type', 'record types'],
      rows.map((row) => [row.registry, row.aliases, row.reg_types[0], row.record_types]),
    );
}

function showProfile(name: string, { json }: ProfileOptions): void {
  const profile = getProfile(name);
  if (json === true) {
    printJson(profile);
    return;
  }
  printLine('identifiers');
  printTable(
    ['type', 'record type', 'unique', 'synonyms'],
    profile.identifierTypes.map((type) => [type.code, type.recordType, type.unique, type.synonyms]),
  );
  for (const recordType of profile.recordTypes) showRecordType(recordType);
  printLine();
  printTable(
    ['event', 'raised by', 'synonyms'],
    listEventTypes(profile).map((event) => [event.name, event.raisedBy.map(describeRule), event.synonyms]),
  );
}

function describeRule({ kind, recordType, changed }: EventType['raisedBy'][number]): string {
  return [
    kind,
    ...(recordType === undefined ? [] : [`of ${recordType}`]),
    ...(changed === undefined ? [] : [`in ${changed.join(' ')}`]),
  ].join(' ');
}

function showRecordType(recordType: Profile['recordTypes'][number]): void {
  printLine();
  printLine(`${recordType.name}: ${recordType.entities.map((entity) => entity.name).join(', ')}`);
  printTable(
    ['attribute', 'type', 'path', 'class', 'operators', 'synonyms'],
    recordType.attributes.map((attribute) => [
      attribute.name,
      attribute.type,
      attribute.path,
      sensitivityOf(recordType, attribute.path),
      attribute.operators.join(' '),
      attribute.synonyms,
    ]),
  );
  if (recordType.statistics === undefined) return;
  printLine();
  printTable(
    ['dimension of statistics', 'attribute', 'told by', 'within'],
    recordType.statistics.dimensions.map(({ name, attribute, banding, within }) => [name, attribute, describeBanding(banding), within]),
  );
}

function describeBanding(banding: Dimension['banding']): string {
  if (banding === 'as-it-is') return 'value';
  return typeof banding === 'string' ? banding : `bands that begin at ${banding.bounds.join(' ')}`;
}

function checkProfiles(name: string | undefined, { json }: ProfileOptions): void {
  const checked = (name === undefined ? BUILT_IN_PROFILES : [getProfile(name)]).map((profile) => ({
    registry: profile.registry,
    problems: checkProfile(profile),
  }));
  if (json === true) printJson({ profiles: checked });
  const faulty = checked.filter(({ problems }) => problems.length > 0);
  if (faulty.length > 0)
    throw new CommandFailed(faulty.flatMap(({ registry, problems }) => problems.map((problem) => `${registry}: ${problem}`)).join('\n'));
  if (json !== true) printLine(`${checked.map(({ registry }) => registry).join(', ')}: fine`);
}
