import { describe, expect, it } from 'vitest';
import { type FieldRule, findFieldRule } from '../../src/disclosure/field-rules.ts';
import { prepareFields } from '../../src/disclosure/give-fields.ts';
import { createPseudonyms } from '../../src/disclosure/pseudonyms.ts';
import { readFieldRule } from '../../src/disclosure/read-field-rule.ts';
import { useOf } from '../../src/disclosure/treatment.ts';
import { findAttribute, findIdentifierType } from '../../src/profiles/index.ts';
import { socialProfile } from '../../src/profiles/social.ts';
import type { OwnFieldRule } from '../../src/store/partners.ts';

/** What each rule makes of one person, and how far it lets each field be asked for. */
const [person, group] = socialProfile.recordTypes;
if (person === undefined || group === undefined) throw new Error('the social registry has persons and groups');
const pseudonyms = createPseudonyms(Buffer.alloc(32, 1));

const numbers = (given: Record<string, string>): object[] =>
  Object.entries(given).map(([identifier_type, identifier_value]) => ({ identifier_type, identifier_value }));

const PERSON = {
  '@type': 'Member',
  member_identifier: numbers({ UIN: '9000000001' }),
  demographic_info: {
    '@type': 'SRPerson',
    identifier: numbers({ UIN: '9000000001', DRN: 'D-77' }),
    name: { given_name: 'Ada', surname: 'Test' },
    sex: 'female',
    birth_date: '1987-06-20T00:00:00Z',
    address: [
      { address_line_1: '1 Road', locality: 'Town', sub_region_code: 'D-1', region_code: 'R-1', postal_code: '123', country_code: 'XX' },
    ],
    phone_number: ['+15550100123', '1234567'],
    registration_date: '2022-01-10T08:00:00Z',
  },
  related_person: [
    { relationship_type: 'SELF', related_member: { identifier: numbers({ UIN: '9000000002' }), name: { given_name: 'Bea' } } },
  ],
  is_disabled: true,
  income_level: '1',
  additional_attributes: [{ note: 'Ada of 1 Road' }],
};

function own(rule: Omit<OwnFieldRule, 'name'>): FieldRule {
  const read = readFieldRule({ name: 'own', ...rule });
  if (read === undefined) throw new Error('no such rule');
  return read;
}

function named(name: string): FieldRule {
  const rule = findFieldRule(name);
  if (rule === undefined) throw new Error(`no rule ${name}`);
  return rule;
}

const give = (rule: FieldRule, marks?: ReadonlySet<string>, document: object = PERSON): unknown =>
  prepareFields(rule, socialProfile, person, marks, pseudonyms.of('p1'))(document as Record<string, unknown>);

function use(rule: FieldRule, name: string): unknown {
  const field = findAttribute(person as NonNullable<typeof person>, name) ?? findIdentifierType(socialProfile, name, 'person');
  if (field === undefined) throw new Error(`nothing is called ${name}`);
  return useOf(rule, socialProfile, person as NonNullable<typeof person>, field);
}

const EVERY_FIELD = [...person.attributes.map(({ name }) => name), 'UIN', 'BRN', 'MRN', 'DRN'];
const usable = (rule: FieldRule): object =>
  Object.fromEntries(EVERY_FIELD.flatMap((name) => (use(rule, name) === 'closed' ? [] : [[name, use(rule, name)]])));

describe('the ready-made rules', () => {
  it('full gives and compares everything', () => {
    expect(give(named('full'))).toEqual(PERSON);
    expect(Object.keys(usable(named('full')))).toEqual(EVERY_FIELD);
  });

  it('minimal gives who somebody is', () => {
    expect(give(named('minimal'))).toEqual({
      '@type': 'Member',
      member_identifier: numbers({ UIN: '9000000001' }),
      demographic_info: {
        '@type': 'SRPerson',
        identifier: numbers({ UIN: '9000000001' }),
        name: { given_name: 'Ada', surname: 'Test' },
        registration_date: '2022-01-10T08:00:00Z',
      },
    });
  });

  it('eligibility gives what a programme decides on, and neither name, contact, disability nor where the house is', () => {
    expect(give(named('eligibility'))).toEqual({
      '@type': 'Member',
      member_identifier: numbers({ UIN: '9000000001' }),
      demographic_info: {
        '@type': 'SRPerson',
        identifier: numbers({ UIN: '9000000001', DRN: 'D-77' }),
        sex: 'female',
        birth_date: '1987-06-20T00:00:00Z',
        address: [{ sub_region_code: 'D-1', region_code: 'R-1', country_code: 'XX' }],
        registration_date: '2022-01-10T08:00:00Z',
      },
      related_person: [{ relationship_type: 'SELF', related_member: { identifier: numbers({ UIN: '9000000002' }) } }],
      income_level: '1',
    });
    expect(usable(named('eligibility'))).toMatchObject({ UIN: 'open', birth_date: 'open', age: 'open', district: 'open', region: 'open' });
    for (const closed of ['given_name', 'locality', 'postal_code', 'is_disabled']) expect(use(named('eligibility'), closed)).toBe('closed');
  });

  it('research gives no direct identifier, years for dates and districts for places', () => {
    const word = pseudonyms.of('p1')('identifier UIN', '9000000001');
    const given = give(named('research'));
    expect(given).toEqual({
      '@type': 'Member',
      member_identifier: numbers({ UIN: word }),
      demographic_info: {
        '@type': 'SRPerson',
        identifier: numbers({ UIN: word, DRN: pseudonyms.of('p1')('identifier DRN', 'D-77') }),
        sex: 'female',
        birth_date: '1987-01-01T00:00:00Z',
        address: [{ sub_region_code: 'D-1', region_code: 'R-1', country_code: 'XX' }],
        registration_date: '2022-01-01T00:00:00Z',
      },
      related_person: [
        {
          relationship_type: 'SELF',
          related_member: { identifier: numbers({ UIN: pseudonyms.of('p1')('identifier UIN', '9000000002') }) },
        },
      ],
      income_level: '1',
    });
    expect(usable(named('research'))).toMatchObject({ birth_date: { months: 12 }, registration_date: { months: 12 }, district: 'open' });
    for (const closed of ['UIN', 'age', 'given_name', 'locality', 'is_disabled']) expect(use(named('research'), closed)).toBe('closed');
  });

  it('existence gives nothing, and lets one ask by an identifier alone', () => {
    expect(give(named('existence'))).toBeUndefined();
    expect(usable(named('existence'))).toEqual({ UIN: 'alone', BRN: 'alone' });
  });
});

