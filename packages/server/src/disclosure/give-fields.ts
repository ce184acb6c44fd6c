import { findIdentifierType } from '../profiles/index.ts';
import type { Profile, RecordType } from '../profiles/profile.ts';
import { enter, type Place, rootPlace } from '../registry/cover.ts';
import type { Document } from '../registry/document.ts';
import type { FieldRule, Treatment } from './field-rules.ts';
import type { Pseudonym } from './pseudonyms.ts';
import { createTreatments, monthsOf, type Treatments } from './treatment.ts';

/** Makes of a document what is given of it; undefined where that is nothing. */
export type GiveFields = (document: Document) => Document | undefined;

/** Makes of one value what is given of it; undefined where that is nothing. */
type Give = (value: unknown) => unknown;

interface Giving {
  readonly profile: Profile;
  readonly recordType: RecordType;
  readonly treatments: Treatments;
  readonly pseudonym: Pseudonym;
}

/**
 * Prepares a rule for the documents of a record type. What the schema does not know is not given; containers that end up
 * empty are left out; `@type` stays where anything does.
 */
export function prepareFields(
  rule: FieldRule,
  profile: Profile,
  recordType: RecordType,
  marks: ReadonlySet<string> | undefined,
  pseudonym: Pseudonym,
): GiveFields {
  const treatments = createTreatments(rule, profile, recordType, marks);
  const give = prepare(rootPlace(recordType), { profile, recordType, treatments, pseudonym });
  return (document) => give(document) as Document | undefined;
}

function prepare(place: Place, giving: Giving): Give {
  const { items, properties } = place.node;
  if (items !== undefined) return prepareList(prepare(enter(place, items, ''), giving));
  if (properties === undefined) return prepareLeaf(place, giving.treatments.of(place), giving.pseudonym);
  if (properties['identifier_type'] !== undefined && properties['identifier_value'] !== undefined)
    return prepareIdentifier(enter(place, properties['identifier_value'], 'identifier_value'), giving);
  return prepareObject(new Map(Object.entries(properties).map(([name, node]) => [name, prepare(enter(place, node, name), giving)])));
}

function prepareList(give: Give): Give {
  return (value) => {
    if (!Array.isArray(value)) return undefined;
    const given = value.map(give).filter((entry) => entry !== undefined);
    return given.length === 0 ? undefined : given;
  };
}

function prepareObject(properties: ReadonlyMap<string, Give>): Give {
  return (value) => {
    if (!isObject(value)) return undefined;
    const given: Record<string, unknown> = {};
    for (const [name, entry] of Object.entries(value)) {
      const kept = name === '@type' ? undefined : properties.get(name)?.(entry);
      if (kept !== undefined) given[name] = kept;
    }
    if (Object.keys(given).length === 0) return undefined;
    return typeof value['@type'] === 'string' ? { '@type': value['@type'], ...given } : given;
  };
}

/** Types of identifiers tell what happened in a life: the number of a death certificate is that of a dead person. */
function prepareIdentifier(place: Place, { profile, recordType, treatments, pseudonym }: Giving): Give {
  const byType = new Map<string, Give>();
  const prepareType = (code: string): Give => {
    const type = findIdentifierType(profile, code, recordType.name) ?? findIdentifierType(profile, code);
    return treat(treatments.ofIdentifier(place, type), `identifier ${code}`, pseudonym);
  };
  return (entry) => {
    if (!isObject(entry) || typeof entry['identifier_type'] !== 'string') return undefined;
    const code = entry['identifier_type'];
    let give = byType.get(code);
    if (give === undefined) {
      give = prepareType(code);
      byType.set(code, give);
    }
    const value = give(entry['identifier_value']);
    return value === undefined ? undefined : { identifier_type: code, identifier_value: value };
  };
}

function prepareLeaf(place: Place, treatment: Treatment, pseudonym: Pseudonym): Give {
  return treat(treatment, `class ${place.classes.at(-1)}`, pseudonym);
}

/** `kind`: values of one kind that are the same get the same pseudonym. */
function treat(treatment: Treatment, kind: string, pseudonym: Pseudonym): Give {
  if (treatment === 'give') return (value) => value;
  if (treatment === 'mask') return onText(mask);
  if (treatment === 'pseudonymise') return onText((value) => pseudonym(kind, value));
  const months = monthsOf(treatment);
  return months === undefined ? () => undefined : onText((value) => startOfStep(value, months));
}

function onText(give: (text: string) => string | undefined): Give {
  return (value) => (typeof value === 'string' ? give(value) : undefined);
}

const SHOWN = 4;

/** Neither how long it is, nor most of what is short. */
function mask(value: string): string {
  const characters = [...value];
  return `****${characters.length < 2 * SHOWN ? '' : characters.slice(-SHOWN).join('')}`;
}

function startOfStep(value: string, months: number): string | undefined {
  const [, year, month] = /^(\d{4})-(\d{2})-\d{2}T/.exec(value) ?? [];
  if (year === undefined || month === undefined) return undefined;
  const first = Math.floor((Number(year) * 12 + Number(month) - 1) / months) * months;
  return `${String(Math.floor(first / 12)).padStart(4, '0')}-${String((first % 12) + 1).padStart(2, '0')}-01T00:00:00Z`;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
