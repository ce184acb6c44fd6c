import { SOCIAL } from '@dci/protocol';
import type { TSchema } from 'typebox';
import {
  ASSISTANCE_UNIT,
  EDUCATION,
  EMPLOYMENT_STATUS,
  FUNCTIONAL_LIMITATION,
  FUNCTIONAL_SEVERITY,
  INCOME_LEVEL,
  MARITAL_STATUS,
  OCCUPATION,
  RELATIONSHIP_TYPE,
  SEX_CATEGORY,
} from './code-lists.ts';
import { additionalAttributes, closed, code, day, decimal, entityName, integer, list, text, timestamp, yesNo } from './fields.ts';
import type { Attribute, Dimension, Operator, Profile, RecordType } from './profile.ts';

/**
 * The social registry: persons (`Member`, whose `demographic_info` is the `SRPerson`) and the groups they live in.
 * Source: SPDCI schemas, `core/v1/data` and `extensions/social/v1/data`.
 */

const EQUALITY: readonly Operator[] = ['eq', 'ne', 'in', 'nin', 'exists'];
const TEXT: readonly Operator[] = [...EQUALITY, 'prefix'];
const ORDER: readonly Operator[] = [...EQUALITY, 'lt', 'le', 'gt', 'ge'];

const identifier = closed({ identifier_type: text('identifier', 64), identifier_value: text('identifier') }, {});

const name = closed(
  {},
  {
    surname: text('name'),
    given_name: text('name'),
    second_name: text('name'),
    maiden_name: text('name'),
    prefix: text('name', 50),
    suffix: text('name', 50),
  },
);

const coordinates = closed({ latitude: decimal('location', -90, 90), longitude: decimal('location', -180, 180) }, {});

const geoLocation = closed(
  {},
  {
    plus_code: closed(
      {},
      {
        global_code: text('location', 20),
        geometry: closed({}, { bounds: closed({}, { northeast: coordinates, southwest: coordinates }), location: coordinates }),
      },
    ),
  },
);

const address = closed(
  {},
  {
    address_line_1: text('location', 500),
    address_line_2: text('location', 500),
    locality: text('location'),
    sub_region_code: { ...text('location'), place: 'district' },
    region_code: { ...text('location'), place: 'region' },
    postal_code: text('location', 32),
    country_code: { ...text('location', 32), place: 'country' },
    geo_location: geoLocation,
  },
);

const placeFields = { name: text('location'), address_line: text('location', 500), geo: coordinates };

/** Places nest in the standard; here as far as a country's levels go. */
function place(levels: number): TSchema {
  if (levels === 0) return closed({}, placeFields);
  return closed({}, { ...placeFields, contained_in_place: place(levels - 1), contains_place: list(closed({}, placeFields)) });
}

const srPerson = closed(
  { '@type': entityName('SRPerson') },
  {
    identifier: list(identifier),
    name,
    sex: code('demographic', SEX_CATEGORY),
    birth_date: day('demographic'),
    death_date: day('demographic'),
    address: list(address),
    phone_number: list(text('contact', 50)),
    email: list(text('contact', 254)),
    registration_date: timestamp('administrative'),
    last_updated: timestamp('administrative'),
  },
);

const relatedPerson = closed(
  { relationship_type: code('demographic', RELATIONSHIP_TYPE) },
  { related_member: { ...closed({}, { identifier: list(identifier), name }), ofOthers: true } },
);

const disability = closed(
  {},
  {
    disability_limitation_type: code('special', FUNCTIONAL_LIMITATION),
    functional_severity: code('special', FUNCTIONAL_SEVERITY),
  },
);

