import { closed, day, entityName, integer, list, text } from '../../src/profiles/fields.ts';
import type { Profile } from '../../src/profiles/profile.ts';

/** A small registry that has nothing to do with the built-in ones: pupils, and the classes they sit in. */
const identifier = closed({ identifier_type: text('identifier', 64), identifier_value: text('identifier') }, {});

const pupil = closed(
  { '@type': entityName('Pupil'), pupil_number: list(identifier) },
  { full_name: text('name'), born: day('demographic'), grade: integer('public', 1, 13), favourite_subject: text('special') },
);

const schoolClass = closed(
  { '@type': entityName('SchoolClass') },
  { class_number: list(identifier), room: text('location'), headcount: integer('public', 0, 100), pupils: list(pupil), speaker: pupil },
);

export const schoolProfile: Profile = {
  registry: 'school',
  aliases: ['education'],
  regTypes: ['ns:org:RegistryType:School'],
  context: { '@vocab': 'https://school.example.org/terms/' },
  identifierTypes: [
    { code: 'PUPIL', synonyms: ['urn:school:pupil'], recordType: 'pupil', unique: true },
    { code: 'CLASS', synonyms: [], recordType: 'class', unique: true },
  ],
  recordTypes: [
    {
      name: 'pupil',
      document: pupil,
      entities: [{ name: 'Pupil', synonyms: ['Student'] }],
      identifierPaths: ['pupil_number'],
      attributes: [
        { name: 'full_name', synonyms: [], path: 'full_name', type: 'text', operators: ['eq', 'prefix'], indexed: true },
        { name: 'born', synonyms: ['birth_date'], path: 'born', type: 'date', operators: ['eq', 'lt', 'gt'], indexed: true },
        { name: 'age', synonyms: [], path: 'born', type: 'integer', operators: ['eq', 'lt', 'gt'], indexed: true, derived: 'age' },
        { name: 'grade', synonyms: ['year'], path: 'grade', type: 'integer', operators: ['eq', 'lt', 'gt', 'in'], indexed: true },
      ],
    },
    {
      name: 'class',
      document: schoolClass,
      entities: [{ name: 'SchoolClass', synonyms: ['Class'] }],
      identifierPaths: ['class_number'],
      attributes: [
        { name: 'room', synonyms: [], path: 'room', type: 'text', operators: ['eq'], indexed: true },
        { name: 'headcount', synonyms: [], path: 'headcount', type: 'integer', operators: ['eq', 'lt', 'gt'], indexed: false },
      ],
      members: { recordType: 'pupil', entity: 'Pupil', listProperty: 'pupils', headProperty: 'speaker', sizeProperty: 'headcount' },
    },
  ],
  defaultRecordType: 'pupil',
};
