import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';
import { compileCellFilter } from '../registry/counting/cell-filter.ts';
import { type Cell, type CountedCells, gatherCells } from '../registry/counting/count-cells.ts';
import type { CountPlan } from '../registry/counting/plan-count.ts';
import type { DimensionValue } from '../registry/counting/dimensions.ts';

declare const disclosed: unique symbol;

/**
 * The only way out for numbers. Of the records that a partner may see, each set of dimensions has one table, whose cells
 * are protected once and for all, whatever is asked of it; an answer is a choice of cells of such tables and sums of them.
 *
 * - A cell is told only if it holds as many records as the threshold, before and after the next step. One that is not
 *   told looks like an empty one.
 * - A told count is off by up to `ACCURACY`, by a keyed function of the set of records in the cell: the same set is off
 *   by the same wherever it turns up, so asking again averages nothing out (a larger set that is put together
 *   from others in several ways is known the better for it, which its parts are not); and sets that differ by
 *   one record are off independently, so their difference does not tell that record.
 * - In each line of the table the cells that are not told hold together as many records as the threshold, or none: else
 *   the smallest told one is not told either. So no sum gives back what was left out.
 */
export interface DisclosedStatistics {
  readonly [disclosed]: true;
  readonly plan: CountPlan;
  readonly rows: readonly DisclosedRow[];
  /** Undefined where it is not told. */
  readonly total: DisclosedCount | undefined;
  readonly threshold: number;
  /** Epoch milliseconds. */
  readonly asOf: number;
}

export interface DisclosedRow extends DisclosedCount {
  /** Of the plan's dimensions, in order. */
  readonly values: readonly DimensionValue[];
}

export interface DisclosedCount {
  readonly count: number;
  /** How far the records in the told cells may be from `count`, in either direction. */
  readonly accuracy: number;
}

export interface StatisticsProtection {
  /** Kept for this purpose alone. */
  readonly key: KeyObject;
}

/** How far the count of one cell is off at most. */
export const ACCURACY = 3;

/** Fewest records that may be told together, whatever the agreement says, and where it says nothing. */
export const LEAST_THRESHOLD = 5;
export const USUAL_THRESHOLD = 10;

export function createStatisticsProtection(key: Buffer): StatisticsProtection {
  return { key: createSecretKey(key) };
}

export function discloseStatistics(
  protection: StatisticsProtection,
  counted: CountedCells,
  agreedThreshold: number | undefined,
): DisclosedStatistics {
  const { plan } = counted;
  const threshold = Math.max(LEAST_THRESHOLD, agreedThreshold ?? USUAL_THRESHOLD);
  const { grid, dimensions, narrowing } = plan;
  const holds = plan.filter === undefined ? () => true : compileCellFilter(plan.filter, plan.recordType, grid);
  const holdsAlone = plan.filter === undefined ? () => true : compileCellFilter(plan.filter, plan.recordType, narrowing);
  const alone = gatherCells(
    counted.cells,
    narrowing.map((dimension) => grid.indexOf(dimension)),
  );
  const [total] = sumTold(
    protectCells(protection, alone, threshold).filter(({ cell }) => holdsAlone(cell.values)),
    [],
  );
  const rows = sumTold(
    protectCells(protection, counted.cells, threshold).filter(({ cell }) => holds(cell.values)),
    dimensions.map((dimension) => grid.indexOf(dimension)),
  );
  return {
    plan,
    rows: dimensions.length === 0 ? [] : rows.toSorted(compareRows),
    total: total && { count: total.count, accuracy: total.accuracy },
    threshold,
    asOf: counted.asOf,
  } as unknown as DisclosedStatistics;
}

interface ToldCell {
  readonly cell: Cell;
  readonly count: number;
}

/** The cells of a table that are told, with the counts that are told of them. */
function protectCells(protection: StatisticsProtection, cells: readonly Cell[], threshold: number): ToldCell[] {
  const told = new Map<Cell, number>();
  for (const cell of cells) {
    if (cell.records < threshold) continue;
    const count = cell.records + offset(protection, cell);
    if (count >= threshold) told.set(cell, count);
  }
  const lines = listLines(cells);
  while (hideComplements(lines, told, threshold));
  return [...told].map(([cell, count]) => ({ cell, count }));
}

/** Whole numbers from -ACCURACY to ACCURACY, one as likely as the other. */
function offset({ key }: StatisticsProtection, { idSum }: Cell): number {
  const set = BigInt.asUintN(64, idSum).toString(16);
  return (createHmac('sha256', key).update(set).digest().readUInt32BE() % (2 * ACCURACY + 1)) - ACCURACY;
}

/** The lines of a table along each of its dimensions, the smallest cell of each first. */
function listLines(cells: readonly Cell[]): readonly (readonly Cell[])[] {
  const sorted = cells.toSorted(compareCells);
  const axes = [...(cells[0]?.values.keys() ?? [])];
  return axes.flatMap((axis) => [...Map.groupBy(sorted, ({ values }) => JSON.stringify(values.with(axis, null))).values()]);
}

/** Takes cells out of `told` until the rest of each line is large enough or empty; false where nothing was taken. */
function hideComplements(lines: ReturnType<typeof listLines>, told: Map<Cell, number>, threshold: number): boolean {
  const before = told.size;
  for (const line of lines) {
    let hidden = line.reduce((sum, cell) => sum + (told.has(cell) ? 0 : cell.records), 0);
    for (const cell of line) {
      if (hidden === 0 || hidden >= threshold) break;
      if (told.delete(cell)) hidden += cell.records;
    }
  }
  return told.size < before;
}

/** The smallest first; of equal ones always the same. */
function compareCells(one: Cell, other: Cell): number {
  return one.records - other.records || (one.idSum < other.idSum ? -1 : 1);
}

function sumTold(told: readonly ToldCell[], places: readonly number[]): DisclosedRow[] {
  const groups = Map.groupBy(told, ({ cell }) => JSON.stringify(places.map((place) => cell.values[place] ?? null)));
  return [...groups].map(([values, group]) => ({
    values: JSON.parse(values) as DimensionValue[],
    count: group.reduce((sum, { count }) => sum + count, 0),
    accuracy: ACCURACY * group.length,
  }));
}

function compareRows({ values: one }: DisclosedRow, { values: other }: DisclosedRow): number {
  for (const [place, value] of one.entries()) {
    const compared = compareValues(value, other[place] ?? null);
    if (compared !== 0) return compared;
  }
  return 0;
}

/** By code point, as PostgreSQL does it here; what is not stated comes last. */
function compareValues(one: DimensionValue, other: DimensionValue): number {
  if (one === other) return 0;
  if (one === null || other === null) return one === null ? 1 : -1;
  return one < other ? -1 : 1;
}