const member = closed(
  { '@type': entityName('Member'), demographic_info: srPerson },
  {
    member_identifier: list(identifier),
    // Who is related to whom is not told by the classes of a name and an identifier.
    related_person: { ...list(relatedPerson), sensitivity: 'demographic' },
    is_disabled: yesNo('special'),
    disability_info: list(disability),
    marital_status: code('demographic', MARITAL_STATUS),
    employment_status: code('demographic', EMPLOYMENT_STATUS),
    occupation: code('demographic', OCCUPATION),
    income_level: code('financial', INCOME_LEVEL),
    // The standard's list holds a placeholder (`1`, English); what the field writes are ISO 639 codes.
    language_code: { ...text('demographic', 16), pattern: '^(1|[a-z]{2,3})$' },
    education_level: code('demographic', EDUCATION),
    additional_attributes: additionalAttributes('special'),
    registration_date: timestamp('administrative'),
    last_updated: timestamp('administrative'),
  },
);

const group = closed(
  { '@type': entityName('Group') },
  {
    group_identifier: list(identifier),
    group_type: code('administrative', ASSISTANCE_UNIT),
    geographical_location: place(3),
    address: list(address),
    place_address: yesNo('administrative'),
    poverty_score: decimal('financial', -1_000_000, 1_000_000),
    poverty_score_type: text('financial', 100),
    group_head_info: member,
    // No secret to who is given the list of members.
    group_size: integer('administrative', 0, 1_000_000),
    member_list: list(member, 1_000),
    registration_date: timestamp('administrative'),
    last_updated: timestamp('administrative'),
    additional_attributes: additionalAttributes('special'),
  },
);

const personAttributes: readonly Attribute[] = [
  {
    name: 'given_name',
    synonyms: ['first_name', 'firstname'],
    path: 'demographic_info.name.given_name',
    type: 'text',
    operators: TEXT,
    indexed: true,
  },
  {
    name: 'surname',
    synonyms: ['last_name', 'lastname', 'family_name'],
    path: 'demographic_info.name.surname',
    type: 'text',
    operators: TEXT,
    indexed: true,
  },
  {
    name: 'second_name',
    synonyms: ['middle_name'],
    path: 'demographic_info.name.second_name',
    type: 'text',
    operators: TEXT,
    indexed: false,
  },
  {
    name: 'sex',
    synonyms: ['gender'],
    path: 'demographic_info.sex',
    type: 'code',
    codes: SEX_CATEGORY,
    operators: EQUALITY,
    indexed: true,
  },
  {
    name: 'birth_date',
    synonyms: ['dob', 'date_of_birth', 'birthdate'],
    path: 'demographic_info.birth_date',
    type: 'date',
    operators: ORDER,
    indexed: true,
  },
  { name: 'age', synonyms: [], path: 'demographic_info.birth_date', type: 'integer', operators: ORDER, indexed: true, derived: 'age' },
  { name: 'death_date', synonyms: ['date_of_death'], path: 'demographic_info.death_date', type: 'date', operators: ORDER, indexed: true },
  {
    name: 'locality',
    synonyms: ['location', 'city', 'town', 'village'],
    path: 'demographic_info.address.locality',
    type: 'text',
    operators: TEXT,
    indexed: true,
  },
  {
    name: 'district',
    synonyms: ['sub_region_code', 'district_code'],
    path: 'demographic_info.address.sub_region_code',
    type: 'text',
    operators: TEXT,
    indexed: true,
  },
  {
    name: 'region',
    synonyms: ['region_code', 'province', 'state'],
    path: 'demographic_info.address.region_code',
    type: 'text',
    operators: TEXT,
    indexed: true,
  },
  {
    name: 'postal_code',
    synonyms: ['postcode', 'zip', 'zip_code'],
    path: 'demographic_info.address.postal_code',
    type: 'text',
    operators: TEXT,
    indexed: true,
  },
  { name: 'marital_status', synonyms: [], path: 'marital_status', type: 'code', codes: MARITAL_STATUS, operators: EQUALITY, indexed: true },
  { name: 'is_disabled', synonyms: ['disabled'], path: 'is_disabled', type: 'boolean', operators: ['eq', 'ne', 'exists'], indexed: true },
  {
    name: 'employment_status',
    synonyms: [],
    path: 'employment_status',
    type: 'code',
    codes: EMPLOYMENT_STATUS,
    operators: EQUALITY,
    indexed: true,
  },
  { name: 'occupation', synonyms: [], path: 'occupation', type: 'code', codes: OCCUPATION, operators: EQUALITY, indexed: true },
  { name: 'income_level', synonyms: [], path: 'income_level', type: 'code', codes: INCOME_LEVEL, operators: EQUALITY, indexed: true },
  {
    name: 'education_level',
    synonyms: ['education'],
    path: 'education_level',
    type: 'code',
    codes: EDUCATION,
    operators: EQUALITY,
    indexed: true,
  },
  { name: 'registration_date', synonyms: ['registered_at'], path: 'registration_date', type: 'timestamp', operators: ORDER, indexed: true },
  { name: 'last_updated', synonyms: ['last_update'], path: 'last_updated', type: 'timestamp', operators: ORDER, indexed: true },
];

