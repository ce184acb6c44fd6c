import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeCounted, putCounted, VALUE_OF } from '../statistics/counted-population.ts';
import { startRecordingReceiver } from '../support/recording-receiver.ts';
import { startTestApp } from '../support/test-app.ts';
import { addResearcher, type ExtractWorld, fetchBytes, getExtract, LOCAL_CALLBACKS, type Researcher } from './extract-fixture.ts';

/** Extracts from the request to the opened file. */
let world: ExtractWorld;
let researcher: Researcher;
const PERSONS = makeCounted(1_200);
const K = 10;

beforeAll(async () => {
  const test = await startTestApp({}, LOCAL_CALLBACKS);
  const receiver = await startRecordingReceiver(test.base);
  world = { test, receiver };
  await putCounted(test.database, PERSONS);
  researcher = await addResearcher(world, 'university.test');
}, 90_000);
afterAll(async () => {
  await world.test.close();
  await world.receiver.close();
});

const cellOf = (person: (typeof PERSONS)[number], names: readonly string[]): string =>
  JSON.stringify(names.map((name) => VALUE_OF[name]?.(person) ?? null));

describe('an extract', () => {
  it('has a row for each record of the classes that are large enough, and says so', async () => {
    const { rows, manifest, extract } = await getExtract(world, researcher, { dimensions: ['district', 'sex', 'registration_year'] });
    const names = ['region', 'district', 'sex', 'registration_year'];
    const persons = Map.groupBy(PERSONS, (person) => cellOf(person, names));
    const told = Map.groupBy(rows, (row) => JSON.stringify(names.map((name) => row[name])));
    expect(told.size).toBeGreaterThan(0);
    for (const [cell, members] of told) {
      expect(members.length).toBe(persons.get(cell)?.length);
      expect(members.length).toBeGreaterThanOrEqual(K);
    }
    expect(Object.keys(rows[0] ?? {})).toEqual(['pseudonym', ...names]);
    expect(new Set(rows.map(({ pseudonym }) => pseudonym)).size).toBe(rows.length);
    expect(manifest).toMatchObject({
      extract_id: extract.extract_id,
      recipient: 'university.test',
      record_type: 'SRPerson',
      format: 'ndjson',
      columns: [
        { name: 'region', attribute: 'region', banding: 'as-it-is' },
        { name: 'district', within: 'region' },
        { name: 'sex' },
        { name: 'registration_year', attribute: 'registration_date', banding: 'year' },
      ],
      pseudonym: { columns: names },
      field_rule: 'research',
      k_anonymity: {
        k: K,
        quasi_identifiers: names,
        records: rows.length,
        suppressed: PERSONS.length - rows.length,
        classes: told.size,
        smallest_class: Math.min(...[...told.values()].map(({ length }) => length)),
      },
    });
    expect(extract.records).toBe(rows.length);
  });

  it('is fetched in parts that make the whole', async () => {
    const { extract } = await getExtract(world, researcher, { dimensions: ['district', 'sex'], format: 'csv' });
    const half = Math.floor(extract.bytes / 2);
    const first = await fetchBytes(extract.url, researcher.token, { range: `bytes=0-${half - 1}` });
    const second = await fetchBytes(extract.url, researcher.token, { range: `bytes=${half}-`, 'if-range': `"${extract.sha256}"` });
    expect([first.status, second.status]).toEqual([206, 206]);
    const bytes = Buffer.concat([Buffer.from(await first.arrayBuffer()), Buffer.from(await second.arrayBuffer())]);
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(extract.sha256);
  });
});
