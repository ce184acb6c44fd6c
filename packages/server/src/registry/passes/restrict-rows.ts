import { criteriaRefusal } from '../refusal.ts';
import type { Pass } from '../search-context.ts';

/** Puts into the plan which records the partner may see; a record type of which it sees nothing is not answered. */
export const restrictRows: Pass = (plan, _criteria, { sight, pointer }) => {
  if (sight === undefined) return plan;
  if (sight.closed.has(plan.recordType.name)) throw criteriaRefusal(`${plan.entity.name} is not open to you`, pointer);
  return { ...plan, sight };
};
