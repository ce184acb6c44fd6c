import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { describeWithSpec, publishedSchema } from '../../../protocol/test/support/published-schema.ts';
import { importLocations, LocationsError } from '../../src/services/locations.ts';
import { parseLocationsCsv } from '../../src/services/locations-csv.ts';
import { type Location, loadLocations } from '../../src/store/locations.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { startTokenServer, type TokenServer } from '../token/token-server.ts';

const CSV = `code,name,type,parent
KE,Kenya,country,
KE-01,Mombasa,county,KE
KE-01-1,"Changamwe, West",ward,KE-01
`;

let test: TestDatabase;
let server: TokenServer;
let clock = Date.now();

beforeAll(async () => {
  test = await createTestDatabase();
  server = await startTokenServer(test, { now: () => clock });
});
afterAll(async () => {
  await server.close();
  await test.drop();
});
beforeEach(async () => {
  await test.database.pool.query('delete from location');
  clock += 5_000;
});

function importCsv(text: string): Promise<number> {
  return importLocations(test.database.db, parseLocationsCsv(text));
}

async function codes(): Promise<string[]> {
  return (await loadLocations(test.database.db)).map(({ code }) => code);
}

function fetchDocument(headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${server.origin}/.well-known/locations.json`, { headers });
}

describe('importing places', () => {
  it('reads names, types and parents, in whatever order the columns stand', async () => {
    expect(await importCsv(`\uFEFFParent,Type,Name,Code,remarks\r\n,country, Kenya ,KE,x\r\nKE,county,Mombasa,KE-01,\r\n`)).toBe(2);
    expect(await loadLocations(test.database.db)).toEqual([
      { code: 'KE', name: 'Kenya', type: 'country', parent: null },
      { code: 'KE-01', name: 'Mombasa', type: 'county', parent: 'KE' },
    ]);
  });

  it('writes what is new or different, and nothing twice', async () => {
    expect(await importCsv(CSV)).toBe(3);
    expect(await importCsv(CSV)).toBe(0);
    expect(await importCsv(CSV.replace('Mombasa', 'Mombasa County'))).toBe(1);
    expect(await importCsv('code,name,type,parent\nKE-02,Kwale,county,KE\n')).toBe(1);
    expect(await codes()).toEqual(['KE', 'KE-01', 'KE-01-1', 'KE-02']);
  });

  it.each([
    ['an unknown parent', `${CSV}KE-99,Nowhere,county,XX\n`, /KE-99 lies in XX, which is not known/],
    ['a place within itself', `${CSV}A,A,x,A\n`, /A lies within itself: A in A/],
    ['a circle', `${CSV}A,A,x,B\nB,B,x,C\nC,C,x,A\n`, /A lies within itself: A in B in C in A/],
    ['a way into a circle', `${CSV}D,D,x,A\nA,A,x,B\nB,B,x,A\n`, /A lies within itself: A in B in A/],
    ['a repeated code', `${CSV}KE,Kenya again,country,\n`, /the code KE stands more than once/],
    ['a missing column', 'code,name,type\nKE,Kenya,country\n', /missing: parent/],
    ['an empty name', `${CSV}KE-02,,county,KE\n`, /row 4 has no name/],
    ['an empty code', `${CSV},Kwale,county,KE\n`, /row 4 has no code/],
    ['too few columns', `${CSV}KE-02,Kwale\n`, /refused/],
    ['a NUL', `${CSV}KE-02,Kw\u0000ale,county,KE\n`, /row 4/],
    ['a quote that does not end', `${CSV}KE-02,"Kwale,county,KE\n`, /refused/],
  ])('refuses the whole file for %s', async (_name, text, message) => {
    await expect(Promise.resolve(text).then(importCsv)).rejects.toThrow(message);
    await expect(Promise.resolve(text).then(importCsv)).rejects.toThrow(LocationsError);
    expect(await codes()).toEqual([]);
  });

  it('refuses a circle that closes through places known already', async () => {
    await importCsv(CSV);
    await expect(importCsv('code,name,type,parent\nKE,Kenya,country,KE-01-1\n')).rejects.toThrow(/lies within itself/);
    expect((await loadLocations(test.database.db)).find(({ code }) => code === 'KE')?.parent).toBeNull();
  });

  it('lets no two imports close a circle together', async () => {
    await importCsv('code,name,type,parent\nA,A,x,\nB,B,x,\n');
    const halves: Location[] = [
      { code: 'A', name: 'A', type: 'x', parent: 'B' },
      { code: 'B', name: 'B', type: 'x', parent: 'A' },
    ];
    const outcomes = await Promise.allSettled(halves.map((half) => importLocations(test.database.db, [half])));
    expect(outcomes.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
  });

  it('reads a deep chain and a long file', async () => {
    const chain = Array.from({ length: 12_000 }, (_, index) => `P${index},Place ${index},x,${index === 0 ? '' : `P${index - 1}`}`);
    expect(await importCsv(`code,name,type,parent\n${chain.join('\n')}\n`)).toBe(12_000);
  });
});

