import fc from 'fast-check';
import { expect, it } from 'vitest';
import { prepareFields } from '../../src/disclosure/give-fields.ts';
import { readFieldRule } from '../../src/disclosure/read-field-rule.ts';
import { SENSITIVITIES } from '../../src/profiles/index.ts';
import { socialProfile } from '../../src/profiles/social.ts';

/**
 * Whatever rule and whatever consent: what is given of a document is what a naive reading of both allows, field by field.
 * The classes stand here once more, by hand, so that a slip in the profile shows as well.
 */
const id = (type: string, value: string): object => ({ identifier_type: type, identifier_value: value });
const DOCUMENT = {
  '@type': 'Member',
  member_identifier: [id('UIN', '9000000001')],
  demographic_info: {
    '@type': 'SRPerson',
    identifier: [id('UIN', '9000000001'), id('DRN', 'D-7700001')],
    name: { given_name: 'Adelaide Anna' },
    sex: 'female',
    birth_date: '1987-06-20T00:00:00Z',
    address: [{ locality: 'Town of X', sub_region_code: 'District 1', region_code: 'Region 1', country_code: 'Country XX' }],
    phone_number: ['+15550100123'],
    last_updated: '2024-05-06T07:08:09Z',
  },
  related_person: [
    { relationship_type: 'SELF', related_member: { identifier: [id('UIN', '9000000002')], name: { given_name: 'Beatrice B' } } },
  ],
  is_disabled: true,
  income_level: '1',
};

type Kind = 'text' | 'date' | 'code' | 'district' | 'region' | 'country';
interface Leaf {
  readonly path: string;
  readonly value: unknown;
  readonly kind: Kind;
  /** The classes of what is around it and its own, which is the last. */
  readonly classes: readonly string[];
  readonly identifier?: string;
  readonly ofOthers?: true;
}

const LEAVES: readonly Leaf[] = [
  { path: 'member_identifier', value: '9000000001', kind: 'text', classes: ['identifier'], identifier: 'UIN' },
  { path: 'demographic_info.identifier', value: '9000000001', kind: 'text', classes: ['identifier'], identifier: 'UIN' },
  { path: 'demographic_info.identifier', value: 'D-7700001', kind: 'text', classes: ['identifier'], identifier: 'DRN' },
  { path: 'demographic_info.name.given_name', value: 'Adelaide Anna', kind: 'text', classes: ['name'] },
  { path: 'demographic_info.sex', value: 'female', kind: 'code', classes: ['demographic'] },
  { path: 'demographic_info.birth_date', value: '1987-06-20T00:00:00Z', kind: 'date', classes: ['demographic'] },
  { path: 'demographic_info.address.locality', value: 'Town of X', kind: 'text', classes: ['location'] },
  { path: 'demographic_info.address.sub_region_code', value: 'District 1', kind: 'district', classes: ['location'] },
  { path: 'demographic_info.address.region_code', value: 'Region 1', kind: 'region', classes: ['location'] },
  { path: 'demographic_info.address.country_code', value: 'Country XX', kind: 'country', classes: ['location'] },
  { path: 'demographic_info.phone_number', value: '+15550100123', kind: 'text', classes: ['contact'] },
  { path: 'demographic_info.last_updated', value: '2024-05-06T07:08:09Z', kind: 'date', classes: ['administrative'] },
  { path: 'related_person.relationship_type', value: 'SELF', kind: 'code', classes: ['demographic', 'demographic'] },
  {
    path: 'related_person.related_member.identifier',
    value: '9000000002',
    kind: 'text',
    classes: ['demographic', 'identifier'],
    identifier: 'UIN',
    ofOthers: true,
  },
  {
    path: 'related_person.related_member.name.given_name',
    value: 'Beatrice B',
    kind: 'text',
    classes: ['demographic', 'name'],
    ofOthers: true,
  },
  { path: 'is_disabled', value: true, kind: 'code', classes: ['special'] },
  { path: 'income_level', value: '1', kind: 'code', classes: ['financial'] },
];

const treatments = fc.constantFrom(
  'give',
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
);
const fields = fc.constantFrom(
  'demographic_info.birth_date',
  'demographic_info.address',
  'demographic_info.address.region_code',
  'demographic_info.name',
  'demographic_info',
  'related_person',
  'related_person.related_member.name',
  'is_disabled',
  'member_identifier',
);
const rules = fc.record({
  name: fc.constant('generated'),
  classes: fc.dictionary(fc.constantFrom(...SENSITIVITIES), treatments),
  fields: fc.dictionary(fc.oneof(fields, fc.constantFrom('person.UIN', 'DRN')), treatments),
  dates: fc.option(fc.constantFrom('month' as const, 'year' as const, '5-years' as const, '10-years' as const), { nil: undefined }),
  places: fc.option(fc.constantFrom('district' as const, 'region' as const, 'country' as const), { nil: undefined }),
});
type Rule = typeof rules extends fc.Arbitrary<infer T> ? T : never;
const marks = fc.option(
  fc.uniqueArray(
    fc.oneof(
      fc.constantFrom(...SENSITIVITIES),
      fields.map((path) => `.${path}`),
      fc.constantFrom('*', '#UIN', '#DRN'),
    ),
    { maxLength: 5 },
  ),
  { nil: undefined },
);

