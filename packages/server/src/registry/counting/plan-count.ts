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
import { listDimensions, STEPS, withOuter } from './dimensions.ts';

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
 * Plans a count, or throws a `DciError` with the item's reason code and the pointer of the fault.
 *
 * @param most dimensions of one question, of its filter too, beside those in which they lie: the more there are, the finer
 * the cells, and the more tables there are of the same records
 */
export function planCount({ dimensions: names, ...criteria }: CountCriteria, context: SearchContext, most: number): CountPlan {
  const { recordType, entity, filter } = planSubscription(criteria, isEverything(criteria.query), context);
  assertSeen({ recordType, entity }, context);
  const place = childPointer(context.pointer, 'dimensions');
  const asked = names.map((name, index) => getDimension(recordType, name, childPointer(place, index)));
  if (new Set(asked).size < asked.length) throw criteriaRefusal('a dimension stands twice', place);
  const filtered = filter === undefined ? [] : listFilterDimensions(filter, recordType);
  if (new Set([...asked, ...filtered]).size > most)
    throw criteriaRefusal(`at most ${most} dimensions, those of the query among them, are told at a time`, context.pointer);
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

/**
 * A dimension tells of a field, so it is open as far as the field is. And a field is told in one series of bands, and such as
 * lie within these: the difference of two others would be a band of a few days.
 */
function assertOpen(recordType: RecordType, grid: readonly Dimension[], context: SearchContext, pointer: string): void {
  for (const dimension of grid) {
    if (!isGiven(recordType, dimension, context)) throw filterRefusal(`the dimension ${dimension.name} is not open to you`, pointer);
    const instead = findInstead(recordType, dimension, context);
    if (instead !== undefined) throw filterRefusal(`${dimension.attribute} is told to you by ${instead.name}`, pointer);
  }
}

function isGiven(recordType: RecordType, { attribute, banding }: Dimension, { useOf }: SearchContext): boolean {
  const use = useOf(recordType, getAttribute(recordType, attribute));
  if (typeof use !== 'object') return use === 'open';
  return (banding === 'month' || banding === 'year') && STEPS[banding].months % use.months === 0;
}

/** The first dimension of the profile by which the partner is told of the same field, where this one does not lie within it. */
function findInstead(recordType: RecordType, dimension: Dimension, context: SearchContext): Dimension | undefined {
  const pathOf = ({ attribute }: Dimension): string => getAttribute(recordType, attribute).path;
  const first = listDimensions(recordType).find((other) => pathOf(other) === pathOf(dimension) && isGiven(recordType, other, context));
  return first === undefined || withOuter(recordType, [dimension]).includes(first) ? undefined : first;
}
