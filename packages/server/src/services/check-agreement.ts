import { DciError } from '@dci/protocol';
import { FIELD_RULES } from '../disclosure/field-rules.ts';
import { resolveField } from '../disclosure/treatment.ts';
import type { Profile } from '../profiles/profile.ts';
import { readRowScope } from '../registry/row-scope.ts';
import type { OwnFieldRule, PartnerTerms, RegistryTerms } from '../store/partners.ts';

/** What of an agreement does not hold together with the registries it is about, in words; nothing is registered then. */
export function checkAgreement(profiles: readonly Profile[], terms: PartnerTerms): readonly string[] {
  const open = profiles.filter((profile) => terms.registries.has(profile.registry));
  return [
    ...open.flatMap((profile) => checkRegistry(profile, terms.registryTerms[profile.registry] ?? {})),
    ...(terms.ownRule === undefined ? [] : checkRule(open, terms.ownRule)),
  ];
}

function checkRegistry(profile: Profile, { recordTypes, rows }: RegistryTerms): readonly string[] {
  const known = profile.recordTypes.map(({ name }) => name);
  const open = recordTypes ?? known;
  const unknown = [...open, ...Object.keys(rows ?? {})].filter((name) => !known.includes(name));
  if (unknown.length > 0)
    return [...new Set(unknown)].map((name) => `${profile.registry} has no record type "${name}"; it has ${known.join(', ')}`);
  if (rows === undefined) return [];
  const unscoped = open.filter((name) => rows[name] === undefined);
  return [
    ...unscoped.map(
      (name) => `the rows of ${profile.registry} do not say which records of the type ${name} are open: give a condition, or "all"`,
    ),
    ...Object.entries(rows).flatMap(([name, query]) => (query === 'all' ? [] : checkRows(profile, name, query))),
  ];
}

function checkRows(profile: Profile, name: string, query: object): readonly string[] {
  const recordType = profile.recordTypes.find((candidate) => candidate.name === name);
  if (recordType === undefined) return [];
  try {
    readRowScope(profile, recordType, query);
    return [];
  } catch (error) {
    if (!(error instanceof DciError)) throw error;
    return [`the condition on the rows of ${name}: ${error.message}`];
  }
}

function checkRule(profiles: readonly Profile[], { name, fields = {} }: OwnFieldRule): readonly string[] {
  const means = (field: string): boolean =>
    profiles.some((profile) => profile.recordTypes.some((recordType) => resolveField(profile, recordType, field).length > 0));
  return [
    ...(FIELD_RULES.some((rule) => rule.name === name) ? [`the rule "${name}" has the name of a ready-made one`] : []),
    ...Object.keys(fields)
      .filter((field) => !means(field))
      .map((field) => `the rule names a field "${field}", which the partner's registries do not have`),
  ];
}
