import type { Attribute, Dimension, Profile, RecordType, Sensitivity } from './profile.ts';
import { SENSITIVITIES } from './sensitivity.ts';
import { findSchemaTrail, type SchemaNode, schemaNode } from './schema-path.ts';

const NAME = /^[a-z][a-z0-9_]*$/;
/** PostgreSQL cuts longer names, silently. */
const LONGEST_IDENTIFIER = 63;
/** Longest text that certainly fits into an index entry, in characters of four bytes. */
const LONGEST_INDEXED_TEXT = 512;

/** Everything that makes a profile unusable, in words; empty when it can be applied. */
export function checkProfile(profile: Profile): string[] {
  return [
    ...(NAME.test(profile.registry) ? [] : [`the registry's name ${profile.registry} is not made of lower case letters, digits and _`]),
    ...(profile.regTypes.length > 0 ? [] : ['no reg_type is declared']),
    ...(hasRecordType(profile, profile.defaultRecordType) ? [] : [`the default record type ${profile.defaultRecordType} is not declared`]),
    ...findRepeated(profile.recordTypes.map((recordType) => recordType.name)).map((name) => `record type ${name} is declared twice`),
    ...findRepeated(
      profile.recordTypes.flatMap((type) => type.entities.flatMap((entity) => [entity.name, ...entity.synonyms])).map(lowerCase),
    ).map((name) => `the entity name ${name} is declared twice`),
    ...checkIdentifierTypes(profile),
    ...checkEvents(profile),
    ...profile.recordTypes.flatMap((recordType) =>
      checkRecordType(profile, recordType).map((problem) => `record type ${recordType.name}: ${problem}`),
    ),
  ];
}

function checkIdentifierTypes(profile: Profile): string[] {
  const unknown = profile.identifierTypes
    .filter((type) => !hasRecordType(profile, type.recordType))
    .map((type) => `identifier type ${type.code} belongs to the unknown record type ${type.recordType}`);
  const names = profile.identifierTypes.flatMap((type) =>
    [type.code, ...type.synonyms].map((name) => `${type.recordType} ${lowerCase(name)}`),
  );
  const misclassified = profile.identifierTypes
    .filter((type) => type.sensitivity !== undefined && !SENSITIVITIES.includes(type.sensitivity))
    .map((type) => `identifier type ${type.code} has no known sensitivity`);
  return [...unknown, ...misclassified, ...findRepeated(names).map((name) => `two identifier types answer to ${name}`)];
}

function checkEvents(profile: Profile): string[] {
  const events = profile.events ?? [];
  const names = events.flatMap((event) => [event.name, ...event.synonyms]).map(lowerCase);
  const rules = events.flatMap((event) => event.raisedBy.map((rule) => ({ event, rule })));
  return [
    ...findRepeated(names).map((name) => `the event ${name} is declared twice`),
    ...events.filter((event) => event.raisedBy.length === 0).map((event) => `nothing raises the event ${event.name}`),
    ...rules.flatMap(({ event, rule }) => {
      const recordTypes = profile.recordTypes.filter((type) => rule.recordType === undefined || type.name === rule.recordType);
      const unknown = (rule.changed ?? []).filter(
        (path) => !recordTypes.some((type) => findSchemaTrail(schemaNode(type.document), path) !== undefined),
      );
      return [
        ...(recordTypes.length > 0 ? [] : [`the event ${event.name} is raised by the unknown record type ${rule.recordType}`]),
        ...unknown.map((path) => `the event ${event.name} is raised by the unknown field ${path}`),
      ];
    }),
  ];
}

