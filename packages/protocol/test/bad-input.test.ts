import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DciError, normaliseLeniently, parseEnvelope, parseSearchRequest } from '../src/index.ts';

type Tree = Record<string, unknown>;

const folder = join(import.meta.dirname, '../vectors/valid');
const searches = readdirSync(folder)
  .filter((name) => name.startsWith('search-') && name !== 'search-encrypted.json')
  .map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')).envelope as Tree);

/** A valid search with one of its values dropped or replaced. */
const broken = fc
  .tuple(fc.constantFrom(...searches), fc.nat(), fc.option(fc.jsonValue(), { nil: undefined }))
  .map(([search, index, replacement]) => {
    const copy = structuredClone(search);
    const places = placesIn(copy);
    const [owner, name] = places[index % places.length] as [Tree, string];
    if (replacement === undefined) delete owner[name];
    else owner[name] = replacement;
    return copy;
  });

function placesIn(tree: object): [Tree, string][] {
  return Object.entries(tree).flatMap(([name, value]) => [
    [tree as Tree, name] as [Tree, string],
    ...(typeof value === 'object' && value !== null ? placesIn(value) : []),
  ]);
}

function read(value: unknown): 'read' | 'refused' {
  try {
    parseSearchRequest(parseEnvelope(value).message);
    return 'read';
  } catch (error) {
    expect(error).toBeInstanceOf(DciError);
    expect(error).toMatchObject({ code: 'err.request.bad', pointer: expect.any(String) });
    return 'refused';
  }
}

describe('a broken search', () => {
  it('is read or refused by its code, strictly and leniently', () => {
    const outcomes = { read: 0, refused: 0 };
    fc.assert(
      fc.property(broken, (value) => {
        outcomes[read(value)] += 1;
        read(normaliseLeniently(value, { now: '2024-03-05T08:15:00Z' }).value);
      }),
      { seed: 20240115, numRuns: 3000 },
    );
    expect(outcomes.read).toBeGreaterThan(100);
    expect(outcomes.refused).toBeGreaterThan(100);
  });

  it('is never refused leniently when it is read strictly', () => {
    fc.assert(
      fc.property(broken, (value) => {
        fc.pre(read(value) === 'read');
        expect(read(normaliseLeniently(value, { now: '2024-03-05T08:15:00Z' }).value)).toBe('read');
      }),
      { seed: 20240115, numRuns: 1000 },
    );
  });

  it('may be any JSON at all', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(read(value)).toBe('refused');
        expect(normaliseLeniently(value, { now: '2024-03-05T08:15:00Z' })).toEqual({ value, changes: [] });
      }),
      { seed: 20240115, numRuns: 500 },
    );
  });
});
