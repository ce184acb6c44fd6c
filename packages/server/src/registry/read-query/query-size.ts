import { filterRefusal } from '../refusal.ts';
import type { QueryLimits } from './query.ts';

/**
 * The size of one query, taken while it is read: a query beyond its limits is refused before the part that is too much
 * is looked at, so nothing that is built from a query is ever larger than the limits.
 */
export interface QuerySize {
  /** Whether `count` more comparisons may follow; each member of a list or an object makes at least one. */
  assertRoom(count: number, pointer: string): void;
  addTerms(count: number, pointer: string): void;
  /** Adds the values of a list; anything else is no list and adds nothing. */
  addValues(value: unknown, pointer: string): void;
  assertDepth(depth: number, pointer: string): void;
}

export function createQuerySize({ maxTerms, maxDepth, maxListValues }: QueryLimits): QuerySize {
  let terms = 0;
  let values = 0;
  const assertRoom: QuerySize['assertRoom'] = (count, pointer) => {
    if (terms + count > maxTerms) throw filterRefusal(`the query makes more than ${maxTerms} comparisons`, pointer);
  };
  return {
    assertRoom,
    addTerms: (count, pointer) => {
      assertRoom(count, pointer);
      terms += count;
    },
    addValues: (value, pointer) => {
      if (!Array.isArray(value)) return;
      values += value.length;
      if (values > maxListValues) throw filterRefusal(`the lists of a query may hold ${maxListValues} values together`, pointer);
    },
    assertDepth: (depth, pointer) => {
      if (depth > maxDepth) throw filterRefusal(`the query is nested deeper than ${maxDepth} levels`, pointer);
    },
  };
}