const prefixes = (path: string): string[] => path.split('.').map((_, index, names) => names.slice(0, index + 1).join('.'));
const typeClass = (code: string): string => (code === 'DRN' ? 'demographic' : 'identifier');

function isCovered(leaf: Leaf, given: readonly string[] | undefined): boolean {
  if (given === undefined || prefixes(leaf.path).some((prefix) => given.includes(`.${prefix}`))) return true;
  if (leaf.ofOthers === true) return false;
  const needed = leaf.identifier === undefined ? leaf.classes : [...leaf.classes, typeClass(leaf.identifier)];
  return (
    given.includes('*') ||
    (leaf.identifier !== undefined && given.includes(`#${leaf.identifier}`)) ||
    needed.every((name) => given.includes(name))
  );
}

function treatmentOf(leaf: Leaf, rule: Rule): string {
  const stated = prefixes(leaf.path).findLast((prefix) => rule.fields[prefix] !== undefined);
  const around = stated === undefined ? undefined : rule.fields[stated];
  const ofClass = (name: string): string => rule.classes[name as never] ?? 'omit';
  const isGated = leaf.classes.slice(0, -1).some((name) => ofClass(name) !== 'give');
  const general = (): string => {
    if (isGated) return 'omit';
    const treatment = ofClass(leaf.classes.at(-1) ?? '');
    if (treatment !== 'give') return treatment;
    if (rule.dates !== undefined && leaf.kind === 'date') return rule.dates;
    return rule.places !== undefined && leaf.classes.at(-1) === 'location' ? rule.places : 'give';
  };
  if (leaf.identifier === undefined) return around ?? general();
  if (around === 'omit') return 'omit';
  const named = rule.fields[leaf.identifier === 'UIN' ? 'person.UIN' : 'DRN'];
  if (named !== undefined) return isGated && around === undefined ? 'omit' : named;
  if (around !== undefined) return around;
  if (ofClass(typeClass(leaf.identifier)) === 'omit') return 'omit';
  return general() === 'give' ? ofClass(typeClass(leaf.identifier)) : general();
}

const LEVELS = ['country', 'region', 'district'];
const STARTS: Readonly<Record<string, (date: string) => string>> = {
  month: (date) => `${date.slice(0, 7)}-01T00:00:00Z`,
  year: (date) => `${date.slice(0, 4)}-01-01T00:00:00Z`,
  '5-years': (date) => `${Number(date.slice(0, 4)) - (Number(date.slice(0, 4)) % 5)}-01-01T00:00:00Z`,
  '10-years': (date) => `${date.slice(0, 3)}0-01-01T00:00:00Z`,
};

/** Undefined: it does not leave. */
function expectValue(leaf: Leaf, rule: Rule, given: readonly string[] | undefined): unknown {
  if (!isCovered(leaf, given)) return undefined;
  const treatment = treatmentOf(leaf, rule);
  const isText = leaf.kind !== 'date' && leaf.kind !== 'code';
  if (treatment === 'give') return leaf.value;
  if (treatment === 'mask') return isText ? `****${String(leaf.value).slice(-4)}` : undefined;
  if (treatment === 'pseudonymise') return isText ? `pseudonym of ${String(leaf.value)}` : undefined;
  if (treatment in STARTS) return leaf.kind === 'date' ? STARTS[treatment]?.(String(leaf.value)) : undefined;
  const level = LEVELS.indexOf(leaf.kind);
  return level !== -1 && level <= LEVELS.indexOf(treatment) ? leaf.value : undefined;
}

/** All values that are there, with their paths. */
function flatten(value: unknown, path = ''): string[] {
  if (Array.isArray(value)) return value.flatMap((entry) => flatten(entry, path));
  if (typeof value !== 'object' || value === null) return value === undefined ? [] : [`${path} = ${JSON.stringify(value)}`];
  if ('identifier_value' in value) return [`${path} = ${JSON.stringify(value.identifier_value)}`];
  return Object.entries(value).flatMap(([name, entry]) => (name === '@type' ? [] : flatten(entry, path === '' ? name : `${path}.${name}`)));
}

it('gives of a document what a naive reading of rule and consent allows, and nothing else', () => {
  const person = socialProfile.recordTypes[0];
  if (person === undefined) throw new Error('there are no persons');
  expect(flatten(DOCUMENT)).toEqual(LEAVES.map((leaf) => `${leaf.path} = ${JSON.stringify(leaf.value)}`));
  fc.assert(
    fc.property(rules, marks, (written, given) => {
      const rule = readFieldRule(written);
      if (rule === undefined) throw new Error('no rule');
      const give = prepareFields(rule, socialProfile, person, given && new Set(given), (_kind, value) => `pseudonym of ${value}`);
      const expected = LEAVES.flatMap((leaf) => {
        const value = expectValue(leaf, written, given);
        return value === undefined ? [] : [`${leaf.path} = ${JSON.stringify(value)}`];
      });
      expect(flatten(give(DOCUMENT))).toEqual(expected);
    }),
    { numRuns: 3_000 },
  );
});
