import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { socialProfile } from '../profiles/social.ts';
import type { Document } from './document.ts';
import { MAX_DOCUMENT_BYTES, prepareRecord } from './prepare-record.ts';

const uin = { identifier_type: 'UIN', identifier_value: '1' };

function documentOf(input: unknown, typeName?: string): Document {
  const prepared = prepareRecord(socialProfile, input, typeName);
  if (!prepared.ok) throw new Error(JSON.stringify(prepared.problems));
  return prepared.record.document;
}

function problemsOf(input: unknown, typeName?: string): string[] {
  const prepared = prepareRecord(socialProfile, input, typeName);
  return prepared.ok ? [] : prepared.problems.map(({ pointer, text }) => `${pointer} ${text}`);
}

function person(demographic: object, rest: object = {}): object {
  return { '@type': 'Member', demographic_info: { identifier: [uin], ...demographic }, ...rest };
}

describe('what is read', () => {
  it('comes into one form: codes, dates, numbers, text, single values', () => {
    const demographic = {
      '@type': 'Person',
      sex: 'F',
      birth_date: '1985-05-20',
      registration_date: '2020-09-21T13:20:00+02:00',
      name: { '@type': 'Name', given_name: '  Jose\u0301 ', second_name: ' ', surname: '' },
      phone_number: '+1 555',
      address: { '@id': 'Address_1', locality: 'Thani', geo_location: null },
      email: [],
    };
    const rest = {
      marital_status: 'Single',
      is_disabled: '0',
      education_level: 3,
      related_person: {},
      additional_attributes: [{ key: 'shoe size', value: 44 }],
    };
    expect(documentOf(person(demographic, rest))).toEqual({
      '@type': 'Member',
      demographic_info: {
        '@type': 'SRPerson',
        identifier: [uin],
        sex: 'female',
        birth_date: '1985-05-20T00:00:00Z',
        registration_date: '2020-09-21T11:20:00Z',
        name: { given_name: 'José' },
        phone_number: ['+1 555'],
        address: [{ locality: 'Thani' }],
      },
      marital_status: 'S',
      is_disabled: false,
      education_level: '3',
      additional_attributes: [{ key: 'shoe size', value: 44 }],
    });
  });

  it('is a person whether it comes as Member or as SRPerson, and known by its shape', () => {
    const member = documentOf(person({}));
    expect(documentOf({ '@type': 'spdci:SRPerson', identifier: [uin] })).toEqual(member);
    expect(
      documentOf({ '@type': 'https://schema.spdci.org/extensions/social/v1/Member', demographic_info: { identifier: [uin] } }),
    ).toEqual(member);
    expect(documentOf({ identifier: [uin] })).toEqual(member);
    expect(documentOf({ demographic_info: { identifier: [uin] } }, 'person')).toEqual(member);
    expect(documentOf({ identifier: [uin] }, 'Person')).toEqual(member);
    expect(documentOf({ '@context': {}, '@id': 'x', group_identifier: [uin], poverty_score: '4.0' })).toEqual({
      '@type': 'Group',
      group_identifier: [uin],
      poverty_score: 4,
    });
  });

  it('names identifier types as the profile does', () => {
    const identifiers = ['urn:gov:national-id', 'nid', 'National ID'].map((type, index) => ({
      identifier_type: type,
      identifier_value: String(index),
    }));
    expect(documentOf(person({ identifier: identifiers }))).toMatchObject({
      demographic_info: { identifier: ['0', '1', '2'].map((value) => ({ identifier_type: 'UIN', identifier_value: value })) },
    });
  });
});

