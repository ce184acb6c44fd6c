import type { Attribute, Bands, Dimension, RecordType } from '../../profiles/profile.ts';
import type { Comparison, Leaf } from '../filter-tree.ts';
import { isBound } from '../passes/bind-filter.ts';
import type { Filter, Scalar } from '../plan.ts';
import { filterRefusal } from '../refusal.ts';
import { type DimensionValue, listDimensions, nameBands, STEPS } from './dimensions.ts';

/**
 * Conditions on cells. A condition is served only if it holds for all records of a cell or for none, so it is about
 * dimensions, and compares those that have bands at the bounds of bands: then every answer is a sum of cells, and no
 * condition sets apart what the cells do not.
 */
export type CellFilter = (values: readonly DimensionValue[]) => boolean;

/** The dimensions that a filter is about; throws a `DciError` where it is about anything else. */
export function listFilterDimensions(filter: Filter, recordType: RecordType): readonly Dimension[] {
  switch (filter.kind) {
    case 'and':
    case 'or':
      return [...new Set(filter.terms.flatMap((term) => listFilterDimensions(term, recordType)))];
    case 'not':
      return listFilterDimensions(filter.term, recordType);
    case 'compare':
      return [getDimension(filter, recordType)];
    case 'identifier':
      throw onlyDimensions(filter, recordType);
    case 'records':
      throw new Error('cells have no records');
  }
}

/** `grid`: what the values of a cell are, in order; it has the dimensions of the filter. */
export function compileCellFilter(filter: Filter, recordType: RecordType, grid: readonly Dimension[]): CellFilter {
  switch (filter.kind) {
    case 'and': {
      const terms = filter.terms.map((term) => compileCellFilter(term, recordType, grid));
      return (values) => terms.every((term) => term(values));
    }
    case 'or': {
      const terms = filter.terms.map((term) => compileCellFilter(term, recordType, grid));
      return (values) => terms.some((term) => term(values));
    }
    case 'not': {
      const term = compileCellFilter(filter.term, recordType, grid);
      return (values) => !term(values);
    }
    case 'compare': {
      const dimension = getDimension(filter, recordType);
      const place = grid.indexOf(dimension);
      if (place === -1) throw new Error(`the cells are not told apart by ${dimension.name}`);
      const test = compileTest(filter, dimension);
      return (values) => test(values[place] ?? null);
    }
    case 'identifier':
      throw onlyDimensions(filter, recordType);
    case 'records':
      throw new Error('cells have no records');
  }
}

function getDimension(leaf: Comparison, recordType: RecordType): Dimension {
  const known = listDimensions(recordType).filter(({ attribute }) => attribute === leaf.attribute.name);
  const found = known.find((dimension) => tells(dimension, leaf)) ?? known.at(-1);
  if (found === undefined || leaf.recordType !== recordType) throw onlyDimensions(leaf, recordType);
  return found;
}

/** Of dates told in several steps, those of the first that has the bound are enough. */
function tells({ banding }: Dimension, leaf: Comparison): boolean {
  return (banding !== 'month' && banding !== 'year') || leaf.operator === 'exists' || isBound(leaf, STEPS[banding].months);
}

function onlyDimensions(leaf: Leaf, recordType: RecordType): Error {
  const names = listDimensions(recordType).map(({ attribute }) => attribute);
  return filterRefusal(`what is counted can be narrowed by ${[...new Set(names)].join(', ')}`, leaf.pointer);
}

type Test = (value: DimensionValue) => boolean;

function compileTest(leaf: Comparison, { banding, attribute }: Dimension): Test {
  if (leaf.operator === 'exists') return (value) => value !== null;
  if (banding === 'as-it-is') return compileAsItIs(leaf);
  if (banding === 'month' || banding === 'year') {
    const { months, length } = STEPS[banding];
    if (!isBound(leaf, months))
      throw filterRefusal(`${attribute} is told by the ${banding}: compare it with the beginnings of ${banding}s`, leaf.pointer);
    const step = String(leaf.value).slice(0, length);
    return (value) => value !== null && (leaf.operator === 'lt' ? value < step : value >= step);
  }
  return compileBanded(leaf, leaf.attribute, banding);
}

function compileAsItIs({ operator, value: stated, attribute, pointer }: Comparison): Test {
  const texts = [stated].flat().map(String);
  const [first = ''] = texts;
  switch (operator) {
    case 'eq':
    case 'in': {
      const wanted = new Set(texts);
      return (value) => value !== null && wanted.has(value);
    }
    case 'prefix':
      return (value) => value?.startsWith(first) === true;
    default:
      throw filterRefusal(`${attribute.name} can be compared by eq, ne, in, nin, exists, prefix when records are counted`, pointer);
  }
}

function compileBanded({ operator, value, pointer }: Comparison, attribute: Attribute, bands: Bands): Test {
  const isWhole = attribute.type === 'integer';
  const bound = readBound(operator, value, isWhole);
  const place = bound === undefined ? -1 : bands.bounds.indexOf(bound.at);
  if (bound === undefined || place === -1)
    throw filterRefusal(`${attribute.name} is told in bands: compare it by lt or ge with ${bands.bounds.join(', ')}`, pointer);
  const names = nameBands(bands, isWhole);
  const held = new Set(bound.isBelow ? names.slice(0, place + 1) : names.slice(place + 1));
  return (found) => found !== null && held.has(found);
}

/** Where a comparison divides the numbers; of whole numbers `le 4` is `lt 5`. */
function readBound(
  operator: Comparison['operator'],
  value: Scalar | readonly Scalar[],
  isWhole: boolean,
): { at: number; isBelow: boolean } | undefined {
  if (typeof value !== 'number') return undefined;
  if (operator === 'lt' || operator === 'ge') return { at: value, isBelow: operator === 'lt' };
  if (isWhole && (operator === 'le' || operator === 'gt')) return { at: value + 1, isBelow: operator === 'le' };
  return undefined;
}

/** Whether a condition can be told from the dimensions; those of an agreement need not be. */
export function isAboutDimensions(filter: Filter, recordType: RecordType): boolean {
  try {
    compileCellFilter(filter, recordType, listFilterDimensions(filter, recordType));
    return true;
  } catch {
    return false;
  }
}
