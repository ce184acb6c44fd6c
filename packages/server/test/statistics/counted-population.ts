import { vi } from 'vitest';
import { socialProfile } from '../../src/profiles/social.ts';
import { putRecords } from '../../src/registry/write.ts';
import type { Database } from '../../src/store/database.ts';
import { keepCounts } from '../../src/registry/counting/keep-counts.ts';
import { createRandom } from '../search/social-population.ts';

/** Persons of whom every attribute that is counted by is sometimes missing, and some values are rare. */
export interface CountedPerson {
  readonly uin: string;
  readonly region: string;
  readonly district?: string;
  readonly sex?: string;
  readonly born?: string;
  readonly marital?: string;
  readonly disabled?: boolean;
  readonly registered?: string;
}

export const TODAY = '2025-02-28';

/** A few districts are large, some hold a handful of persons. */
const DISTRICTS = ['R1-D1', 'R1-D1', 'R1-D1', 'R1-D1', 'R1-D2', 'R1-D2', 'R2-D3', 'R2-D3', 'R2-D3', 'R2-D4'];

export function makeCounted(count: number, seed = 7): CountedPerson[] {
  const random = createRandom(seed);
  const pick = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)] as T;
  return Array.from({ length: count }, (_, index): CountedPerson => {
    const isRare = random() < 0.01;
    const district = isRare ? pick(['R1-D8', 'R2-D9']) : pick(DISTRICTS);
    const year = 1935 + Math.floor(random() ** 1.5 * 90);
    const born = `${year}-${pick(['01-01', '02-28', '02-29', '03-01', '07-15', '12-31'])}`;
    return {
      uin: `7${String(index).padStart(8, '0')}`,
      region: district.slice(0, 2),
      ...(random() < 0.97 && { district }),
      ...(random() < 0.97 && { sex: pick(['male', 'female', 'female', 'male', 'male', 'female', 'other']) }),
      ...(random() < 0.95 && { born: born.endsWith('02-29') && year % 4 !== 0 ? `${year}-02-28` : born }),
      ...(random() < 0.9 && { marital: pick(['S', 'M', 'M', 'W', 'D']) }),
      ...(random() < 0.8 && { disabled: random() < 0.1 }),
      ...(random() < 0.9 && {
        registered: pick(['2023-12-31T23:59:59Z', '2024-01-01T00:00:00Z', '2024-01-31T23:00:00Z', '2024-06-15T12:00:00Z']),
      }),
    };
  });
}

/** The only one of his kind in a district, where he is there. */
export const VICTIM: CountedPerson = {
  uin: '799999999',
  region: 'R1',
  district: 'R1-D1',
  sex: 'male',
  born: '1990-07-15',
  marital: 'D',
  disabled: false,
  registered: '2024-06-15T12:00:00Z',
};

/** Persons of whom none is of the victim's kind. */
export function makeOthers(count: number, seed: number): CountedPerson[] {
  return makeCounted(count, seed).map((person) =>
    person.district === VICTIM.district && person.marital === VICTIM.marital ? { ...person, marital: 'S' } : person,
  );
}

export function countedDocument(person: CountedPerson): object {
  return {
    '@type': 'Member',
    demographic_info: {
      '@type': 'SRPerson',
      identifier: [{ identifier_type: 'UIN', identifier_value: person.uin }],
      ...(person.sex && { sex: person.sex }),
      ...(person.born && { birth_date: `${person.born}T00:00:00Z` }),
      address: [{ region_code: person.region, ...(person.district && { sub_region_code: person.district }) }],
    },
    ...(person.marital && { marital_status: person.marital }),
    ...(person.disabled !== undefined && { is_disabled: person.disabled }),
    ...(person.registered && { registration_date: person.registered }),
  };
}

export async function putCounted(database: Database, persons: readonly CountedPerson[]): Promise<void> {
  for (let from = 0; from < persons.length; from += 1_000) {
    const results = await putRecords(database.db, socialProfile, persons.slice(from, from + 1_000).map(countedDocument));
    const refused = results.find((result) => result.status === 'refused');
    if (refused !== undefined) throw new Error(JSON.stringify(refused));
  }
}

/** Until statistics are told of all of them from kept counts. */
export async function untilCounted(database: Database, persons: readonly CountedPerson[]): Promise<void> {
  // Changes wait for every older transaction of the cluster, those of other tests too.
  await vi.waitFor(
    async () => {
      await keepCounts(database, [socialProfile], Date.now);
      const { rows } = await database.pool.query<{ counted: number }>('select count(*)::integer as counted from counted_record');
      if (rows[0]?.counted !== persons.length) throw new Error(`${rows[0]?.counted} are counted`);
    },
    { timeout: 60_000, interval: 100 },
  );
}

const BOUNDS = [5, 10, 15, 18, 20, 25, 30, 35, 40, 45, 50, 55, 60, 65, 70, 75, 80, 85];

/** What each dimension says of a person, worked out by hand. */
export const VALUE_OF: Readonly<Record<string, (person: CountedPerson) => string | null>> = {
  region: ({ region }) => region,
  district: ({ district }) => district ?? null,
  sex: ({ sex }) => sex ?? null,
  age_band: ({ born }) => (born === undefined ? null : bandOf(ageOf(born))),
  marital_status: ({ marital }) => marital ?? null,
  is_disabled: ({ disabled }) => (disabled === undefined ? null : String(disabled)),
  birth_year: ({ born }) => born?.slice(0, 4) ?? null,
  registration_year: ({ registered }) => registered?.slice(0, 4) ?? null,
  registration_month: ({ registered }) => registered?.slice(0, 7) ?? null,
};

export function ageOf(born: string): number {
  const years = Number(TODAY.slice(0, 4)) - Number(born.slice(0, 4));
  return TODAY.slice(5) < born.slice(5) ? years - 1 : years;
}

function bandOf(age: number): string {
  const index = BOUNDS.filter((bound) => bound <= age).length;
  const [from, until] = [index === 0 ? 0 : BOUNDS[index - 1], BOUNDS[index]];
  return until === undefined ? '85+' : `${from}-${until - 1}`;
}
