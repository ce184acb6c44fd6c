import { mapLeaves } from '../filter-tree.ts';
import type { Filter, SearchPlan } from '../plan.ts';
import type { Pass } from '../search-context.ts';

/**
 * Adds the partner's row scope: to the record that is answered and to every condition on a record bound to it, so that
 * records outside the scope neither appear nor decide what appears.
 */
export const restrictRows: Pass = (plan, _criteria, { rowScope }): SearchPlan => {
  if (rowScope === undefined) return plan;
  const scopedTypes = listTypes(rowScope);
  const filter = mapLeaves(plan.filter, (leaf) => {
    const isElsewhere = leaf.recordType !== plan.recordType && scopedTypes.has(leaf.recordType.name);
    return isElsewhere ? { kind: 'and', terms: [leaf, rowScope] } : leaf;
  });
  return { ...plan, filter: { kind: 'and', terms: [rowScope, filter] } };
};

function listTypes(filter: Filter): ReadonlySet<string> {
  const types = new Set<string>();
  mapLeaves(filter, (leaf) => {
    types.add(leaf.recordType.name);
    return leaf;
  });
  return types;
}
