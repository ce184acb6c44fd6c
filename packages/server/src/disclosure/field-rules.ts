import type { PlaceLevel, Sensitivity } from '../profiles/profile.ts';

/**
 * What becomes of a field on its way out:
 * - `give`: it leaves as it is;
 * - `omit`: it does not leave;
 * - `ask`: it does not leave, but records may be asked for by its value, one value at a time;
 * - `mask`: its last four characters leave;
 * - `pseudonymise`: a word leaves that stands for it in all that this partner is given, and nowhere else;
 * - a step (`month`, `year`, `5-years`, `10-years`): a date leaves as the first day of the month or of the years it is in;
 * - a level (`district`, `region`, `country`): of a place leaves what tells it no closer.
 * What cannot be treated so (a date masked, a name put into a district) is omitted.
 */
export type Treatment = (typeof TREATMENTS)[number];

export type DateStep = 'month' | 'year' | '5-years' | '10-years';

export const TREATMENTS = [
  'give',
  'omit',
  'ask',
  'mask',
  'pseudonymise',
  'month',
  'year',
  '5-years',
  '10-years',
  'district',
  'region',
  'country',
] as const;

/** How each class of fields, and single ones, are treated. A class that is not named is omitted. */
export interface FieldRule {
  readonly name: string;
  /** `everything`: the stored text leaves as it is. */
  readonly classes: ReadonlyMap<Sensitivity, Treatment> | 'everything';
  /** In what steps dates leave that would be given. */
  readonly dates?: DateStep | undefined;
  /** How closely places are told that would be given. */
  readonly places?: PlaceLevel | undefined;
  /** Fields by attribute, path or identifier type, with the record type in front where it matters; they go before classes. */
  readonly fields: ReadonlyMap<string, Treatment>;
}

/** The ready-made rules a partner may be given by name. */
export const FIELD_RULES: readonly FieldRule[] = [
  { name: 'full', classes: 'everything', fields: new Map() },
  {
    name: 'minimal',
    classes: giving('public', 'identifier', 'name', 'administrative'),
    fields: new Map(),
  },
  {
    name: 'eligibility',
    classes: giving('public', 'identifier', 'demographic', 'location', 'financial', 'administrative'),
    places: 'district',
    fields: new Map(),
  },
  {
    name: 'research',
    classes: new Map([...giving('public', 'demographic', 'location', 'financial', 'administrative'), ['identifier', 'pseudonymise']]),
    dates: 'year',
    places: 'district',
    fields: new Map(),
  },
  { name: 'existence', classes: new Map([['identifier', 'ask']]), fields: new Map() },
];

export function findFieldRule(name: string): FieldRule | undefined {
  return FIELD_RULES.find((rule) => rule.name === name);
}

function giving(...classes: readonly Sensitivity[]): Map<Sensitivity, Treatment> {
  return new Map(classes.map((sensitivity) => [sensitivity, 'give']));
}