const groupAttributes: readonly Attribute[] = [
  { name: 'poverty_score', synonyms: [], path: 'poverty_score', type: 'decimal', operators: ORDER, indexed: true },
  { name: 'poverty_score_type', synonyms: [], path: 'poverty_score_type', type: 'text', operators: TEXT, indexed: true },
  {
    name: 'group_size',
    synonyms: ['household_size', 'family_size', 'members_count'],
    path: 'group_size',
    type: 'integer',
    operators: ORDER,
    indexed: true,
  },
  {
    name: 'group_type',
    synonyms: ['household_type'],
    path: 'group_type',
    type: 'code',
    codes: ASSISTANCE_UNIT,
    operators: EQUALITY,
    indexed: true,
  },
  {
    name: 'locality',
    synonyms: ['location', 'city', 'town', 'village'],
    path: 'address.locality',
    type: 'text',
    operators: TEXT,
    indexed: true,
  },
  {
    name: 'district',
    synonyms: ['sub_region_code', 'district_code'],
    path: 'address.sub_region_code',
    type: 'text',
    operators: TEXT,
    indexed: true,
  },
  {
    name: 'region',
    synonyms: ['region_code', 'province', 'state'],
    path: 'address.region_code',
    type: 'text',
    operators: TEXT,
    indexed: true,
  },
  {
    name: 'postal_code',
    synonyms: ['postcode', 'zip', 'zip_code'],
    path: 'address.postal_code',
    type: 'text',
    operators: TEXT,
    indexed: true,
  },
  { name: 'registration_date', synonyms: ['registered_at'], path: 'registration_date', type: 'timestamp', operators: ORDER, indexed: true },
  { name: 'last_updated', synonyms: ['last_update'], path: 'last_updated', type: 'timestamp', operators: ORDER, indexed: true },
];

const AGES = { from: 0, bounds: [5, 10, 15, 18, 20, 25, 30, 35, 40, 45, 50, 55, 60, 65, 70, 75, 80, 85] };
const SCORES = { bounds: [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100] };
const SIZES = { from: 0, bounds: [1, 2, 3, 4, 5, 6, 7, 10] };

const PLACES: readonly Dimension[] = [
  { name: 'region', attribute: 'region', banding: 'as-it-is' },
  { name: 'district', attribute: 'district', banding: 'as-it-is', within: 'region' },
];
const REGISTERED: readonly Dimension[] = [
  { name: 'registration_year', attribute: 'registration_date', banding: 'year' },
  { name: 'registration_month', attribute: 'registration_date', banding: 'month', within: 'registration_year' },
];

const asItIs = (attribute: string): Dimension => ({ name: attribute, attribute, banding: 'as-it-is' });

