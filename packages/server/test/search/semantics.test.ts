import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Condition, holdsForHousehold, holdsForPerson, toQuery } from './evaluator.ts';
import { expression, openSearchFixture, type SearchFixture } from './search-fixture.ts';
import { BIRTH_DATES, GIVEN_NAMES, HOUSEHOLD_KINDS, makePopulation, MARITAL_STATUSES, POVERTY_SCORES, SEXES } from './social-population.ts';

const population = makePopulation(70, 60);
let fixture: SearchFixture;
beforeAll(async () => {
  fixture = await openSearchFixture(population);
});
afterAll(() => fixture.close());

const EQUALITY = ['eq', 'ne'] as const;
const ORDER = ['eq', 'ne', 'lt', 'le', 'gt', 'ge'] as const;

function comparisons(
  attribute: Extract<Condition, { kind: 'compare' }>['attribute'],
  operators: readonly (typeof ORDER)[number][],
  values: readonly (string | number | boolean)[],
): fc.Arbitrary<Condition> {
  const value = fc.constantFrom(...values);
  return fc.oneof(
    fc.record({ kind: fc.constant('compare' as const), attribute: fc.constant(attribute), operator: fc.constantFrom(...operators), value }),
    fc.record({
      kind: fc.constant('compare' as const),
      attribute: fc.constant(attribute),
      operator: fc.constant('exists' as const),
      value: fc.boolean(),
    }),
    fc.record({
      kind: fc.constant('compare' as const),
      attribute: fc.constant(attribute),
      operator: fc.constantFrom('in' as const, 'nin' as const),
      value: fc.array(value, { minLength: 1, maxLength: 3 }),
    }),
  );
}

const prefixes: fc.Arbitrary<Condition> = fc.record({
  kind: fc.constant('compare' as const),
  attribute: fc.constant('given_name' as const),
  operator: fc.constant('prefix' as const),
  value: fc.constantFrom('A', 'An', 'An%', 'An_', "O'", 'Å', 'М', '陈', '\\', 'Z', 'Z\u{10FFFF}', '%'),
});

const ofPerson = fc.oneof(
  comparisons('sex', EQUALITY, SEXES),
  comparisons('birth_date', ORDER, BIRTH_DATES),
  comparisons('age', ORDER, [0, 5, 6, 24, 25, 36, 37, 64, 75]),
  comparisons('marital_status', EQUALITY, MARITAL_STATUSES),
  comparisons('given_name', EQUALITY, GIVEN_NAMES),
  fc.record({
    kind: fc.constant('compare' as const),
    attribute: fc.constant('is_disabled' as const),
    operator: fc.constantFrom('eq' as const, 'ne' as const, 'exists' as const),
    value: fc.boolean(),
  }),
  comparisons('UIN', EQUALITY, ['U0001', 'U0002', 'U0003', 'U9999']),
  prefixes,
);
const ofHousehold = fc.oneof(
  comparisons('poverty_score', ORDER, POVERTY_SCORES),
  comparisons('group_size', ORDER, [1, 2, 3, 4, 5]),
  comparisons('group_type', EQUALITY, HOUSEHOLD_KINDS),
  comparisons('HHID', EQUALITY, ['H1', 'H2', 'H9999']),
);

function conditions(leaves: fc.Arbitrary<Condition>): fc.Arbitrary<Condition> {
  const { tree } = fc.letrec<{ tree: Condition; branch: Condition }>((tie) => ({
    tree: fc.oneof({ depthSize: 'small', withCrossShrink: true }, leaves, tie('branch')),
    branch: fc.oneof(
      fc.record({ kind: fc.constantFrom('and' as const, 'or' as const), terms: fc.array(tie('tree'), { minLength: 1, maxLength: 4 }) }),
      fc.record({ kind: fc.constant('not' as const), term: tie('tree') }),
    ),
  }));
  return tree;
}

const RUNS = { numRuns: 400 };
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
      RUNS,
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
