import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { socialProfile } from '../../src/profiles/social.ts';
import { reconcileProfile } from '../../src/registry/reconcile.ts';
import { type CommandLine, openCommandLine } from '../partners/command-line.ts';

let dci: CommandLine;
let truth: { readonly identifier: string; readonly duplicate_of: string }[];

beforeAll(async () => {
  dci = await openCommandLine();
  await reconcileProfile(dci.test.database, socialProfile);
  const told = join(dci.folder, 'truth.ndjson');
  const population = await dci.run('generate', '--persons', '300', '--seed', 'd', '--duplicates', '0.05', '--truth', told);
  const lines = join(dci.folder, 'persons.ndjson');
  writeFileSync(lines, population.out);
  expect(await dci.run('import', '--registry', 'social', lines)).toMatchObject({ status: 0 });
  truth = readFileSync(told, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as (typeof truth)[number]);
});

afterAll(() => dci.close());

describe('dci duplicates', () => {
  it('prints every pair as a line of JSON, by identifiers, and no names', async () => {
    const { status, out, err } = await dci.run('duplicates', '--json');
    expect(status).toBe(0);
    expect(err).toMatch(/^\d+ pairs compared under \d+ keys\n$/);
    const pairs = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { probability: number; records: string[]; evidence: { field: string }[] });
    const expected = new Set(truth.map(({ identifier, duplicate_of: original }) => [identifier, original].toSorted().join()));
    expect(truth.length).toBeGreaterThan(5);
    expect(pairs.filter(({ records }) => expected.has(records.toSorted().join())).length).toBeGreaterThan(truth.length / 2);
    for (const { probability, evidence } of pairs) {
      expect(probability).toBeGreaterThanOrEqual(0.9);
      expect(evidence.map(({ field }) => field)).toContain('birth_date');
    }
    expect(out).not.toMatch(/given_name":"[^"]*"|surname/);
  });

  it('lists the likeliest first, and says how many there are', async () => {
    const { status, out, err } = await dci.run('duplicates', '--most', '3', '--least', '0.5');
    expect(status).toBe(0);
    const [head, ...rows] = out.trim().split('\n');
    expect(head).toMatch(/^probability +record +record +evidence in bits$/);
    expect(rows).toHaveLength(3);
    const probabilities = rows.map((row) => Number(row.split(' ')[0]));
    expect(probabilities).toEqual(probabilities.toSorted((one, other) => other - one));
    expect(err).toMatch(/^\d+ pairs of at least 0\.5; the 3 likeliest are listed\n/);
  });

  it.each([
    ['--least', '2'],
    ['--most', '0'],
    ['--registry', 'nowhere'],
  ])('refuses %s %s', async (option, value) => {
    expect(await dci.run('duplicates', option, value)).toMatchObject({ status: 2, out: '' });
  });
});

it.each([
  [['--truth', 'x'], '--duplicates'],
  [['--duplicates', '0'], 'share'],
  [['--duplicates', '1.5'], 'share'],
])('dci generate refuses %j', async (options, words) => {
  expect(await dci.run('generate', '--persons', '10', ...options)).toMatchObject({ status: 2, err: expect.stringContaining(words) });
});