function checkRecordType(profile: Profile, recordType: RecordType): string[] {
  const root = schemaNode(recordType.document);
  return [
    ...(NAME.test(recordType.name) ? [] : ['its name is not made of lower case letters, digits and _']),
    ...(tableNameLength(profile, recordType) <= LONGEST_IDENTIFIER ? [] : ['its name is too long for a table']),
    ...(root.properties?.['@type'] === undefined ? ['its document has no @type'] : []),
    ...findUnclassified(root, '', undefined).map((path) => `${path} has no known sensitivity`),
    ...findOpenObjects(root, '').map((path) => `${path === '' ? 'the document' : path} accepts any property`),
    ...checkEntities(recordType, root),
    ...recordType.identifierPaths.filter((path) => !hasIdentifiers(root, path)).map((path) => `${path} is no list of identifiers`),
    ...findRepeated(recordType.attributes.flatMap((attribute) => [attribute.name, ...attribute.synonyms]).map(lowerCase)).map(
      (name) => `two attributes answer to ${name}`,
    ),
    ...recordType.attributes.flatMap((attribute) =>
      checkAttribute(profile, recordType, attribute, root).map((problem) => `attribute ${attribute.name}: ${problem}`),
    ),
    ...checkMembers(profile, recordType, root),
    ...checkStatistics(recordType),
  ];
}

function checkEntities(recordType: RecordType, root: SchemaNode): string[] {
  const nested = recordType.entities.filter((entity) => entity.property !== undefined);
  return [
    ...(recordType.entities.length > 0 ? [] : ['it has no entity']),
    ...(recordType.entities.filter((entity) => entity.property === undefined).length === 1
      ? []
      : ['exactly one entity is the whole document']),
    ...(nested.length > 1 ? ['more than one entity is a property of the document'] : []),
    ...(nested.length > 0 && recordType.members !== undefined ? ['a record type with members has no entity on a property'] : []),
    ...nested
      .filter((entity) => !(root.required ?? []).includes(entity.property ?? ''))
      .map((entity) => `the document does not require ${entity.property}, which is the entity ${entity.name}`),
  ];
}

function checkAttribute(profile: Profile, recordType: RecordType, attribute: Attribute, root: SchemaNode): string[] {
  const node = findSchemaTrail(root, attribute.path)?.at(-1);
  if (node === undefined) return [`the document has no ${attribute.path}`];
  const indexNameLength = tableNameLength(profile, recordType) + `_a_${attribute.name}`.length;
  return [
    ...(NAME.test(attribute.name) ? [] : ['its name is not made of lower case letters, digits and _']),
    ...(indexNameLength <= LONGEST_IDENTIFIER ? [] : ['its name is too long for an index']),
    ...(attribute.operators.length > 0 ? [] : ['it has no operator']),
    ...(fits(attribute, node) ? [] : [`${attribute.type} does not fit the field at ${attribute.path}`]),
    ...(attribute.type === 'code' && attribute.codes === undefined ? ['a code needs its list'] : []),
    ...(attribute.indexed && attribute.type === 'text' && (node.maxLength ?? Infinity) > LONGEST_INDEXED_TEXT
      ? [`an indexed text needs a maxLength of at most ${LONGEST_INDEXED_TEXT}`]
      : []),
    ...(attribute.derived !== undefined && !hasDateColumn(recordType, attribute.path)
      ? [`it is derived from ${attribute.path}, for which no attribute of type date is declared`]
      : []),
  ];
}

function fits(attribute: Attribute, node: SchemaNode): boolean {
  if (attribute.derived !== undefined) return node.precision === 'day';
  switch (attribute.type) {
    case 'text':
      return node.type === 'string';
    case 'code':
      return node.enum !== undefined || node.type === 'string';
    case 'integer':
      return node.type === 'integer';
    case 'decimal':
      return node.type === 'number' || node.type === 'integer';
    case 'date':
      return node.precision === 'day';
    case 'timestamp':
      return node.format === 'date-time';
    case 'boolean':
      return node.type === 'boolean';
  }
}

function hasDateColumn(recordType: RecordType, path: string): boolean {
  return recordType.attributes.some((attribute) => attribute.path === path && attribute.type === 'date' && attribute.derived === undefined);
}

