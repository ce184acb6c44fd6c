export { checkProfile } from './check-profile.ts';
export { SENSITIVITIES, sensitivityOf } from './sensitivity.ts';

import type { Attribute, Entity, IdentifierType, Profile, RecordType } from './profile.ts';
import { socialProfile } from './social.ts';

/**
 * The registries this server knows, and how names on the wire find their way into a profile: registries by alias,
 * entities and identifier types by synonym, attributes by name, synonym or dotted path — always ignoring case.
 * A name that is not declared is not found; nothing is guessed.
 */
export const BUILT_IN_PROFILES: readonly Profile[] = [socialProfile];

export function findProfile(profiles: readonly Profile[], nameOrAlias: string): Profile | undefined {
  const wanted = nameOrAlias.toLowerCase();
  return profiles.find((profile) => [profile.registry, ...profile.aliases].some((name) => name.toLowerCase() === wanted));
}

/** By `reg_type`, e.g. `ns:org:RegistryType:Social`. */
export function findProfileByRegType(profiles: readonly Profile[], regType: string): Profile | undefined {
  const wanted = regType.toLowerCase();
  return profiles.find((profile) => profile.regTypes.some((name) => name.toLowerCase() === wanted)) ?? findProfile(profiles, regType);
}

/** By `@type`, `response_entity`, `reg_record_type` or `collection`, also with a prefix (`spdci:Group`) or as a URI. */
export function findEntity(profile: Profile, name: string): { recordType: RecordType; entity: Entity } | undefined {
  const bare = name.slice(name.search(/[^:/#]*$/)).toLowerCase();
  for (const recordType of profile.recordTypes)
    for (const entity of recordType.entities)
      if ([entity.name, ...entity.synonyms].some((known) => known.toLowerCase() === bare)) return { recordType, entity };
  return undefined;
}

export function findRecordType(profile: Profile, name: string): RecordType | undefined {
  return profile.recordTypes.find((recordType) => recordType.name === name);
}

export function getRecordType(profile: Profile, name: string): RecordType {
  const found = findRecordType(profile, name);
  if (found === undefined) throw new Error(`the profile ${profile.registry} has no record type ${name}`);
  return found;
}

/**
 * By code, namespace URI or other synonym. One name may be declared for several record types: with `recordType` its own
 * is found, without it the first that is declared.
 */
export function findIdentifierType(profile: Profile, name: string, recordType?: string): IdentifierType | undefined {
  let index = identifierTypeIndexes.get(profile);
  if (index === undefined) {
    index = indexIdentifierTypes(profile);
    identifierTypeIndexes.set(profile, index);
  }
  return index.get(recordType)?.get(name.toLowerCase());
}

const identifierTypeIndexes = new WeakMap<Profile, ReadonlyMap<string | undefined, ReadonlyMap<string, IdentifierType>>>();

/** By record type, and for all of them together. */
function indexIdentifierTypes({ identifierTypes }: Profile): Map<string | undefined, Map<string, IdentifierType>> {
  const owners = new Set([undefined, ...identifierTypes.map((type) => type.recordType)]);
  return new Map(
    [...owners].map((owner) => {
      const declared = identifierTypes.filter((type) => owner === undefined || type.recordType === owner);
      const named = new Map<string, IdentifierType>();
      for (const names of [(type: IdentifierType) => [type.code], (type: IdentifierType) => type.synonyms])
        for (const type of declared)
          for (const name of names(type)) if (!named.has(name.toLowerCase())) named.set(name.toLowerCase(), type);
      return [owner, named];
    }),
  );
}

/** An identifier as a person writes it: `UIN=123`, `urn:gov:national-id=123`. */
export function parseIdentifier(
  profile: Profile,
  text: string,
  recordType?: string,
): { recordType: string; type: string; value: string } | undefined {
  const separator = text.indexOf('=');
  const type = separator === -1 ? undefined : findIdentifierType(profile, text.slice(0, separator), recordType);
  const value = text.slice(separator + 1);
  return type === undefined || value === '' ? undefined : { recordType: type.recordType, type: type.code, value };
}

/**
 * By wire name. All of these name the attribute `sex` at `demographic_info.sex` of a person, whose entity `SRPerson`
 * (or `Person`) is the property `demographic_info`: its name and synonyms (`sex`, `gender`), its path
 * (`demographic_info.sex`), its path inside that entity (`sex`), either with the entity's name in front or in between
 * (`person.sex`, `demographic_info.person.sex`, `Member.demographic_info.sex`).
 */
export function findAttribute(recordType: RecordType, wireName: string): Attribute | undefined {
  let index = attributeIndexes.get(recordType);
  if (index === undefined) {
    index = indexAttributes(recordType);
    attributeIndexes.set(recordType, index);
  }
  return index.get(wireName.toLowerCase());
}

/** One that the profile itself names. */
export function getAttribute(recordType: RecordType, name: string): Attribute {
  const found = recordType.attributes.find((attribute) => attribute.name === name);
  if (found === undefined) throw new Error(`${recordType.name} has no attribute ${name}`);
  return found;
}

const attributeIndexes = new WeakMap<RecordType, ReadonlyMap<string, Attribute>>();

function indexAttributes(recordType: RecordType): Map<string, Attribute> {
  const index = new Map<string, Attribute>();
  const forms = [
    (attribute: Attribute) => [attribute.name],
    (attribute: Attribute) => [...attribute.synonyms],
    (attribute: Attribute) => (attribute.derived === undefined ? pathForms(recordType, attribute.path) : []),
    (attribute: Attribute) => nameForms(recordType, attribute),
  ];
  for (const form of forms)
    for (const attribute of recordType.attributes)
      for (const name of form(attribute)) if (!index.has(name.toLowerCase())) index.set(name.toLowerCase(), attribute);
  return index;
}

function pathForms(recordType: RecordType, path: string): string[] {
  return recordType.entities.flatMap((entity) => {
    if (entity.property === undefined) return [path, ...entityNames(entity).map((name) => `${name}.${path}`)];
    if (!path.startsWith(`${entity.property}.`)) return [];
    const inner = path.slice(entity.property.length + 1);
    return [inner, ...nestedForms(entity, inner)];
  });
}

function nameForms(recordType: RecordType, { name, synonyms, path }: Attribute): string[] {
  const holders = recordType.entities.filter(({ property }) => property === undefined || path.startsWith(`${property}.`));
  return [name, ...synonyms].flatMap((form) => holders.flatMap((entity) => nestedForms(entity, form)));
}

function nestedForms(entity: Entity, inner: string): string[] {
  const names = entityNames(entity).map((name) => `${name}.${inner}`);
  if (entity.property === undefined) return names;
  return [`${entity.property}.${inner}`, ...names, ...names.map((name) => `${entity.property}.${name}`)];
}

function entityNames(entity: Entity): readonly string[] {
  return [entity.name, ...entity.synonyms];
}
