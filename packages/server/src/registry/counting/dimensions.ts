import { getAttribute } from '../../profiles/index.ts';
import type { Bands, Dimension, RecordType } from '../../profiles/profile.ts';
import { whereCovered, type RowScope } from '../compile-filter.ts';
import { latestBirth } from '../moments.ts';
import { getBirth } from '../passes/derive-ages.ts';
import { columnOf } from '../sql.ts';

/**
 * By what records are told apart when they are counted. A value is a text, the name of a band where the dimension has
 * bands, or null where the record does not state the attribute.
 */
export type DimensionValue = string | null;

export function listDimensions(recordType: RecordType): readonly Dimension[] {
  return recordType.statistics?.dimensions ?? [];
}

/** The dimensions and those in which they lie, each once, in the order of the profile. */
export function withOuter(recordType: RecordType, dimensions: readonly Dimension[]): readonly Dimension[] {
  const all = listDimensions(recordType);
  const wanted = new Set(dimensions.map(({ name }) => name));
  for (const { name, within } of all.toReversed()) if (within !== undefined && wanted.has(name)) wanted.add(within);
  return all.filter(({ name }) => wanted.has(name));
}

/** Names of the bands, from below the first bound to beyond the last. */
export function nameBands({ from, bounds }: Bands, isWhole: boolean): readonly string[] {
  const [first = Number.NaN, ...others] = bounds;
  const inner = bounds.slice(0, -1).map((bound, index) => nameBand(bound, others[index] ?? bound, isWhole));
  return [from === undefined ? `<${first}` : nameBand(from, first, isWhole), ...inner, `${bounds.at(-1)}+`];
}

/** Whole numbers by the first and the last, others from one bound to before the next. */
function nameBand(from: number, until: number, isWhole: boolean): string {
  if (!isWhole) return `${from}..${until}`;
  return until - from === 1 ? String(from) : `${from}-${until - 1}`;
}

/** The value of a dimension as SQL text; where consent is needed, only of a field that consents cover. */
export function compileDimension(dimension: Dimension, row: RowScope, today: string): string {
  const { recordType, sight } = row;
  const attribute = getAttribute(recordType, dimension.attribute);
  const value = compileValue(dimension, row, today);
  return sight?.consent === undefined ? value : `case when ${whereCovered('true', attribute, row)} then ${value} end`;
}

function compileValue(dimension: Dimension, row: RowScope, today: string): string {
  const { recordType, alias, parameters } = row;
  const attribute = getAttribute(recordType, dimension.attribute);
  if (typeof dimension.banding === 'object') {
    const names = nameBands(dimension.banding, attribute.type === 'integer');
    const isAge = attribute.derived === 'age';
    // Who is older was born earlier, so the names are counted from the last.
    const listed = parameters.bind(isAge ? names.toReversed() : names, 'text[]');
    return `(${listed})[1 + ${isAge ? compileAgesAhead(dimension, row, today) : compileBand(dimension.banding, row, dimension)}]`;
  }
  const { name, sqlType } = columnOf(recordType, attribute);
  if (dimension.banding === 'as-it-is') return `${alias}.${name}::text`;
  const moment = `${alias}.${name}${sqlType === 'date' ? '' : ` at time zone 'utc'`}`;
  return `to_char(${moment}, '${STEPS[dimension.banding].format}')`;
}

/** Of steps in which dates are told: their length, how they are written in SQL, and how much of a date says which it is. */
export const STEPS = {
  month: { months: 1, format: 'YYYY-MM', length: 7 },
  year: { months: 12, format: 'YYYY', length: 4 },
} as const;

function compileBand({ bounds }: Bands, { recordType, alias, parameters }: RowScope, { attribute }: Dimension): string {
  const { name } = columnOf(recordType, getAttribute(recordType, attribute));
  return `width_bucket(${alias}.${name}::double precision, ${parameters.bind(bounds, 'double precision[]')})`;
}

/** How many of the bounds an age has not reached on `today`. */
function compileAgesAhead(dimension: Dimension, { recordType, alias, parameters }: RowScope, today: string): string {
  const { bounds } = dimension.banding as Bands;
  const { name } = columnOf(recordType, getBirth(recordType, getAttribute(recordType, dimension.attribute)));
  // Born on the day after: the bound is not reached.
  const days = bounds.toReversed().map((years) => nextDay(latestBirth(today, years)));
  return `width_bucket(${alias}.${name}, ${parameters.bind(days, 'date[]')})`;
}

/** The day on which the value of a dimension changes by itself, as SQL; undefined where it never does. */
export function compileChangeDay(dimension: Dimension, row: RowScope, today: string): string | undefined {
  const { recordType, alias, parameters } = row;
  const attribute = getAttribute(recordType, dimension.attribute);
  if (attribute.derived !== 'age' || typeof dimension.banding !== 'object') return undefined;
  const birth = `${alias}.${columnOf(recordType, getBirth(recordType, attribute)).name}`;
  const ahead = parameters.bind(dimension.banding.bounds.toReversed(), 'integer[]');
  const next = `(${ahead})[${compileAgesAhead(dimension, row, today)}]`;
  // Born on 29 February, the years are completed a day later than the database counts.
  const day = `(${birth} + make_interval(years => ${next}))::date`;
  const tomorrow = parameters.bind(nextDay(today), 'date');
  // `greatest` would make tomorrow of a day that never comes.
  return `case when ${day} >= ${tomorrow} then ${day} when ${day} < ${tomorrow} then ${tomorrow} end`;
}

function nextDay(day: string): string {
  const date = new Date(`${day}T00:00:00Z`);
  date.setUTCDate(date.getUTCDate() + 1);
  return date.toISOString().slice(0, 10);
}
