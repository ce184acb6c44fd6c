import { TODAY } from './search-fixture.ts';
import type { Household, Person, Population } from './social-population.ts';

/**
 * What queries mean, said naively over records in memory. A comparison with a missing value is false; `ne`, `nin` and
 * `exists: false` are negations. Conditions on the record's relatives that are joined by `and` are about one and the
 * same relative; a negation is about all of them. An `or` of one condition is that condition.
 */
export type Condition =
  | { readonly kind: 'and' | 'or'; readonly terms: readonly Condition[] }
  | { readonly kind: 'not'; readonly term: Condition }
  | {
      readonly kind: 'compare';
      readonly attribute: keyof typeof OWNERS;
      readonly operator: 'eq' | 'ne' | 'lt' | 'le' | 'gt' | 'ge' | 'in' | 'nin' | 'exists' | 'prefix';
      readonly value: Value | readonly Value[];
    };

type Value = string | number | boolean;
type Owner = 'person' | 'household';
type Comparison = Extract<Condition, { kind: 'compare' }>;

const OWNERS = {
  sex: 'person',
  birth_date: 'person',
  age: 'person',
  marital_status: 'person',
  given_name: 'person',
  is_disabled: 'person',
  UIN: 'person',
  poverty_score: 'household',
  group_size: 'household',
  group_type: 'household',
  HHID: 'household',
} as const;

interface Subject {
  readonly owner: Owner;
  readonly values: Readonly<Record<string, Value | undefined>>;
  readonly relatives: readonly Subject[];
}

export function holdsForPerson(condition: Condition, person: Person, { households }: Population): boolean {
  const homes = households.filter((household) => household.members.includes(person));
  return holds(spell(condition), { ...personSubject(person), relatives: homes.map(householdSubject) });
}

export function holdsForHousehold(condition: Condition, household: Household): boolean {
  return holds(spell(condition), { ...householdSubject(household), relatives: household.members.map(personSubject) });
}

/** The condition as a query of the standard. */
export function toQuery(condition: Condition): object {
  switch (condition.kind) {
    case 'and':
    case 'or':
      return { [`$${condition.kind}`]: condition.terms.map(toQuery) };
    case 'not':
      return { $nor: [toQuery(condition.term)] };
    case 'compare': {
      const { attribute, operator, value } = condition;
      if (operator !== 'prefix') return { [attribute]: { [`$${operator}`]: value } };
      return { [attribute]: { $regex: `^${String(value).replaceAll(/[\\^$.|?*+()[\]{}]/g, String.raw`\$&`)}` } };
    }
  }
}

function personSubject(person: Person): Subject {
  const values = {
    sex: person.sex,
    birth_date: person.birthDate,
    age: person.birthDate && completedYears(person.birthDate),
    marital_status: person.maritalStatus,
    given_name: person.givenName,
    is_disabled: person.isDisabled,
    UIN: person.uin,
  };
  return { owner: 'person', values, relatives: [] };
}

function householdSubject(household: Household): Subject {
  const values = { poverty_score: household.povertyScore, group_size: household.size, group_type: household.kind, HHID: household.hhid };
  return { owner: 'household', values, relatives: [] };
}

function completedYears(birth: string): number {
  const years = Number(TODAY.slice(0, 4)) - Number(birth.slice(0, 4));
  return TODAY.slice(5) < birth.slice(5) ? years - 1 : years;
}

const NEGATIONS = { ne: 'eq', nin: 'in' } as const;

function spell(condition: Condition): Condition {
  if (condition.kind === 'not') return { kind: 'not', term: spell(condition.term) };
  if (condition.kind !== 'compare') {
    const terms = condition.terms.map(spell);
    const [only] = terms;
    return only !== undefined && terms.length === 1 ? only : { kind: condition.kind, terms };
  }
  const { operator } = condition;
  if (operator === 'ne' || operator === 'nin') return { kind: 'not', term: { ...condition, operator: NEGATIONS[operator] } };
  return operator === 'exists' && condition.value === false ? { kind: 'not', term: { ...condition, value: true } } : condition;
}

function holds(condition: Condition, subject: Subject): boolean {
  if (isAboutRelatives(condition, subject)) return subject.relatives.some((relative) => holds(condition, relative));
  switch (condition.kind) {
    case 'and': {
      const terms = flatten(condition);
      const shared = terms.filter((term) => isAboutRelatives(term, subject));
      const others = terms.filter((term) => !shared.includes(term));
      const together = shared.length === 0 || subject.relatives.some((relative) => shared.every((term) => holds(term, relative)));
      return together && others.every((term) => holds(term, subject));
    }
    case 'or':
      return condition.terms.some((term) => holds(term, subject));
    case 'not':
      return !holds(condition.term, subject);
    case 'compare':
      return compare(condition, subject.values[condition.attribute]);
  }
}

function flatten(condition: Condition): readonly Condition[] {
  return condition.kind === 'and' ? condition.terms.flatMap(flatten) : [condition];
}

function isAboutRelatives(condition: Condition, subject: Subject): boolean {
  switch (condition.kind) {
    case 'and':
    case 'or':
      return condition.terms.every((term) => isAboutRelatives(term, subject));
    case 'not':
      return false;
    case 'compare':
      return OWNERS[condition.attribute] !== subject.owner;
  }
}

function compare({ operator, value }: Comparison, actual: Value | undefined): boolean {
  if (actual === undefined) return false;
  const asked = value as Value;
  switch (operator) {
    case 'exists':
      return true;
    case 'eq':
      return actual === asked;
    case 'in':
      return (value as readonly Value[]).includes(actual);
    case 'lt':
      return actual < asked;
    case 'le':
      return actual <= asked;
    case 'gt':
      return actual > asked;
    case 'ge':
      return actual >= asked;
    case 'prefix':
      return String(actual).startsWith(String(asked));
    case 'ne':
    case 'nin':
      throw new Error(`${operator} is spelled as a negation`);
  }
}