function checkMembers(profile: Profile, recordType: RecordType, root: SchemaNode): string[] {
  const { members } = recordType;
  if (members === undefined) return [];
  const holder = profile.recordTypes.find((type) => type.name === members.recordType);
  return [
    ...(holder === undefined ? [`its members' record type ${members.recordType} is not declared`] : []),
    ...(holder?.entities.some((entity) => entity.name === members.entity && entity.property === undefined) === false
      ? [`its members are written as ${members.entity}, which is not the whole document of ${members.recordType}`]
      : []),
    ...[members.listProperty, members.headProperty, members.sizeProperty]
      .filter((property) => root.properties?.[property] === undefined)
      .map((property) => `the document has no ${property}`),
  ];
}

function checkStatistics({ statistics, attributes }: RecordType): string[] {
  if (statistics === undefined) return [];
  const { dimensions, cubes } = statistics;
  const names = dimensions.map(({ name }) => name);
  const known = new Map(attributes.map((attribute) => [attribute.name, attribute]));
  return [
    ...findRepeated(names).map((name) => `the dimension ${name} is declared twice`),
    ...dimensions.flatMap((dimension) =>
      checkDimension(dimension, known.get(dimension.attribute), names).map((problem) => `dimension ${dimension.name}: ${problem}`),
    ),
    ...cubes.flatMap((cube) => cube.filter((name) => !names.includes(name)).map((name) => `a cube has the unknown dimension ${name}`)),
  ];
}

function checkDimension({ name, banding, within }: Dimension, attribute: Attribute | undefined, names: readonly string[]): string[] {
  if (attribute === undefined) return ['its attribute is not declared'];
  // One that lies within a later one would have to be told before it.
  const outer = within === undefined ? -1 : names.indexOf(within);
  return [
    ...(NAME.test(name) ? [] : ['its name is not made of lower case letters, digits and _']),
    ...(within === undefined || (outer >= 0 && outer < names.indexOf(name))
      ? []
      : [`it lies within ${within}, which is not declared before it`]),
    ...(fitsBanding(banding, attribute) ? [] : [`${attribute.type} cannot be told so`]),
  ];
}

function fitsBanding(banding: Dimension['banding'], { type, derived }: Attribute): boolean {
  if (banding === 'month' || banding === 'year') return type === 'date' || type === 'timestamp';
  if (banding === 'as-it-is') return derived === undefined && (type === 'text' || type === 'code' || type === 'boolean');
  const { bounds } = banding;
  const isAscending = bounds.length > 0 && bounds.every((bound, index) => index === 0 || bound > (bounds[index - 1] ?? bound));
  return isAscending && (type === 'integer' || type === 'decimal');
}

function findUnclassified(node: SchemaNode, path: string, inherited: Sensitivity | undefined): string[] {
  const sensitivity = node.sensitivity ?? inherited;
  if (sensitivity !== undefined && !SENSITIVITIES.includes(sensitivity)) return [path];
  if (node.items !== undefined) return findUnclassified(node.items, path, sensitivity);
  if (node.properties === undefined) return sensitivity === undefined ? [path] : [];
  return Object.entries(node.properties).flatMap(([name, property]) =>
    findUnclassified(property, path === '' ? name : `${path}.${name}`, sensitivity),
  );
}

function findOpenObjects(node: SchemaNode, path: string): string[] {
  if (node.items !== undefined) return findOpenObjects(node.items, path);
  if (node.properties === undefined) return [];
  const inner = Object.entries(node.properties).flatMap(([name, property]) =>
    findOpenObjects(property, path === '' ? name : `${path}.${name}`),
  );
  return node.additionalProperties === false ? inner : [path, ...inner];
}

function hasIdentifiers(root: SchemaNode, path: string): boolean {
  const items = findSchemaTrail(root, path)?.at(-1)?.items;
  return items?.properties?.['identifier_type'] !== undefined && items.properties['identifier_value'] !== undefined;
}

function hasRecordType(profile: Profile, name: string): boolean {
  return profile.recordTypes.some((recordType) => recordType.name === name);
}

function tableNameLength(profile: Profile, recordType: RecordType): number {
  return `record_${profile.registry}_${recordType.name}`.length;
}

function findRepeated(names: readonly string[]): string[] {
  return [...new Set(names.filter((name, position) => names.indexOf(name) !== position))];
}

function lowerCase(name: string): string {
  return name.toLowerCase();
}
