import type { SearchCriteria } from '@dci/protocol';
import { getAttribute } from '../../profiles/index.ts';
import type { Dimension, Entity, Profile, RecordType } from '../../profiles/profile.ts';
import { assertSeen } from '../passes/restrict-rows.ts';
import type { Filter } from '../plan.ts';
import { childPointer } from '../read-query/json.ts';
import { criteriaRefusal, filterRefusal } from '../refusal.ts';
import { planSubscription } from '../search.ts';
import type { SearchContext } from '../search-context.ts';
import type { Sight } from '../sight.ts';
import { compileCellFilter, listFilterDimensions } from './cell-filter.ts';
import { listDimensions, withOuter } from './dimensions.ts';

/** What a question about numbers means, names resolved. */
export interface CountPlan {
  readonly profile: Profile;
  readonly recordType: RecordType;
  /** As what the records were asked for. */
  readonly entity: Entity;
  /** By what the answer is told apart: those asked for and those in which they lie. */
  readonly dimensions: readonly Dimension[];
  /** What the filter is about, likewise. */
  readonly narrowing: readonly Dimension[];
  /** All of both, in the order of the profile. */
  readonly grid: readonly Dimension[];
  /** Ages are still ages; absent: every record is counted. */
  readonly filter: Filter | undefined;
  /** Ages are still ages. */
  readonly sight: Sight | undefined;
  /** The day on which ages are counted, `YYYY-MM-DD`. */
  readonly today: string;
}

export type CountCriteria = Omit<SearchCriteria, 'sort' | 'pagination'> & { readonly dimensions: readonly string[] };

/**
 * Most dimensions of one question, of its filter too, beside those in which they lie: the more there are, the finer the
 * cells, and the more tables there are of the same records.
 */
const MOST_DIMENSIONS = 4;

/** Plans a count, or throws a `DciError` with the item's reason code and the pointer of the fault. */
export function planCount({ dimensions: names, ...criteria }: CountCriteria, context: SearchContext): CountPlan {
  const { recordType, entity, filter } = planSubscription(criteria, isEverything(criteria.query), context);
  assertSeen({ recordType, entity }, context);
  const place = childPointer(context.pointer, 'dimensions');
  const asked = names.map((name, index) => getDimension(recordType, name, childPointer(place, index)));
  if (new Set(asked).size < asked.length) throw criteriaRefusal('a dimension stands twice', place);
  const filtered = filter === undefined ? [] : listFilterDimensions(filter, recordType);
  if (new Set([...asked, ...filtered]).size > MOST_DIMENSIONS)
    throw criteriaRefusal(`at most ${MOST_DIMENSIONS} dimensions, those of the query among them, are told at a time`, context.pointer);
  const [dimensions, narrowing] = [withOuter(recordType, asked), withOuter(recordType, filtered)];
  const grid = withOuter(recordType, [...dimensions, ...narrowing]);
  assertOpen(recordType, grid, context, place);
  // Its faults are told now, not when there is something to count.
  if (filter !== undefined) compileCellFilter(filter, recordType, grid);
  return { profile: context.profile, recordType, entity, dimensions, narrowing, grid, filter, sight: context.sight, today: context.today };
}

function isEverything(query: SearchCriteria['query']): boolean {
  return !Array.isArray(query) && 'type' in query && query.type === '*' && query.value === '*' && Object.keys(query).length === 2;
}

function getDimension(recordType: RecordType, name: string, pointer: string): Dimension {
  const known = listDimensions(recordType);
  const found = known.find((dimension) => dimension.name === name.toLowerCase());
  if (found !== undefined) return found;
  const names = known.map((dimension) => dimension.name).join(', ');
  throw filterRefusal(
    known.length === 0 ? 'records of this type are not counted' : `records of this type are counted by ${names}`,
    pointer,
  );
}

/** A dimension tells of a field, so it is open as far as the field is. */
function assertOpen(recordType: RecordType, grid: readonly Dimension[], { useOf }: SearchContext, pointer: string): void {
  for (const { name, attribute, banding } of grid) {
    const use = useOf(recordType, getAttribute(recordType, attribute));
    const isOpen = use === 'open' || (typeof use === 'object' && use.months === 1 && banding === 'month');
    if (!isOpen) throw filterRefusal(`the dimension ${name} is not open to you`, pointer);
  }
}