const person: RecordType = {
  name: 'person',
  document: member,
  entities: [
    { name: 'SRPerson', synonyms: ['Person', 'SR_Person', 'Individual'], property: 'demographic_info' },
    { name: 'Member', synonyms: ['household_member', 'group_member'] },
  ],
  identifierPaths: ['demographic_info.identifier', 'member_identifier'],
  attributes: personAttributes,
  matching: {
    given: ['demographic_info.name.given_name', 'demographic_info.name.second_name'],
    family: ['demographic_info.name.surname'],
    formerFamily: ['demographic_info.name.maiden_name'],
    birthDate: 'demographic_info.birth_date',
    sex: 'demographic_info.sex',
    places: ['demographic_info.address.locality', 'demographic_info.address.sub_region_code', 'demographic_info.address.region_code'],
    contacts: ['demographic_info.phone_number'],
  },
  statistics: {
    dimensions: [
      ...PLACES,
      asItIs('sex'),
      { name: 'age_band', attribute: 'age', banding: AGES },
      // For whom ages are too close.
      { name: 'birth_year', attribute: 'birth_date', banding: 'year' },
      asItIs('marital_status'),
      asItIs('is_disabled'),
      asItIs('employment_status'),
      asItIs('education_level'),
      asItIs('income_level'),
      ...REGISTERED,
    ],
    cubes: [
      ['region', 'district', 'sex', 'age_band'],
      ['region', 'sex', 'age_band', 'marital_status', 'is_disabled'],
      ['region', 'sex', 'employment_status', 'education_level', 'income_level'],
      ['region', 'district', 'sex', 'registration_year', 'registration_month'],
    ],
  },
};

const groups: RecordType = {
  name: 'group',
  document: group,
  entities: [{ name: 'Group', synonyms: ['Household', 'Family', 'SR_Group'] }],
  identifierPaths: ['group_identifier'],
  attributes: groupAttributes,
  statistics: {
    dimensions: [
      ...PLACES,
      asItIs('group_type'),
      { name: 'size_band', attribute: 'group_size', banding: SIZES },
      { name: 'score_band', attribute: 'poverty_score', banding: SCORES },
      ...REGISTERED,
    ],
    cubes: [
      ['region', 'district', 'size_band', 'score_band'],
      ['region', 'district', 'group_type', 'registration_year', 'registration_month'],
    ],
  },
  members: {
    recordType: 'person',
    entity: 'Member',
    listProperty: 'member_list',
    headProperty: 'group_head_info',
    sizeProperty: 'group_size',
  },
};

const NATIONAL_ID = ['urn:gov:national-id', 'National ID', 'NationalID', 'national_id', 'NID', 'unique_identification_number'];

export const socialProfile: Profile = {
  registry: 'social',
  aliases: ['sr'],
  regTypes: ['ns:org:RegistryType:Social', 'Social', 'SR', 'social_registry'],
  context: { '@vocab': 'https://schema.spdci.org/extensions/social/v1/' },
  identifierTypes: [
    { code: 'UIN', synonyms: NATIONAL_ID, recordType: 'person', unique: true },
    { code: 'BRN', synonyms: ['urn:gov:birth-registration', 'birth_registration_number'], recordType: 'person', unique: true },
    // Shared by the two spouses.
    {
      code: 'MRN',
      synonyms: ['urn:gov:marriage-registration', 'marriage_registration_number'],
      recordType: 'person',
      unique: false,
      sensitivity: 'demographic',
    },
    {
      code: 'DRN',
      synonyms: ['urn:gov:death-registration', 'death_registration_number'],
      recordType: 'person',
      unique: true,
      sensitivity: 'demographic',
    },
    {
      code: 'HHID',
      synonyms: ['urn:gov:household-id', 'household_id', 'group_id', 'household_identifier'],
      recordType: 'group',
      unique: true,
    },
    // What registries that number households in the series of their persons write.
    { code: 'UIN', synonyms: NATIONAL_ID, recordType: 'group', unique: true },
  ],
  recordTypes: [person, groups],
  defaultRecordType: 'person',
  notify: SOCIAL.notify,
  events: [{ name: 'NewHouseHoldMember', synonyms: ['NEW_HOUSEHOLD_MEMBER'], raisedBy: [{ kind: 'LINK', recordType: 'group' }] }],
};
