import fc from 'fast-check';
import type { Condition } from './evaluator.ts';
import { BIRTH_DATES, GIVEN_NAMES, HOUSEHOLD_KINDS, MARITAL_STATUSES, POVERTY_SCORES, SEXES } from './social-population.ts';

/** Conditions as partners may make them, over the values of the population and some that nobody has. */
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

export const ofPerson = fc.oneof(
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
export const ofHousehold = fc.oneof(
  comparisons('poverty_score', ORDER, POVERTY_SCORES),
  comparisons('group_size', ORDER, [1, 2, 3, 4, 5]),
  comparisons('group_type', EQUALITY, HOUSEHOLD_KINDS),
  comparisons('HHID', EQUALITY, ['H1', 'H2', 'H9999']),
);

export function conditions(leaves: fc.Arbitrary<Condition>): fc.Arbitrary<Condition> {
  const { tree } = fc.letrec<{ tree: Condition; branch: Condition }>((tie) => ({
    tree: fc.oneof({ depthSize: 'small', withCrossShrink: true }, leaves, tie('branch')),
    branch: fc.oneof(
      fc.record({ kind: fc.constantFrom('and' as const, 'or' as const), terms: fc.array(tie('tree'), { minLength: 1, maxLength: 4 }) }),
      fc.record({ kind: fc.constant('not' as const), term: tie('tree') }),
    ),
  }));
  return tree;
}
