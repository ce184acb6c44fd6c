import { findAttribute, findIdentifierType } from '../profiles/index.ts';
import type { Attribute, IdentifierType, PlaceLevel, Profile, RecordType, Sensitivity } from '../profiles/profile.ts';
import type { SchemaNode } from '../profiles/schema-path.ts';
import { findPlace, isCovered, needsOf, needsOfIdentifier, type Place } from '../registry/cover.ts';
import type { FieldUse } from '../registry/search-context.ts';
import type { DateStep, FieldRule, Treatment } from './field-rules.ts';

/**
 * How a rule treats each place of a record type's documents: what the rule says of the field itself, of what is around
 * it, else of its class; the class of a container is a gate, which lets out what is inside only where it is given. A consent, where one is
 * needed, only ever takes away from that.
 */
export interface Treatments {
  /** Of a field. */
  of(place: Place): Treatment;
  /** Of an identifier's value, by its type. */
  ofIdentifier(place: Place, type: IdentifierType | undefined): Treatment;
  /** Whether what holds other records, or nothing of its own, is written. */
  givesContainer(path: string): boolean;
}

/** `marks`: what the record's consents cover; undefined where none is needed. */
export function createTreatments(
  rule: FieldRule,
  profile: Profile,
  recordType: RecordType,
  marks: ReadonlySet<string> | undefined,
): Treatments {
  const own = resolveFields(rule, profile, recordType);
  const { classes } = rule;
  const ofClass = (sensitivity: Sensitivity | undefined): Treatment => {
    if (classes === 'everything') return 'give';
    return (sensitivity && classes.get(sensitivity)) ?? 'omit';
  };
  const findOwn = (path: string): Treatment | undefined => {
    for (let rest = path; rest !== ''; rest = rest.slice(0, Math.max(0, rest.lastIndexOf('.')))) {
      const found = own.get(rest);
      if (found !== undefined) return found;
    }
    return undefined;
  };
  // Only what is given as it is lets out what is inside.
  const isOpenThrough = (around: readonly Sensitivity[]): boolean => around.every((sensitivity) => ofClass(sensitivity) === 'give');
  const general = (place: Place): Treatment => {
    if (!isOpenThrough(place.classes.slice(0, -1))) return 'omit';
    const treatment = ofClass(place.classes.at(-1));
    if (treatment !== 'give') return treatment;
    if (rule.dates !== undefined && isDate(place.node)) return rule.dates;
    return rule.places !== undefined && place.classes.at(-1) === 'location' ? rule.places : 'give';
  };
  const isOpen = (needs: ReturnType<typeof needsOf>): boolean => marks === undefined || isCovered(needs, marks);

  return {
    of: (place) => (isOpen(needsOf(place)) ? fit(findOwn(place.path) ?? general(place), place.node) : 'omit'),
    ofIdentifier: (place, type) => {
      if (!isOpen(needsOfIdentifier(place, type))) return 'omit';
      const around = findOwn(place.path);
      if (around === 'omit') return 'omit';
      const named = type && own.get(`#${type.code}`);
      if (named !== undefined) return around === undefined && !isOpenThrough(place.classes.slice(0, -1)) ? 'omit' : fit(named, place.node);
      if (around !== undefined) return fit(around, place.node);
      if (type === undefined && classes !== 'everything') return 'omit';
      const base = fit(general(place), place.node);
      const typed = ofClass(type?.sensitivity ?? 'identifier');
      if (typed === 'omit') return 'omit';
      return base === 'give' ? fit(typed, place.node) : base;
    },
    givesContainer: (path) => {
      const place = findPlace(recordType, path);
      if (place === undefined) return false;
      const stated = findOwn(path);
      return stated === undefined ? isOpenThrough(place.classes) : stated === 'give';
    },
  };
}

/** How far a partner under `rule` may compare and sort by a field: no further than it is given. */
export function useOf(rule: FieldRule, profile: Profile, recordType: RecordType, field: Attribute | IdentifierType): FieldUse {
  if (rule.classes === 'everything') return 'open';
  const treatments = createTreatments(rule, profile, recordType, undefined);
  if ('path' in field) {
    const place = findPlace(recordType, field.path);
    return place === undefined ? 'closed' : toUse(treatments.of(place), field.derived !== undefined);
  }
  const uses = recordType.identifierPaths.map((path): FieldUse => {
    const place = findPlace(recordType, `${path}.identifier_value`);
    return place === undefined ? 'closed' : toUse(treatments.ofIdentifier(place, field), false);
  });
  return uses.find((use) => use === 'open') ?? uses.find((use) => use === 'alone') ?? 'closed';
}

/** A year tells no age: whoever may ask for ages day by day learns the birthday. */
function toUse(treatment: Treatment, isDerived: boolean): FieldUse {
  if (treatment === 'give') return 'open';
  if (treatment === 'ask') return 'alone';
  const months = monthsOf(treatment);
  return months === undefined || isDerived ? 'closed' : { months };
}

const MONTHS: ReadonlyMap<Treatment, number> = new Map<DateStep, number>([
  ['month', 1],
  ['year', 12],
  ['5-years', 60],
  ['10-years', 120],
]);

/** The length of a date's step; undefined where the treatment is none. */
export function monthsOf(treatment: Treatment): number | undefined {
  return MONTHS.get(treatment);
}

const LEVELS: readonly PlaceLevel[] = ['country', 'region', 'district'];

/** The treatment as this field can have it: a place told no closer than it may be is given. */
function fit(treatment: Treatment, node: SchemaNode): Treatment {
  if (treatment === 'give' || treatment === 'omit' || treatment === 'ask') return treatment;
  if (MONTHS.has(treatment)) return isDate(node) ? treatment : 'omit';
  if (treatment === 'mask' || treatment === 'pseudonymise') return isFreeText(node) ? treatment : 'omit';
  const closest = LEVELS.findIndex((level) => level === treatment);
  return node.place !== undefined && LEVELS.indexOf(node.place) <= closest ? 'give' : 'omit';
}

function isDate(node: SchemaNode): boolean {
  return node.format === 'date-time';
}

function isFreeText(node: SchemaNode): boolean {
  return node.type === 'string' && node.format === undefined && node.enum === undefined && node.const === undefined;
}

/** Where in this record type's documents the fields are that a rule names: paths, and `#` with the code of an identifier type. */
function resolveFields({ fields }: FieldRule, profile: Profile, recordType: RecordType): ReadonlyMap<string, Treatment> {
  const resolved = new Map<string, Treatment>();
  for (const [name, treatment] of fields) for (const place of resolveField(profile, recordType, name)) resolved.set(place, treatment);
  return resolved;
}

/** All that a name means in a record type: a name that means two things means both. Empty where it means nothing. */
export function resolveField(profile: Profile, recordType: RecordType, name: string): readonly string[] {
  const [first, ...others] = name.split('.');
  const other = profile.recordTypes.find((candidate) => candidate.name === first && others.length > 0);
  if (other !== undefined && other !== recordType) return [];
  const bare = other === undefined ? name : others.join('.');
  const inner = recordType.entities.flatMap(({ property }) => (property === undefined ? [] : [`${property}.${bare}`]));
  const paths = [bare, ...inner].filter((path) => findPlace(recordType, path) !== undefined);
  const attribute = findAttribute(recordType, bare);
  const type = findIdentifierType(profile, bare, recordType.name);
  return [...new Set([...paths, ...(attribute === undefined ? [] : [attribute.path])]), ...(type === undefined ? [] : [`#${type.code}`])];
}
