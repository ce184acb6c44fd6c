import { compileCellFilter } from '../registry/counting/cell-filter.ts';
import { type CountedCells, gatherCells } from '../registry/counting/count-cells.ts';
import type { CountPlan } from '../registry/counting/plan-count.ts';
import type { DimensionValue } from '../registry/counting/dimensions.ts';
import { ACCURACY, type CellProtection, decideThreshold, type ToldCell, tellCells } from './tell-cells.ts';

declare const disclosed: unique symbol;

/**
 * The only way out for numbers. Of the records that a partner may see, each set of dimensions has one table, whose cells
 * are protected once and for all, whatever is asked of it; an answer is a choice of cells of such tables and sums of them.
 * Which cells are told, and with what counts, `tell-cells.ts` says.
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

export async function discloseStatistics(
  protection: CellProtection,
  counted: CountedCells,
  agreedThreshold: number | undefined,
): Promise<DisclosedStatistics> {
  const { plan } = counted;
  const threshold = decideThreshold(agreedThreshold);
  const { grid, dimensions, narrowing } = plan;
  const holds = plan.filter === undefined ? () => true : compileCellFilter(plan.filter, plan.recordType, grid);
  const holdsAlone = plan.filter === undefined ? () => true : compileCellFilter(plan.filter, plan.recordType, narrowing);
  const alone = gatherCells(
    counted.cells,
    narrowing.map((dimension) => grid.indexOf(dimension)),
  );
  const [total] = sumTold(
    (await tellCells(protection, alone, narrowing, threshold)).filter(({ cell }) => holdsAlone(cell.values)),
    [],
  );
  const rows = sumTold(
    (await tellCells(protection, counted.cells, grid, threshold)).filter(({ cell }) => holds(cell.values)),
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
