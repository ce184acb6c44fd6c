import { describe, expect, it } from 'vitest';
import {
  checkProfile,
  findAttribute,
  findEntity,
  findIdentifierType,
  findProfile,
  findProfileByRegType,
  getRecordType,
  parseIdentifier,
} from './index.ts';
import type { Profile, RecordType } from './profile.ts';
import { sensitivityOf } from './sensitivity.ts';
import { BUILT_IN_PROFILES } from './index.ts';
import { socialProfile } from './social.ts';

const person = getRecordType(socialProfile, 'person');
const group = getRecordType(socialProfile, 'group');

describe('names on the wire', () => {
  it.each(['social', 'SR'])('%s is the social registry', (name) => {
    expect(findProfile(BUILT_IN_PROFILES, name)).toBe(socialProfile);
  });

  it.each(['ns:org:RegistryType:Social', 'SOCIAL', 'sr'])('reg_type %s is the social registry', (name) => {
    expect(findProfileByRegType(BUILT_IN_PROFILES, name)).toBe(socialProfile);
  });

  it.each([
    ['Group', 'Group'],
    ['HouseHold', 'Group'],
    ['spdci:Group', 'Group'],
    ['spdci-extensions-dci:Member', 'Member'],
    ['https://schema.spdci.org/extensions/social/v1/SRPerson', 'SRPerson'],
    ['sr_person', 'SRPerson'],
    ['person', 'SRPerson'],
  ])('%s is the entity %s', (name, entity) => {
    expect(findEntity(socialProfile, name)?.entity.name).toBe(entity);
  });

  it.each(['', 'Farmer', 'constructor', 'Group:'])('%j is no entity', (name) => {
    expect(findEntity(socialProfile, name)).toBeUndefined();
  });

  it.each([
    'sex',
    'gender',
    'SEX',
    'demographic_info.sex',
    'demographic_info.person.sex',
    'person.sex',
    'SRPerson.gender',
    'demographic_info.gender',
    'Member.demographic_info.sex',
  ])('%s is the attribute sex', (name) => {
    expect(findAttribute(person, name)?.name).toBe('sex');
  });

  it.each([
    ['dob', 'birth_date'],
    ['demographic_info.birth_date', 'birth_date'],
    ['age', 'age'],
    ['name.given_name', 'given_name'],
    ['location', 'locality'],
    ['address.sub_region_code', 'district'],
    ['Member.marital_status', 'marital_status'],
  ])('%s is the attribute %s of a person', (name, attribute) => {
    expect(findAttribute(person, name)?.name).toBe(attribute);
  });

  it.each([
    ['household_size', 'group_size'],
    ['Household.poverty_score', 'poverty_score'],
    ['address.postal_code', 'postal_code'],
  ])('%s is the attribute %s of a group', (name, attribute) => {
    expect(findAttribute(group, name)?.name).toBe(attribute);
  });

  it.each([
    '',
    'poverty_score',
    'body',
    'toString',
    'demographic_info',
    'demographic_info.phone_number',
    'demographic_info.marital_status',
  ])('%j is no attribute of a person', (name) => {
    expect(findAttribute(person, name)).toBeUndefined();
  });

  it('find identifier types by code, URI and synonym, of the record type that is asked for', () => {
    for (const name of ['UIN', 'uin', 'urn:gov:national-id', 'National ID', 'NID', 'NationalID']) {
      expect(findIdentifierType(socialProfile, name)).toMatchObject({ code: 'UIN', recordType: 'person' });
      expect(findIdentifierType(socialProfile, name, 'group')).toMatchObject({ code: 'UIN', recordType: 'group' });
    }
    expect(findIdentifierType(socialProfile, 'HHID', 'person')).toBeUndefined();
    expect(parseIdentifier(socialProfile, 'urn:gov:national-id=a=b')).toEqual({ recordType: 'person', type: 'UIN', value: 'a=b' });
    expect(parseIdentifier(socialProfile, 'UIN=')).toBeUndefined();
    expect(parseIdentifier(socialProfile, 'UIN')).toBeUndefined();
  });
});

describe('sensitivity', () => {
  it.each([
    ['demographic_info.identifier.identifier_value', 'identifier'],
    ['demographic_info.name.given_name', 'name'],
    ['demographic_info.address.geo_location.plus_code.geometry.location.latitude', 'location'],
    ['demographic_info.phone_number', 'contact'],
    ['disability_info.functional_severity', 'special'],
    ['additional_attributes', 'special'],
    ['related_person.related_member.name.surname', 'name'],
    ['@type', 'public'],
  ])('of %s is %s', (path, sensitivity) => {
    expect(sensitivityOf(person, path)).toBe(sensitivity);
  });
});

describe('a profile that does not hold together', () => {
  const changed = (change: (type: RecordType) => Partial<RecordType>): Profile => ({
    ...socialProfile,
    recordTypes: [{ ...person, ...change(person) }, group],
  });
  const withAttribute = (change: object): Profile =>
    changed(({ attributes }) => ({
      attributes: attributes.map((attribute) => (attribute.name === 'sex' ? { ...attribute, ...change } : attribute)),
    }));

  it.each<[Profile, RegExp]>([
    [{ ...socialProfile, registry: 'So cial' }, /registry's name/],
    [{ ...socialProfile, defaultRecordType: 'farm' }, /default record type farm/],
    [
      {
        ...socialProfile,
        identifierTypes: [...socialProfile.identifierTypes, { code: 'nid', synonyms: [], recordType: 'person', unique: true }],
      },
      /two identifier types answer to person nid/,
    ],
    [{ ...socialProfile, identifierTypes: [{ code: 'X', synonyms: [], recordType: 'farm', unique: true }] }, /unknown record type farm/],
    [withAttribute({ path: 'demographic_info.shoe' }), /the document has no demographic_info.shoe/],
    [withAttribute({ type: 'integer' }), /integer does not fit the field at demographic_info.sex/],
    [withAttribute({ name: 'Sex' }), /its name is not made of/],
    [withAttribute({ name: `sex_${'x'.repeat(40)}` }), /too long for an index/],
    [withAttribute({ synonyms: ['DOB'] }), /two attributes answer to dob/],
    [withAttribute({ codes: undefined }), /a code needs its list/],
    [changed(() => ({ identifierPaths: ['demographic_info.name'] })), /demographic_info.name is no list of identifiers/],
    [
      changed(() => ({ entities: person.entities.filter((entity) => entity.property !== undefined) })),
      /exactly one entity is the whole document/,
    ],
    [
      changed(({ attributes }) => ({ attributes: attributes.filter((attribute) => attribute.name !== 'birth_date') })),
      /no attribute of type date/,
    ],
    [changed(() => ({ document: { type: 'object', properties: { '@type': { const: 'Member' } } } })), /accepts any property/],
  ])('is told (%#)', (profile, problem) => {
    expect(checkProfile(profile).join('\n')).toMatch(problem);
  });

  it.each(BUILT_IN_PROFILES.map((profile) => [profile.registry, profile] as const))('is none of ours: %s', (_, profile) => {
    expect(checkProfile(profile)).toEqual([]);
  });
});