describe('the published places', () => {
  it('are the whole tree, with the time of its last change', async () => {
    await importCsv(CSV);
    const response = await fetchDocument();
    expect(response.headers.get('content-type')).toBe('application/json; charset=utf-8');
    const document = (await response.json()) as Record<string, unknown>;
    expect(document).toMatchObject({ '@type': 'LocationHierarchy', last_updated: expect.stringMatching(/^\d{4}-.*Z$/) });
    expect(document['locations']).toContainEqual({
      '@type': 'Place',
      id: 'KE-01-1',
      identifier: [{ '@type': 'PropertyValue', name: 'code', identifier: 'KE-01-1' }],
      name: 'Changamwe, West',
      additional_type: 'ward',
      contained_in_place: 'KE-01',
      containedInPlace: 'KE-01',
    });
  });

  it('may be kept, and are sent again only when they changed', async () => {
    await importCsv(CSV);
    const first = await fetchDocument();
    const etag = first.headers.get('etag') ?? '';
    expect(first.headers.get('cache-control')).toBe('public, max-age=300');
    const same = await fetchDocument({ 'if-none-match': `"other", W/${etag}` });
    expect([same.status, await same.text(), same.headers.get('etag')]).toEqual([304, '', etag]);
    await importCsv(CSV.replace('Kenya', 'Republic of Kenya'));
    clock += 5_000;
    const changed = await fetchDocument({ 'if-none-match': etag });
    expect(changed.status).toBe(200);
    expect(changed.headers.get('etag')).not.toBe(etag);
  });

  it('are an empty list where there are none', async () => {
    expect(await (await fetchDocument()).json()).toMatchObject({ locations: [] });
  });
});

describe('the published keys', () => {
  it('may be kept, and are sent again only when they changed', async () => {
    const first = await fetch(`${server.origin}/.well-known/jwks.json`);
    const etag = first.headers.get('etag') ?? '';
    expect(first.headers.get('cache-control')).toBe('public, max-age=300');
    expect(await first.json()).toEqual(server.signingKeys.jwks());
    const same = await fetch(`${server.origin}/.well-known/jwks.json`, { headers: { 'if-none-match': etag } });
    expect(same.status).toBe(304);
  });
});

describeWithSpec('the published schemas', () => {
  it('accept the places', async () => {
    const accepts = publishedSchema('locations').response('/.well-known/locations.json', '200');
    for (const text of ['code,name,type,parent\n', CSV]) {
      await importCsv(text);
      clock += 5_000;
      const document: unknown = await (await fetchDocument()).json();
      accepts(document);
      expect(accepts.errors ?? []).toEqual([]);
    }
  });

  it('accept the keys', async () => {
    const response = await fetch(`${server.origin}/.well-known/jwks.json`);
    const accepts = publishedSchema('jwks').response('/.well-known/jwks.json', '200');
    accepts(await response.json());
    expect(accepts.errors ?? []).toEqual([]);
  });
});
