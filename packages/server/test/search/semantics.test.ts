import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { conditions, ofHousehold, ofPerson } from './condition-arbitrary.ts';
import { type Condition, holdsForHousehold, holdsForPerson, toQuery } from './evaluator.ts';
import { expression, openSearchFixture, type SearchFixture } from './search-fixture.ts';
import { makePopulation } from './social-population.ts';

const population = makePopulation(70, 60);
let fixture: SearchFixture;
beforeAll(async () => {
  fixture = await openSearchFixture(population);
});
afterAll(() => fixture.close());

const RUNS = { numRuns: 400 };
const compare = (
  attribute: 'poverty_score' | 'given_name' | 'age',
  operator: 'exists' | 'prefix' | 'le',
  value: string | number | boolean,
) => ({ kind: 'compare', attribute, operator, value }) as const;
/** One and the same member is young and has that name. */
const OR_OF_ONE: Condition = {
  kind: 'and',
  terms: [
    { kind: 'or', terms: [{ kind: 'and', terms: [compare('poverty_score', 'exists', false), compare('given_name', 'prefix', 'A')] }] },
    compare('age', 'le', 37),
  ],
};
const everything = { pagination: { page_size: 1_000 } };

describe('a query finds exactly what it says', () => {
  it('about persons', async () => {
    await fc.assert(
      fc.asyncProperty(conditions(ofPerson), async (condition) => {
        const found = await fixture.keys({ ...expression(toQuery(condition)), response_entity: 'SRPerson', ...everything });
        expect(found.toSorted()).toEqual(
          population.persons.filter((person) => holdsForPerson(condition, person, population)).map(({ key }) => key),
        );
      }),
      RUNS,
    );
  });

  it('about persons, by what they are and the household they live in', async () => {
    await fc.assert(
      fc.asyncProperty(conditions(fc.oneof(ofPerson, ofHousehold)), async (condition) => {
        const found = await fixture.keys({ ...expression(toQuery(condition)), response_entity: 'Member', ...everything });
        expect(found.toSorted()).toEqual(
          population.persons.filter((person) => holdsForPerson(condition, person, population)).map(({ key }) => key),
        );
      }),
      RUNS,
    );
  });

  it('about households, by what they are and who lives in them', async () => {
    await fc.assert(
      fc.asyncProperty(conditions(fc.oneof(ofPerson, ofHousehold)), async (condition) => {
        const found = await fixture.keys({ ...expression(toQuery(condition)), response_entity: 'Group', ...everything });
        expect(found.toSorted()).toEqual(
          population.households.filter((household) => holdsForHousehold(condition, household)).map(({ key }) => key),
        );
      }),
      { ...RUNS, examples: [[OR_OF_ONE]] },
    );
  });

  it('by a timestamp, a day or a year', async () => {
    const cases: [object, (at: string) => boolean][] = [
      [{ $eq: '2024' }, (at) => at.startsWith('2024')],
      [{ $lt: '2024' }, (at) => at < '2024'],
      [{ $gt: 2023 }, (at) => at >= '2024'],
      [{ $eq: '2024-01-01' }, (at) => at.startsWith('2024-01-01')],
      [{ $le: '2024-01-15' }, (at) => at < '2024-01-16'],
      [{ $eq: '2024-01-15T13:30:00.123+03:00' }, (at) => at === '2024-01-15T10:30:00.123Z'],
      [{ $in: ['2023', '2024-06-01'] }, (at) => at.startsWith('2023') || at.startsWith('2024-06-01')],
      [{ $nin: ['2024'] }, (at) => !at.startsWith('2024')],
    ];
    for (const [query, holds] of cases) {
      const found = await fixture.keys({ ...expression({ registration_date: query }), response_entity: 'SRPerson', ...everything });
      const missing = JSON.stringify(query).includes('$nin');
      const expected = population.persons.filter(({ registeredAt }) => (registeredAt === undefined ? missing : holds(registeredAt)));
      expect(found.toSorted(), JSON.stringify(query)).toEqual(expected.map(({ key }) => key));
      expect(found.length).toBeGreaterThan(0);
    }
  });
});
