import type { RecordType } from '../profiles/profile.ts';
import { joinFilters, type Leaf, mapLeaves } from './filter-tree.ts';
import type { Filter } from './plan.ts';

/**
 * A filter over one record type, in which conditions on another stand under `related`: some record of that type, bound
 * to this one by membership, meets them all.
 */
export type RelatedFilter =
  | { readonly kind: 'and' | 'or'; readonly terms: readonly RelatedFilter[] }
  | { readonly kind: 'not'; readonly term: RelatedFilter }
  | Leaf
  | Extract<Filter, { kind: 'records' }>
  | { readonly kind: 'related'; readonly recordType: RecordType; readonly filter: Filter };

/**
 * Says of each condition which record it is about. Conditions on the other type that are joined by `and` are about the
 * same record (a group with a woman who is a widow). A negation stands outside: not one record that is so.
 */
export function relateFilter(filter: Filter, root: RecordType): RelatedFilter {
  return relate(mapLeaves(filter, spellNegation), root);
}

/** A record that lacks the attribute is not equal to anything. */
function spellNegation(leaf: Leaf): Filter {
  if (leaf.kind === 'identifier') return leaf;
  if (leaf.operator === 'ne') return { kind: 'not', term: { ...leaf, operator: 'eq' } };
  if (leaf.operator === 'nin') return { kind: 'not', term: { ...leaf, operator: 'in' } };
  return leaf.operator === 'exists' && leaf.value === false ? { kind: 'not', term: { ...leaf, value: true } } : leaf;
}

function relate(filter: Filter, root: RecordType): RelatedFilter {
  const only = findOnlyType(filter);
  if (only === root) return filter;
  if (only !== undefined && isPositive(filter)) return { kind: 'related', recordType: only, filter };
  switch (filter.kind) {
    case 'and':
      return { kind: 'and', terms: gatherRelated(flatten(filter)).map((term) => relate(term, root)) };
    case 'or':
      return { kind: 'or', terms: filter.terms.map((term) => relate(term, root)) };
    case 'not':
      return { kind: 'not', term: relate(filter.term, root) };
    case 'compare':
    case 'identifier':
    case 'records':
      return filter.recordType === root ? filter : { kind: 'related', recordType: filter.recordType, filter };
  }
}

function flatten(filter: Filter): readonly Filter[] {
  return filter.kind === 'and' ? filter.terms.flatMap(flatten) : [filter];
}

/** Positive terms that are about one record type only become one term for each type; the others stay by themselves. */
function gatherRelated(terms: readonly Filter[]): readonly Filter[] {
  const byType = Map.groupBy(terms, (term) => (isPositive(term) ? findOnlyType(term) : undefined));
  const others = byType.get(undefined) ?? [];
  byType.delete(undefined);
  return [...[...byType.values()].map((gathered) => joinFilters('and', gathered)), ...others];
}

/** The record type of all leaves, or undefined when there are several. */
function findOnlyType(filter: Filter): RecordType | undefined {
  switch (filter.kind) {
    case 'and':
    case 'or': {
      const types = new Set(filter.terms.map(findOnlyType));
      return types.size === 1 ? [...types][0] : undefined;
    }
    case 'not':
      return findOnlyType(filter.term);
    case 'compare':
    case 'identifier':
    case 'records':
      return filter.recordType;
  }
}

function isPositive(filter: Filter): boolean {
  switch (filter.kind) {
    case 'and':
    case 'or':
      return filter.terms.every(isPositive);
    case 'not':
      return false;
    case 'compare':
    case 'identifier':
    case 'records':
      return true;
  }
}
