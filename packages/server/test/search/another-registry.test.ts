import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { closed, day, decimal, entityName, integer, list, text } from '../../src/profiles/fields.ts';
import type { Profile } from '../../src/profiles/profile.ts';
import { executeSearch } from '../../src/registry/execute.ts';
import { openReader, type Reader } from '../../src/registry/reader.ts';
import { reconcileProfile } from '../../src/registry/reconcile.ts';
import { planSearch } from '../../src/registry/search.ts';
import { putRecords } from '../../src/registry/write.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { CONTEXT, expression, identifier } from './search-fixture.ts';

/** Boats and the harbours they lie in: a registry that shares nothing with the social one but the form of a profile. */
const mark = closed({ identifier_type: text('identifier'), identifier_value: text('identifier') }, {});
const boat = closed(
  { '@type': entityName('Boat') },
  { marks: list(mark), hull: closed({}, { length: decimal('public', 0, 500), launched: day('public') }) },
);
const harbour = closed(
  { '@type': entityName('Harbour') },
  {
    codes: list(mark),
    coast: text('location'),
    berths: integer('public', 0, 10_000),
    flagship: boat,
    boats: list(boat),
    boat_count: integer('public', 0, 10_000),
  },
);

const boats: Profile = {
  registry: 'boats',
  aliases: [],
  regTypes: ['ns:org:RegistryType:Boats'],
  context: { '@vocab': 'https://boats.example/' },
  identifierTypes: [
    { code: 'HULL', synonyms: ['urn:boats:hull'], recordType: 'boat', unique: true },
    { code: 'PORT', synonyms: [], recordType: 'harbour', unique: true },
  ],
  recordTypes: [
    {
      name: 'boat',
      document: boat,
      entities: [{ name: 'Boat', synonyms: ['Vessel'] }],
      identifierPaths: ['marks'],
      attributes: [
        { name: 'length', synonyms: ['loa'], path: 'hull.length', type: 'decimal', operators: ['eq', 'lt', 'gt'], indexed: true },
        { name: 'launched', synonyms: [], path: 'hull.launched', type: 'date', operators: ['eq', 'lt', 'gt'], indexed: false },
        { name: 'years_afloat', synonyms: [], path: 'hull.launched', type: 'integer', operators: ['ge'], indexed: false, derived: 'age' },
      ],
    },
    {
      name: 'harbour',
      document: harbour,
      entities: [{ name: 'Harbour', synonyms: ['Port'] }],
      identifierPaths: ['codes'],
      attributes: [{ name: 'coast', synonyms: [], path: 'coast', type: 'text', operators: ['eq', 'prefix'], indexed: true }],
      members: { recordType: 'boat', entity: 'Boat', listProperty: 'boats', headProperty: 'flagship', sizeProperty: 'boat_count' },
    },
  ],
  defaultRecordType: 'boat',
};

const makeBoat = (hull: string, length: number, launched: string): object => ({
  '@type': 'Boat',
  marks: [{ identifier_type: 'HULL', identifier_value: hull }],
  hull: { length, launched },
});
const makeHarbour = (code: string, coast: string, members: object[]): object => ({
  '@type': 'Harbour',
  codes: [{ identifier_type: 'PORT', identifier_value: code }],
  coast,
  boats: members,
});

let test: TestDatabase;
let reader: Reader;
beforeAll(async () => {
  test = await createTestDatabase();
  await reconcileProfile(test.database, boats);
  await putRecords(test.database.db, boats, [
    makeHarbour('P1', 'north', [makeBoat('B1', 12.5, '1990-01-01'), makeBoat('B2', 30, '2020-01-01')]),
    makeHarbour('P2', 'north-east', [makeBoat('B3', 12.5, '2020-01-01')]),
  ]);
  reader = openReader(test.database, { statementTimeoutMs: 5_000 });
});
afterAll(async () => {
  await reader.close();
  await test.drop();
});

async function find(criteria: object): Promise<string[]> {
  const { records } = await executeSearch(reader, planSearch(criteria as Parameters<typeof planSearch>[0], { ...CONTEXT, profile: boats }));
  return records.map(({ body }) => /"identifier_value":"([BP]\d)"/.exec(body)?.[1] ?? '').toSorted();
}

describe('a registry made by its profile alone', () => {
  it('is searched by identifier, attribute, age and beginning', async () => {
    expect(await find(identifier('urn:boats:hull', 'B2'))).toEqual(['B2']);
    expect(await find(expression({ loa: '12.5', launched: 2020 }))).toEqual(['B3']);
    expect(await find(expression({ years_afloat: { $ge: 30 } }))).toEqual(['B1']);
    expect(await find(expression({ coast: { $regex: '^north' } }))).toEqual(['P1', 'P2']);
  });

  it('is searched through membership, either way', async () => {
    expect(await find({ ...expression({ 'hull.length': { $gt: 20 } }), response_entity: 'port' })).toEqual(['P1']);
    expect(await find({ ...expression({ coast: 'north' }), response_entity: 'Vessel', sort: [{ attribute_name: 'length' }] })).toEqual([
      'B1',
      'B2',
    ]);
    expect(await find({ ...expression({ length: 12.5, launched: 2020 }), response_entity: 'Harbour' })).toEqual(['P2']);
  });

  it('knows nothing of another', async () => {
    await expect(find(expression({ sex: 'male' }))).rejects.toMatchObject({ code: 'rjct.filter.invalid' });
    await expect(find({ ...expression({ length: 1 }), response_entity: 'Group' })).rejects.toMatchObject({
      code: 'rjct.search_criteria.invalid',
    });
  });
});