describe('a rule of its own', () => {
  it('treats single fields before their classes', () => {
    const rule = own({
      extends: 'minimal',
      classes: { contact: 'mask', name: 'omit' },
      fields: { birth_date: '10-years', 'person.surname': 'give', UIN: 'mask', is_disabled: 'give', address: 'region' },
    });
    expect(give(rule)).toEqual({
      '@type': 'Member',
      member_identifier: numbers({ UIN: '****0001' }),
      demographic_info: {
        '@type': 'SRPerson',
        identifier: numbers({ UIN: '****0001' }),
        name: { surname: 'Test' },
        birth_date: '1980-01-01T00:00:00Z',
        address: [{ region_code: 'R-1', country_code: 'XX' }],
        phone_number: ['****0123', '****'],
        registration_date: '2022-01-10T08:00:00Z',
      },
      is_disabled: true,
    });
    expect(usable(rule)).toEqual({
      surname: 'open',
      birth_date: { months: 120 },
      region: 'open',
      is_disabled: 'open',
      registration_date: 'open',
      last_updated: 'open',
      BRN: 'open',
    });
  });

  it('that takes a field away from full takes its search away', () => {
    const rule = own({ extends: 'full', fields: { additional_attributes: 'omit', phone_number: 'omit', marital_status: 'omit' } });
    expect(JSON.stringify(give(rule))).not.toMatch(/1 Road of|\+15550100123|additional/);
    expect(use(rule, 'marital_status')).toBe('closed');
    expect(use(rule, 'sex')).toBe('open');
  });

  it.each([
    ['a code', { sex: 'mask' }],
    ['a code', { sex: 'pseudonymise' }],
    ['a date', { birth_date: 'mask' }],
    ['a name', { given_name: 'year' }],
    ['a town, which has no level', { locality: 'district' }],
    ['a yes or no', { is_disabled: 'pseudonymise' }],
  ])('omits %s that it cannot treat so', (_what, fields) => {
    const [name = ''] = Object.keys(fields);
    const rule = own({ extends: 'full', fields: fields as Record<string, string> });
    const { related_person: _, ...alone } = PERSON;
    expect(JSON.stringify(give(rule, undefined, alone))).not.toContain(`"${name}"`);
    expect(use(rule, name)).toBe('closed');
  });

  it('gives nothing that it does not name', () => {
    expect(give(own({}))).toBeUndefined();
    expect(usable(own({}))).toEqual({});
  });
});

describe('a consent', () => {
  it('only takes away, and covers relatives by their own name only', () => {
    expect(give(named('full'), new Set())).toBeUndefined();
    expect(give(named('minimal'), new Set(['contact', 'location']))).toBeUndefined();
    expect(give(named('full'), new Set(['name', '#DRN', '.is_disabled', 'demographic']))).toEqual({
      '@type': 'Member',
      demographic_info: {
        '@type': 'SRPerson',
        identifier: numbers({ DRN: 'D-77' }),
        name: { given_name: 'Ada', surname: 'Test' },
        sex: 'female',
        birth_date: '1987-06-20T00:00:00Z',
      },
      related_person: [{ relationship_type: 'SELF' }],
      is_disabled: true,
    });
    expect(JSON.stringify(give(named('full'), new Set(['*'])))).not.toMatch(/9000000002|Bea/);
    expect(JSON.stringify(give(named('full'), new Set(['*', '.related_person'])))).toMatch(/9000000002.*Bea/);
  });

  it('for identifiers does not cover one that tells more, and its class alone does not either', () => {
    const types = (marks: string[]): unknown =>
      JSON.stringify(give(named('full'), new Set(marks)) ?? {}).match(/"identifier_type":"\w+"/g) ?? [];
    expect(types(['identifier'])).not.toContain('"identifier_type":"DRN"');
    expect(types(['demographic'])).toEqual([]);
    expect(types(['identifier', 'demographic'])).toContain('"identifier_type":"DRN"');
  });
});

describe('pseudonyms', () => {
  it('join what one partner is given, and nothing across two', () => {
    const [first, second] = [pseudonyms.of('p1'), pseudonyms.of('p2')];
    expect(first('identifier UIN', '1')).toBe(createPseudonyms(Buffer.alloc(32, 1)).of('p1')('identifier UIN', '1'));
    expect(first('identifier UIN', '1')).not.toBe(first('identifier UIN', '2'));
    expect(first('identifier UIN', '1')).not.toBe(first('identifier BRN', '1'));
    expect(first('identifier UIN', '1')).not.toBe(second('identifier UIN', '1'));
    expect(first('identifier UIN', '1')).not.toBe(createPseudonyms(Buffer.alloc(32, 2)).of('p1')('identifier UIN', '1'));
    expect(first('identifier UIN', '1')).toMatch(/^[\w-]{22}$/);
  });
});