describe('what is refused', () => {
  it.each<[string, unknown, string]>([
    ['no object', [], ' is no object'],
    ['no type', { shoe: 1 }, ' has no @type, and its fields do not tell what it is'],
    ['a foreign type', { '@type': 'Farmer' }, '/@type is no entity of this registry'],
    ['a field that is not declared', person({ shoe: 1 }), '/demographic_info/shoe is not a field of this registry'],
    ['a field of the prototype', person({}, JSON.parse('{"__proto__": {"a": 1}}')), '/__proto__ is not a field of this registry'],
    ['a code that is none', person({ sex: 'yes' }), '/demographic_info/sex is not one of the codes male, female, other, unknown'],
    ['a date that is none', person({ birth_date: '20.5.1985' }), '/demographic_info/birth_date is no date in ISO 8601, e.g. 1985-05-20'],
    [
      'NUL',
      person({ name: { given_name: 'a\u0000' } }),
      '/demographic_info/name/given_name contains a NUL character or half of a surrogate pair',
    ],
    [
      'half a surrogate pair',
      person({ name: { surname: '\ud800' } }),
      '/demographic_info/name/surname contains a NUL character or half of a surrogate pair',
    ],
    [
      'the same in a free name',
      person({}, { additional_attributes: [{ '\ud800': 1 }] }),
      '/additional_attributes/0/\ud800 contains a NUL character or half of a surrogate pair',
    ],
    [
      'text that is too long',
      person({ name: { surname: 'x'.repeat(201) } }),
      '/demographic_info/name/surname must not have more than 200 characters',
    ],
    ['a wrong type', person({ name: 'Ada' }), '/demographic_info/name must be object'],
    ['a number out of bounds', { '@type': 'Group', group_identifier: [uin], group_size: 1e300 }, '/group_size must be <= 1000000'],
    [
      'a number that is none',
      JSON.parse('{"@type": "Group", "group_identifier": [{"identifier_type": "UIN", "identifier_value": "1"}], "poverty_score": 1e999}'),
      '/poverty_score must be number',
    ],
    [
      'an identifier type that is none',
      person({ identifier: [{ identifier_type: 'SHOE', identifier_value: '44' }] }),
      '/demographic_info/identifier/0/identifier_type is no type of identifier of a person (UIN, BRN, MRN, DRN)',
    ],
    [
      'nothing to know it by',
      { '@type': 'Member', demographic_info: { sex: 'male' } },
      ' has no identifier by which it is known (one of UIN, BRN, DRN)',
    ],
    ['an SRPerson without it', { '@type': 'SRPerson', sex: 'hot' }, '/sex is not one of the codes male, female, other, unknown'],
    ['nothing', { '@type': 'Group' }, ' is empty'],
    ['a list that is none', { '@type': 'Group', group_identifier: [uin], member_list: {} }, '/member_list is no list'],
    [
      'a member that is a group',
      { '@type': 'Group', group_identifier: [uin], member_list: [{ '@type': 'Group' }] },
      '/member_list/0/@type is no person, which was asked for',
    ],
    [
      'too many members',
      { '@type': 'Group', group_identifier: [uin], member_list: Array.from({ length: 1_001 }, () => ({})) },
      '/member_list has more than 1000 members',
    ],
    [
      'a head that is bad',
      { '@type': 'Group', group_identifier: [uin], group_head_info: person({ sex: 1 }) },
      '/group_head_info/demographic_info/sex is not one of the codes male, female, other, unknown',
    ],
  ])('%s', (_, input, problem) => {
    expect(problemsOf(input)).toEqual([problem]);
  });

  it('a document that is too large', () => {
    const additional_attributes = Array.from({ length: 40 }, (_, index) => ({ key: String(index), value: 'é'.repeat(1_500) }));
    expect(problemsOf(person({}, { additional_attributes }))).toEqual([` is larger than ${MAX_DOCUMENT_BYTES} bytes`]);
  });

  it('never by an exception, whatever the JSON', () => {
    const field = fc.constantFrom(
      '@type',
      'demographic_info',
      'identifier',
      'member_list',
      'group_head_info',
      'group_identifier',
      'address',
      'sex',
      'birth_date',
      'additional_attributes',
      'poverty_score',
    );
    const json = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        fc.jsonValue({ maxDepth: 1 }),
        fc.constantFrom('Group', 'Member', 'UIN', 'F'),
        fc.array(tie('value'), { maxLength: 3 }),
        tie('object'),
      ),
      object: fc.dictionary(fc.oneof(field, fc.string()), tie('value'), { maxKeys: 4 }),
    })).object;
    fc.assert(
      fc.property(json, fc.option(fc.constantFrom('person', 'group', 'Member'), { nil: undefined }), (input, typeName) => {
        expect(prepareRecord(socialProfile, input, typeName)).toHaveProperty('ok');
      }),
      { numRuns: 2_000 },
    );
  });
});
