import { canonicalJson } from '@dci/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RELATIONSHIP_TYPE } from '../profiles/code-lists.ts';
import { getRecordType } from '../profiles/index.ts';
import type { Entity, RecordType } from '../profiles/profile.ts';
import { socialProfile } from '../profiles/social.ts';
import { type Document, readBody, renderBody, writeEntity } from './document.ts';

const person = getRecordType(socialProfile, 'person');
const group = getRecordType(socialProfile, 'group');

const text = fc.string({ unit: 'binary', minLength: 1, maxLength: 20 });
const attributes = fc.array(fc.dictionary(text, fc.oneof(text, fc.double({ noNaN: true, noDefaultInfinity: true }), fc.boolean())), {
  maxLength: 3,
});
const name = fc.record({ surname: text, given_name: text }, { requiredKeys: [] });
const srPerson = fc.record({ '@type': fc.constant('SRPerson'), name, sex: text, email: fc.array(text) }, { requiredKeys: ['@type'] });
const member = fc.record(
  {
    '@type': fc.constant('Member'),
    demographic_info: srPerson,
    additional_attributes: attributes,
    marital_status: text,
    related_person: fc.array(fc.record({ relationship_type: fc.constantFrom(...RELATIONSHIP_TYPE.values) })),
  },
  { requiredKeys: ['@type', 'demographic_info'] },
);
const groupDocument = fc.record(
  {
    '@type': fc.constant('Group'),
    group_type: text,
    poverty_score: fc.double({ noNaN: true, noDefaultInfinity: true }),
    additional_attributes: attributes,
    registration_date: text,
  },
  { requiredKeys: ['@type'] },
);

function entityNamed(recordType: RecordType, wanted: string): Entity {
  const found = recordType.entities.find((entity) => entity.name === wanted);
  if (found === undefined) throw new Error(wanted);
  return found;
}

function inContext(document: Document): string {
  return canonicalJson({ '@context': socialProfile.context, ...document });
}

function stored(recordType: string, body: string): { id: string; version: number; recordType: string; body: string } {
  return { id: '', version: 1, recordType, body };
}

describe('a stored person', () => {
  it('is written as Member and as SRPerson in canonical form', () => {
    fc.assert(
      fc.property(member, (document) => {
        const body = renderBody(person, document);
        expect(writeEntity(socialProfile, person, entityNamed(person, 'Member'), body)).toBe(inContext(document));
        expect(writeEntity(socialProfile, person, entityNamed(person, 'SRPerson'), body)).toBe(inContext(document.demographic_info));
        expect(readBody(person, body)).toEqual(JSON.parse(canonicalJson(document)));
      }),
    );
  });
});

describe('a stored group', () => {
  it('is written with its members and head, in canonical form', () => {
    fc.assert(
      fc.property(groupDocument, fc.array(member, { maxLength: 4 }), fc.nat(5), (document, list, headIndex) => {
        const members = list.map((entry, index) => ({ record: stored('person', renderBody(person, entry)), isHead: index === headIndex }));
        const head = list[headIndex];
        const expected = { ...document, member_list: list, ...(head === undefined ? {} : { group_head_info: head }) };
        const written = writeEntity(socialProfile, group, entityNamed(group, 'Group'), renderBody(group, document), members);
        expect(written).toBe(inContext(expected));
      }),
    );
  });

  it('is written without them when none are given', () => {
    fc.assert(
      fc.property(groupDocument, (document) => {
        const body = renderBody(group, { ...document, member_list: [{}], group_head_info: {} });
        expect(writeEntity(socialProfile, group, entityNamed(group, 'Group'), body)).toBe(inContext(document));
        expect(readBody(group, body)).toEqual(JSON.parse(canonicalJson(document)));
      }),
    );
  });
});
