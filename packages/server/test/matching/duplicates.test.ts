import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { deleteRecord, putRecords } from '../../src/registry/write.ts';
import { loadMatchBackground } from '../../src/registry/matching/match-background.ts';
import { keepMatchIndex } from '../../src/registry/matching/keep-match-index.ts';
import { refreshStatistics } from '../../src/registry/statistics.ts';
import { type DuplicatePair, findDuplicates } from '../../src/services/find-duplicates.ts';
import { addDuplicates, type Duplicate } from '../../src/profiles/population/duplicates.ts';
import { generateSocialPopulation } from '../../src/profiles/population/social-population.ts';
import { openRegistry, person, type RegistryFixture, uin } from '../records/registry-fixture.ts';

let registry: RegistryFixture;

beforeAll(async () => {
  registry = await openRegistry();
});
afterAll(() => registry.close());

const named = (value: string, given: string, surname: string, born: string, locality = 'Riverton'): Record<string, unknown> =>
  person(value, {}, { name: { given_name: given, surname }, birth_date: born, address: [{ locality }] });

const keep = (): Promise<void> => keepMatchIndex(registry.database, [registry.profile]);

/** Keeps the index until it is as told: events wait for every older transaction of the cluster, those of other tests too. */
const keepUntil = (isAsTold: () => Promise<unknown>): Promise<unknown> =>
  vi.waitFor(
    async () => {
      await keep();
      await isAsTold();
    },
    { timeout: 30_000, interval: 50 },
  );

async function countKeyed(): Promise<number> {
  return Number((await registry.rows('select count(*) from match_index'))[0]?.['count']);
}

async function find(least = 0.9): Promise<DuplicatePair[]> {
  const [recordType] = registry.profile.recordTypes;
  if (recordType === undefined) throw new Error('the profile has no record type');
  const found: DuplicatePair[] = [];
  const search = { profile: registry.profile, recordType, least, tell: () => undefined };
  for await (const pair of findDuplicates(registry.database, search)) found.push(pair);
  return found;
}

async function idOf(value: string): Promise<string> {
  const [row] = await registry.rows(`select record_id from identifier where type = 'UIN' and value = $1 and valid_to is null`, [value]);
  return String(row?.['record_id']);
}

describe('the match index', () => {
  it('follows what is written, changed and deleted, and nothing but persons', async () => {
    await putRecords(registry.database.db, registry.profile, [
      named('1', 'Aminata', 'Diallo', '1990-04-23'),
      named('2', 'Amynata', 'Dialo', '1990-04-23'),
      named('3', 'Ruth', 'Baker', '1955-11-30', 'Hilltop'),
    ]);
    await keepUntil(async () => expect(await countKeyed()).toBe(3));
    const [before] = await registry.rows('select keys from match_index where record_id = $1', [await idOf('3')]);
    await putRecords(registry.database.db, registry.profile, [named('3', 'Ruth', 'Baker', '1955-11-29', 'Hilltop')]);
    await keepUntil(async () => {
      const [after] = await registry.rows('select keys from match_index where record_id = $1', [await idOf('3')]);
      expect(after?.['keys']).not.toEqual(before?.['keys']);
    });
    const gone = await idOf('3');
    await deleteRecord(registry.database.db, registry.profile, uin('3'));
    await keepUntil(async () => expect(await registry.rows('select 1 from match_index where record_id = $1', [gone])).toEqual([]));
  });

  it('fills in what was there before it', async () => {
    await registry.rows('delete from match_index');
    await registry.rows('delete from match_fill');
    await keep();
    expect(await countKeyed()).toBe(2);
    expect(await registry.rows('select is_done from match_fill')).toEqual([{ is_done: true }]);
  });

  it('does nothing twice, also when two processes keep it', async () => {
    await putRecords(registry.database.db, registry.profile, [named('4', 'Peter', 'Cole', '1968-05-25')]);
    await Promise.all([keep(), keep()]);
    await keepUntil(async () => expect(await countKeyed()).toBe(3));
  });
});

describe('duplicates', () => {
  it('are told once, with what speaks for them', async () => {
    await refreshStatistics(registry.database.db, registry.profile);
    const pairs = await find(0.5);
    expect(pairs.map(({ records }) => records)).toEqual([[await idOf('1'), await idOf('2')]]);
    expect(pairs[0]?.evidence.map(({ field, agreement }) => [field, agreement])).toEqual([
      ['given_name', 'sounds alike'],
      ['family_name', 'sounds alike'],
      ['birth_date', 'same'],
      ['sex', 'same'],
      ['place', 'same'],
    ]);
  });

  it('are found in a generated population: most of them, and little else', async () => {
    const told: Duplicate[] = [];
    const options = { share: 0.1, seed: 'a', persons: 2_000, tell: (duplicate: Duplicate) => void told.push(duplicate) };
    const population = generateSocialPopulation({ persons: 2_000, seed: 'a', referenceDate: '2026-01-01' });
    await putRecords(registry.database.db, registry.profile, [...addDuplicates(population, options)]);
    await refreshStatistics(registry.database.db, registry.profile);
    const [{ persons = 0 } = {}] = await registry.rows('select count(*) as persons from record_social_person');
    await keepUntil(async () => expect(await countKeyed()).toBe(Number(persons)));
    const truth = new Set<string>();
    for (const { identifier, duplicate_of: original } of told)
      truth.add([await idOf(original.slice(4)), await idOf(identifier.slice(4))].toSorted().join(' '));
    const found = (await find()).map(({ records }) => records.toSorted().join(' '));
    const right = found.filter((pair) => truth.has(pair)).length;
    expect(right / truth.size).toBeGreaterThan(0.8);
    expect(right / found.length).toBeGreaterThan(0.9);
  });
});

it('knows how common a name is from the statistics of the table', async () => {
  const [recordType] = registry.profile.recordTypes;
  if (recordType === undefined) throw new Error('the profile has no record type');
  const { population, nameShare } = await loadMatchBackground(registry.database.db, registry.profile, recordType, 0.5);
  expect(population).toBeGreaterThan(2_000);
  expect(nameShare('family', 'diallo')).toBeGreaterThan(nameShare('family', 'zzyzx'));
  expect(nameShare('given', 'zzyzx')).toBeGreaterThan(0);
});

it('takes no name for evidence against, where the table was never analysed', async () => {
  const fresh = await openRegistry();
  try {
    const [recordType] = fresh.profile.recordTypes;
    if (recordType === undefined) throw new Error('the profile has no record type');
    await putRecords(fresh.database.db, fresh.profile, [
      named('1', 'Nora', 'Brooks', '1990-01-31'),
      named('2', 'Ada', 'Field', '1980-02-03'),
    ]);
    const [statistics] = await fresh.rows(`select reltuples < 1 as unknown from pg_class where relname = 'record_social_person'`);
    expect(statistics).toEqual({ unknown: true });
    const { population, nameShare } = await loadMatchBackground(fresh.database.db, fresh.profile, recordType, 0.5, 10);
    expect(population).toBe(2);
    expect(nameShare('given', 'nora')).toBeLessThanOrEqual(1);
  } finally {
    await fresh.close();
  }
});
