import type { Attribute, Operator, RecordType } from '../../profiles/profile.ts';
import { type Comparison, joinFilters, mapLeaves } from '../filter-tree.ts';
import { latestBirth } from '../moments.ts';
import type { Filter, Scalar, SearchPlan, SortKey } from '../plan.ts';
import { filterRefusal } from '../refusal.ts';
import type { Pass } from '../search-context.ts';
import type { Sight } from '../sight.ts';

const GREATEST_AGE = 200;

/**
 * An age is told by the date it is counted from, whose index then serves: `age lt 25` is a birth after the day 25 years
 * ago. Whoever is older was born earlier, so an order by age is the reverse order of births.
 */
export const deriveAges: Pass = (plan, _criteria, { today }): SearchPlan => {
  const { sight } = plan;
  return {
    ...plan,
    filter: deriveAgesIn(plan.filter, today),
    sort: plan.sort.map(sortByBirth),
    ...(sight === undefined ? {} : { sight: deriveAgesInSight(sight, today) }),
  };
};

export function deriveAgesInSight(sight: Sight, today: string): Sight {
  return { ...sight, rows: new Map([...sight.rows].map(([recordType, filter]) => [recordType, deriveAgesIn(filter, today)])) };
}

export function deriveAgesIn(filter: Filter, today: string): Filter {
  return mapLeaves(filter, (leaf) => (leaf.kind === 'compare' && leaf.attribute.derived === 'age' ? toBirth(leaf, today) : leaf));
}

function toBirth(leaf: Comparison, today: string): Filter {
  const attribute = getBirth(leaf.recordType, leaf.attribute);
  const compare = (operator: Operator, value: Scalar): Filter => ({ ...leaf, attribute, operator, value });
  const atLeast = (years: number): Filter => compare('le', latestBirth(today, years));
  const under = (years: number): Filter => compare('gt', latestBirth(today, years));
  if (leaf.operator === 'exists') return compare('exists', true);
  const ages = [leaf.value].flat().map((age) => assertAge(age, leaf.pointer));
  return joinFilters(
    'or',
    ages.map((age): Filter => {
      switch (leaf.operator) {
        case 'lt':
          return under(age);
        case 'le':
          return under(age + 1);
        case 'gt':
          return atLeast(age + 1);
        case 'ge':
          return atLeast(age);
        default:
          return { kind: 'and', terms: [atLeast(age), under(age + 1)] };
      }
    }),
  );
}

function assertAge(age: Scalar, pointer: string): number {
  if (typeof age === 'number' && age >= 0 && age <= GREATEST_AGE) return age;
  throw filterRefusal(`an age is between 0 and ${GREATEST_AGE}`, pointer);
}

function sortByBirth(key: SortKey): SortKey {
  if (!('attribute' in key.by) || key.by.attribute.derived !== 'age') return key;
  return { ...key, by: { attribute: getBirth(key.recordType, key.by.attribute) }, direction: key.direction === 'asc' ? 'desc' : 'asc' };
}

/** The attribute that has the column an age is counted from. */
export function getBirth(recordType: RecordType, age: Attribute): Attribute {
  const found = recordType.attributes.find(({ path, derived, type }) => path === age.path && derived === undefined && type === 'date');
  if (found === undefined) throw new Error(`${recordType.name} has no date at ${age.path}`);
  return found;
}
