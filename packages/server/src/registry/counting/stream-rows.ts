import { compileSight, type RowScope } from '../compile-filter.ts';
import { deriveAgesInSight } from '../passes/derive-ages.ts';
import type { CompiledQuery } from '../plan.ts';
import type { Snapshot } from '../snapshot.ts';
import { createParameters, tableOf } from '../sql.ts';
import type { Cell } from './count-cells.ts';
import { compileDimension, type DimensionValue } from './dimensions.ts';
import type { CountPlan } from './plan-count.ts';

/** A record and the cell in which it was counted. */
export interface CellRow {
  readonly id: string;
  /** In the order of the grid. */
  readonly values: readonly DimensionValue[];
}

export interface RowOrder {
  /** Some of the plan's grid: by their values first. */
  readonly by: CountPlan['dimensions'];
  /** Then in an order of its own for each seed. */
  readonly seed: bigint;
}

/** Few enough to be written between two answers of the same process. */
const ROWS_AT_A_TIME = 1_000;

/**
 * The records of some cells of a count, of the same snapshot. Their order tells nothing: neither when a record was made,
 * as that of ids would, nor what it is but by `order.by`.
 */
export async function* streamRows(
  snapshot: Snapshot,
  plan: CountPlan,
  cells: readonly Cell[],
  order: RowOrder,
): AsyncGenerator<readonly CellRow[]> {
  if (cells.length === 0) return;
  for await (const rows of snapshot.stream(compileRows(plan, cells, order), ROWS_AT_A_TIME))
    yield rows.map(([id, ...values]) => ({ id: id ?? '', values }));
}

function compileRows(plan: CountPlan, cells: readonly Cell[], { by, seed }: RowOrder): CompiledQuery {
  const parameters = createParameters();
  const sight = plan.sight && deriveAgesInSight(plan.sight, plan.today);
  const row: RowScope = { profile: plan.profile, recordType: plan.recordType, alias: 'r', parameters, sight };
  const names = plan.grid.map((_, place) => `v${place}`);
  const values = plan.grid.map((dimension, place) => `${compileDimension(dimension, row, plan.today)} as v${place}`);
  const seen = compileSight(row);
  const told = parameters.bind(JSON.stringify(cells.map((cell) => cell.values)), 'jsonb');
  const first = by.map((dimension) => `v${plan.grid.indexOf(dimension)}`);
  // Elements that are null are equal within arrays.
  const sql = `select ${['id', ...names].join(', ')} from (
      select ${['r.id', ...values].join(', ')} from ${tableOf(plan.profile, plan.recordType)} r
      ${seen.length === 0 ? '' : `where ${seen.join(' and ')}`}) q
    where array[${names.join(', ')}]::text[] in (
      select array(select jsonb_array_elements_text(cell)) from jsonb_array_elements(${told}) cell)
    order by ${[...first, `uuid_hash_extended(id, ${parameters.bind(String(seed), 'bigint')})`].join(', ')}`;
  return { sql, parameters: parameters.values };
}
