import Type from 'typebox';
import { describe, expect, it } from 'vitest';
import { type FieldRule, findFieldRule } from '../../src/disclosure/field-rules.ts';
import { prepareFields } from '../../src/disclosure/give-fields.ts';
import { useOf } from '../../src/disclosure/treatment.ts';
import { closed, entityName, list, text } from '../../src/profiles/fields.ts';
import type { Attribute, Profile, RecordType } from '../../src/profiles/profile.ts';

const document = closed(
  { '@type': entityName('Thing') },
  {
    title: text('name'),
    unclassified: Type.String(),
    unclassifiedList: Type.Array(Type.String()),
    relatives: { ...list(closed({}, { title: text('name') })), sensitivity: 'demographic' },
    files: list({ ...closed({}, { title: text('name') }), sensitivity: 'special' }),
    open: { ...closed({}, { title: text('name'), illness: text('special') }), sensitivity: 'administrative' },
  },
);
const recordType: RecordType = {
  name: 'thing',
  document,
  entities: [{ name: 'Thing', synonyms: [] }],
  identifierPaths: [],
  attributes: [],
};
const profile: Profile = {
  registry: 'things',
  aliases: [],
  regTypes: ['ns:org:RegistryType:Things'],
  context: {},
  identifierTypes: [],
  recordTypes: [recordType],
  defaultRecordType: 'thing',
};
const thing = {
  '@type': 'Thing',
  title: 'a',
  unclassified: 'b',
  unclassifiedList: ['c'],
  unknown: 'd',
  relatives: [{ title: 'e' }],
  files: [{ title: 'f' }],
  open: { title: 'g', illness: 'h' },
};

function rule(name: string): FieldRule {
  const found = findFieldRule(name);
  if (found === undefined) throw new Error(`no rule ${name}`);
  return found;
}

function usable(ruleName: string, path: string): boolean {
  const attribute: Attribute = { name: 'x', synonyms: [], path, type: 'text', operators: ['eq'], indexed: false };
  return useOf(rule(ruleName), profile, recordType, attribute) === 'open';
}

function give(given: FieldRule): unknown {
  return prepareFields(given, profile, recordType, undefined, (_kind, value) => value)(thing);
}

describe('the rule minimal', () => {
  it('gives nothing unclassified, and no container whose class is not given', () => {
    expect(give(rule('minimal'))).toEqual({ '@type': 'Thing', title: 'a', open: { title: 'g' } });
  });

  it.each([
    ['title', true],
    ['open.title', true],
    ['open.illness', false],
    ['relatives.title', false],
    ['files.title', false],
    ['unclassified', false],
    ['unknown', false],
  ])('may use %s: %s', (path, expected) => {
    expect(usable('minimal', path)).toBe(expected);
  });
});

describe('the rule full', () => {
  it('gives what is unclassified', () => {
    expect(give(rule('full'))).toEqual({ ...thing, unknown: undefined });
    expect(usable('full', 'unclassified')).toBe(true);
  });
});

describe('a rule of every class', () => {
  it('does not give what is unclassified', () => {
    const classes = ['public', 'name', 'demographic', 'special', 'administrative'] as const;
    const every: FieldRule = { name: 'every', classes: new Map(classes.map((name) => [name, 'give'])), fields: new Map() };
    const { title, relatives, files, open } = thing;
    expect(give(every)).toEqual({ '@type': 'Thing', title, relatives, files, open });
  });
});
