import type { SearchPlan } from '../plan.ts';
import { criteriaRefusal } from '../refusal.ts';
import type { Pass, SearchContext } from '../search-context.ts';

/** Puts into the plan which records the partner may see; a record type of which it sees nothing is not answered. */
export const restrictRows: Pass = (plan, _criteria, context) => {
  assertSeen(plan, context);
  return context.sight === undefined ? plan : { ...plan, sight: context.sight };
};

export function assertSeen({ recordType, entity }: Pick<SearchPlan, 'recordType' | 'entity'>, { sight, pointer }: SearchContext): void {
  if (sight?.closed.has(recordType.name) === true) throw criteriaRefusal(`${entity.name} is not open to you`, pointer);
}
