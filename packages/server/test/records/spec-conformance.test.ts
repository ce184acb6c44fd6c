import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import * as codeLists from '../../src/profiles/code-lists.ts';
import { getRecordType } from '../../src/profiles/index.ts';
import { findSchemaTrail, type SchemaNode, schemaNode } from '../../src/profiles/schema-path.ts';
import { socialProfile } from '../../src/profiles/social.ts';

// Every field and every code of the published data objects is one that the social profile takes.
const { DCI_SPEC_DIR } = process.env;
const isAvailable = DCI_SPEC_DIR !== undefined && existsSync(DCI_SPEC_DIR);
if (!isAvailable) console.warn('skipped: conformance of the social profile (DCI_SPEC_DIR does not name the published schemas)');

interface Published {
  readonly '@graph'?: readonly { readonly '@id': string; readonly 'rdfs:label'?: string; readonly 'owl:oneOf'?: readonly string[] }[];
  readonly 'rdfs:property'?: readonly { readonly '@id': string }[];
}

function read(...path: string[]): Published {
  return JSON.parse(readFileSync(join(DCI_SPEC_DIR ?? '', 'jsonld', ...path), 'utf8')) as Published;
}

function localName(id: string): string {
  return id.slice(id.indexOf(':') + 1);
}

function publishedFields(...path: string[]): string[] {
  return (read(...path)['rdfs:property'] ?? []).map((property) => localName(property['@id']));
}

function publishedCodes(file: string): string[] {
  const graph = read('core', 'v1', 'code', `${file}.jsonld`)['@graph'] ?? [];
  const listed = graph.flatMap((entry) => entry['owl:oneOf'] ?? []);
  const defined = graph.filter((entry) => entry['owl:oneOf'] === undefined).map((entry) => entry['@id']);
  return [...new Set([...listed, ...defined].map(localName))];
}

function nodeAt(recordType: string, path: string): SchemaNode | undefined {
  const root = schemaNode(getRecordType(socialProfile, recordType).document);
  return path === '' ? root : findSchemaTrail(root, path)?.at(-1);
}

const OBJECTS: readonly [published: string, recordType: string, path: string][] = [
  ['Member', 'person', ''],
  ['Person', 'person', 'demographic_info'],
  ['Name', 'person', 'demographic_info.name'],
  ['Address', 'person', 'demographic_info.address'],
  ['Identifier', 'person', 'demographic_info.identifier'],
  ['RelatedPerson', 'person', 'related_person'],
  ['DisabilityInfo', 'person', 'disability_info'],
  ['Group', 'group', ''],
  ['Place', 'group', 'geographical_location'],
];

const LISTS: Readonly<Record<string, codeLists.CodeList | undefined>> = {
  AssistanceUnit: codeLists.ASSISTANCE_UNIT,
  DisabilityTypeEnum: codeLists.FUNCTIONAL_LIMITATION,
  EducationCode: codeLists.EDUCATION,
  EmploymentStatusEnum: codeLists.EMPLOYMENT_STATUS,
  FunctionalLimitationType: codeLists.FUNCTIONAL_LIMITATION,
  FunctionalSeverityEnum: codeLists.FUNCTIONAL_SEVERITY,
  IncomeLevelEnum: codeLists.INCOME_LEVEL,
  MaritalStatusEnum: codeLists.MARITAL_STATUS,
  OccupationEnum: codeLists.OCCUPATION,
  RelationshipTypeEnum: codeLists.RELATIONSHIP_TYPE,
  SexCategoryEnum: codeLists.SEX_CATEGORY,
};

describe.skipIf(!isAvailable)('the social profile and the published schemas', () => {
  it.each(OBJECTS)('%s: every field is there', (published, recordType, path) => {
    const node = nodeAt(recordType, path);
    const fields = Object.keys((node?.items ?? node)?.properties ?? {});
    const extensions = readdirSync(join(DCI_SPEC_DIR ?? '', 'jsonld', 'extensions', 'social', 'v1', 'data'));
    const extended = extensions.includes(`${published}.jsonld`)
      ? publishedFields('extensions', 'social', 'v1', 'data', `${published}.jsonld`)
      : [];
    expect(fields).toEqual(expect.arrayContaining([...publishedFields('core', 'v1', 'data', `${published}.jsonld`), ...extended]));
  });

  it('every code list is there, with every code', () => {
    const files = readdirSync(join(DCI_SPEC_DIR ?? '', 'jsonld', 'core', 'v1', 'code')).map((file) => file.replace('.jsonld', ''));
    const elsewhere = ['IdentifierTypeEnum', 'LanguageCodeEnum'];
    expect(Object.keys(LISTS).toSorted()).toEqual(files.filter((file) => !elsewhere.includes(file)).toSorted());
    for (const [file, list] of Object.entries(LISTS)) expect(list?.values, file).toEqual(expect.arrayContaining(publishedCodes(file)));
  });

  it('every type of identifier is there', () => {
    const codes = socialProfile.identifierTypes.map((type) => type.code);
    expect(codes).toEqual(expect.arrayContaining(publishedCodes('IdentifierTypeEnum')));
  });

  it('every language code is taken', () => {
    const pattern = (nodeAt('person', 'language_code') as { pattern?: string } | undefined)?.pattern ?? '(?!)';
    for (const code of publishedCodes('LanguageCodeEnum')) expect(code).toMatch(new RegExp(pattern));
  });
});
