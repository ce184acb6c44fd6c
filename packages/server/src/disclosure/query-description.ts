import { createHmac, createSecretKey } from 'node:crypto';
import type { Sensitivity } from '../profiles/profile.ts';
import { sensitivityOf } from '../profiles/index.ts';
import type { Filter, SearchPlan } from '../registry/plan.ts';

/**
 * What the audit trail says a partner asked. Values that point at a person are kept as keyed hashes: two questions about
 * one person can be told to be the same, the person cannot be read from them. A filter that names very many of them is
 * described by their number.
 */
export type QueryDescriber = (query: DescribedQuery) => object;

/** A plan, or what of one there is: what is counted has no page. */
export type DescribedQuery = Pick<SearchPlan, 'profile' | 'entity'> &
  Partial<Pick<SearchPlan, 'sort' | 'page'>> & { readonly filter: Filter | undefined };

const POINTS_AT_A_PERSON: ReadonlySet<Sensitivity> = new Set(['identifier', 'name', 'contact']);

type Leaf = Extract<Filter, { kind: 'compare' | 'identifier' }>;

/** More values than this are counted. A message may hold a thousand filters of a thousand values. */
const MOST_VALUES = 50;

/** `key`: kept for this purpose alone. */
export function createQueryDescriber(key: Buffer): QueryDescriber {
  // A key object spares node a look at what the key may be, at each value.
  const secret = createSecretKey(key);
  const hash = (value: unknown): string => createHmac('sha256', secret).update(String(value)).digest('base64url').slice(0, 22);

  function describe(filter: Filter): object {
    switch (filter.kind) {
      case 'and':
      case 'or':
        return { [filter.kind]: filter.terms.map(describe) };
      case 'not':
        return { not: describe(filter.term) };
      case 'identifier':
        return { [filter.type]: { [filter.operator]: filter.values.map(hash) } };
      case 'compare': {
        const { value: asked } = filter;
        const value = pointsAtPerson(filter) ? (Array.isArray(asked) ? asked.map(hash) : hash(asked)) : roughly(filter);
        return { [filter.attribute.name]: { [filter.operator]: value } };
      }
      case 'records':
        return { records: filter.ids.length };
    }
  }

  return ({ profile, entity, filter, sort, page }) => ({
    registry: profile.registry,
    entity: entity.name,
    filter: filter === undefined ? '*' : (summarise(filter) ?? describe(filter)),
    ...(sort && { sort: sort.map(({ by, direction }) => `${'attribute' in by ? by.attribute.name : by.identifierType} ${direction}`) }),
    ...(page && { page: { size: page.size, number: page.number } }),
  });
}

/** Of a bound of days the year: two narrow bounds would tell a day. */
function roughly({ attribute, value }: Extract<Leaf, { kind: 'compare' }>): unknown {
  return attribute.type === 'date' && typeof value === 'string' ? value.slice(0, 4) : value;
}

/** Part of a person's name or number; or a day, which few persons share: a birth date is half a name. */
function pointsAtPerson({ recordType, attribute, operator }: Extract<Leaf, { kind: 'compare' }>): boolean {
  if (attribute.type === 'date' && (operator === 'eq' || operator === 'ne' || operator === 'in' || operator === 'nin')) return true;
  return POINTS_AT_A_PERSON.has(sensitivityOf(recordType, attribute.path) ?? 'identifier');
}

/** What stands for a filter that is too long to be told: its fields, and how many terms and values it has. */
function summarise(filter: Filter): object | undefined {
  const leaves = leavesOf(filter);
  const values = leaves.reduce((sum, leaf) => sum + countValues(leaf), 0);
  if (values <= MOST_VALUES) return undefined;
  return { fields: [...new Set(leaves.map(fieldName))], terms: leaves.length, values };
}

function leavesOf(filter: Filter): readonly Leaf[] {
  if ('terms' in filter) return filter.terms.flatMap(leavesOf);
  if (filter.kind === 'records') return [];
  return filter.kind === 'not' ? leavesOf(filter.term) : [filter];
}

/** A term without values, such as whether there is an identifier, is one too. */
function countValues(leaf: Leaf): number {
  if (leaf.kind === 'identifier') return Math.max(1, leaf.values.length);
  return Array.isArray(leaf.value) ? Math.max(1, leaf.value.length) : 1;
}

function fieldName(leaf: Leaf): string {
  return leaf.kind === 'identifier' ? leaf.type : leaf.attribute.name;
}
