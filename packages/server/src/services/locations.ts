import { createHash } from 'node:crypto';
import type { Db } from '../store/database.ts';
import {
  type Location,
  type LocationsVersion,
  loadLocations,
  loadLocationsVersion,
  lockLocations,
  putLocations,
} from '../store/locations.ts';

/** The tree of places as published under `.well-known/locations.json`, rendered once for each state of the table. */
export interface PublishedLocations {
  document(): Promise<PublishedDocument>;
}

export interface PublishedDocument {
  readonly body: Buffer;
  /** Strong entity tag, quoted. */
  readonly etag: string;
}

/** Why a list of places was refused; each problem names the place. */
export class LocationsError extends Error {
  override readonly name = 'LocationsError';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(`the places were refused:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
    this.problems = problems;
  }
}

const LOOK_AGAIN_MS = 1_000;
const MOST_PROBLEMS = 20;

/** `now`: epoch milliseconds. */
export function createPublishedLocations(db: Db, { now }: { now: () => number }): PublishedLocations {
  let current: { document: PublishedDocument; version: string; seenAt: number } | undefined;
  let looking: Promise<PublishedDocument> | undefined;

  async function look(): Promise<PublishedDocument> {
    const seenAt = now();
    const found = await loadLocationsVersion(db);
    const version = `${found.count} ${found.lastUpdated?.toISOString() ?? ''}`;
    const document = current?.version === version ? current.document : render(found, await loadLocations(db));
    current = { document, version, seenAt };
    return document;
  }

  return {
    async document() {
      if (current !== undefined && Math.abs(now() - current.seenAt) < LOOK_AGAIN_MS) return current.document;
      looking ??= look().finally(() => {
        looking = undefined;
      });
      return await looking;
    },
  };
}

function render({ lastUpdated }: LocationsVersion, locations: readonly Location[]): PublishedDocument {
  const hierarchy = {
    '@context': { '@context': 'http://spdci.org/', xsd: 'http://www.w3.org/2001/XMLSchema#', schema: 'http://schema.org/' },
    '@type': 'LocationHierarchy',
    ...(lastUpdated === undefined ? {} : { last_updated: lastUpdated.toISOString() }),
    locations: locations.map(renderPlace),
  };
  const body = Buffer.from(JSON.stringify(hierarchy));
  return { body, etag: `"${createHash('sha256').update(body).digest('base64url')}"` };
}

// The published schema describes `identifier` and `contained_in_place` and requires `id` and `containedInPlace`.
function renderPlace({ code, name, type, parent }: Location): Record<string, unknown> {
  return {
    '@type': 'Place',
    id: code,
    identifier: [{ '@type': 'PropertyValue', name: 'code', identifier: code }],
    name,
    additional_type: type,
    contained_in_place: parent,
    containedInPlace: parent,
  };
}

/**
 * Adds and changes places: all of `locations` or, where one of them is wrong, none. A parent may stand in the list or be
 * known already. Returns how many places were new or different. Throws a `LocationsError`.
 */
export async function importLocations(db: Db, locations: readonly Location[]): Promise<number> {
  return await db.transaction().execute(async (transaction) => {
    await lockLocations(transaction);
    const parents = new Map((await loadLocations(transaction)).map(({ code, parent }) => [code, parent]));
    for (const { code, parent } of locations) parents.set(code, parent);
    const problems = [...findRepeated(locations), ...findMissingParents(locations, parents), ...findCycles(locations, parents)];
    if (problems.length > 0) throw new LocationsError(shorten(problems));
    return await putLocations(transaction, locations);
  });
}

function findRepeated(locations: readonly Location[]): string[] {
  const seen = new Set<string>();
  return locations.filter(({ code }) => seen.size === seen.add(code).size).map(({ code }) => `the code ${code} stands more than once`);
}

type Parents = ReadonlyMap<string, string | null>;

function findMissingParents(locations: readonly Location[], parents: Parents): string[] {
  return locations
    .filter(({ parent }) => parent !== null && !parents.has(parent))
    .map(({ code, parent }) => `${code} lies in ${parent}, which is not known`);
}

function findCycles(locations: readonly Location[], parents: Parents): string[] {
  const rooted = new Set<string>();
  const problems: string[] = [];
  for (const { code } of locations) {
    const way = new Set<string>();
    let place: string | null | undefined = code;
    while (place !== null && place !== undefined && !rooted.has(place) && !way.has(place)) {
      way.add(place);
      place = parents.get(place);
    }
    if (typeof place === 'string' && way.has(place)) {
      const circle = [...way].slice([...way].indexOf(place));
      problems.push(`${place} lies within itself: ${[...circle, place].join(' in ')}`);
    }
    for (const passed of way) rooted.add(passed);
  }
  return problems;
}

function shorten(problems: readonly string[]): string[] {
  const more = problems.length - MOST_PROBLEMS;
  return more <= 0 ? [...problems] : [...problems.slice(0, MOST_PROBLEMS), `and ${more} more`];
}
