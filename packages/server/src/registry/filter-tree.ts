import type { Filter } from './plan.ts';

export type Leaf = Extract<Filter, { kind: 'compare' | 'identifier' }>;
export type Comparison = Extract<Filter, { kind: 'compare' }>;

/** The same filter with each leaf replaced. */
export function mapLeaves(filter: Filter, replace: (leaf: Leaf) => Filter): Filter {
  switch (filter.kind) {
    case 'and':
    case 'or':
      return { kind: filter.kind, terms: filter.terms.map((term) => mapLeaves(term, replace)) };
    case 'not':
      return { kind: 'not', term: mapLeaves(filter.term, replace) };
    case 'compare':
    case 'identifier':
      return replace(filter);
    case 'records':
      return filter;
  }
}

/** Several filters as one; a single one is itself. An empty list would be every record and is an error. */
export function joinFilters(kind: 'and' | 'or', terms: readonly Filter[]): Filter {
  const [only, ...others] = terms;
  if (only === undefined) throw new Error('a filter needs terms');
  return others.length === 0 ? only : { kind, terms };
}
