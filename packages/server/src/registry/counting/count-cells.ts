import type { Dimension, RecordType } from '../../profiles/profile.ts';
import { compileSight, type RowScope } from '../compile-filter.ts';
import { deriveAgesInSight } from '../passes/derive-ages.ts';
import type { CompiledQuery } from '../plan.ts';
import type { Reader, Row } from '../reader.ts';
import { tooManyRefusal } from '../refusal.ts';
import { createParameters, quoteText, tableOf } from '../sql.ts';
import { compileCellFilter, isAboutDimensions, listFilterDimensions } from './cell-filter.ts';
import { describeCounting, nameCube } from './cubes.ts';
import { compileDimension, type DimensionValue, withOuter } from './dimensions.ts';
import type { CountPlan } from './plan-count.ts';

/**
 * Counts what a partner may see, cell by cell of the plan's grid: from kept counts where there are some that tell all
 * that the plan needs, else from the records. Both say the same of the same records. It is not for leaving: numbers are
 * exact and small ones are among them.
 */
export interface CountedCells {
  readonly plan: CountPlan;
  /** Every cell that is not empty, whatever the filter. */
  readonly cells: readonly Cell[];
  /** Of what moment; epoch milliseconds. */
  readonly asOf: number;
}

export interface Cell {
  /** In the order of the grid. */
  readonly values: readonly DimensionValue[];
  readonly records: number;
  /** Sum of the hashes of the records' ids: the same for the same set of records, however it was asked for. */
  readonly idSum: bigint;
}

/** Hash of a record's id, summed to know a set by; the same where counts are kept. */
export const ID_HASH = 'uuid_hash_extended';

const MOST_CELLS = 100_000;
/** Kept counts that are older are passed over: whoever keeps them has stopped. */
const OLDEST_KEPT = '10 minutes';

export async function countCells(reader: Reader, plan: CountPlan, now: () => number): Promise<CountedCells> {
  return (await countKept(reader, plan)) ?? (await countRecords(reader, plan, now()));
}

export async function countRecords(reader: Pick<Reader, 'read'>, plan: CountPlan, now: number): Promise<CountedCells> {
  const rows = await reader.read(compileCount(plan));
  return { plan, cells: assertFew(rows).map((row) => readCell(row)), asOf: now };
}

function compileCount(plan: CountPlan): CompiledQuery {
  const parameters = createParameters();
  const sight = plan.sight && deriveAgesInSight(plan.sight, plan.today);
  const row: RowScope = { profile: plan.profile, recordType: plan.recordType, alias: 'r', parameters, sight };
  const values = plan.grid.map((dimension) => compileDimension(dimension, row, plan.today));
  const seen = compileSight(row);
  const sql = [
    `select ${[...values, 'count(*)', `sum(${ID_HASH}(r.id, 0))`].join(', ')} from ${tableOf(plan.profile, plan.recordType)} r`,
    ...(seen.length === 0 ? [] : [`where ${seen.join(' and ')}`]),
    ...(values.length === 0 ? [] : [`group by ${values.map((_, index) => index + 1).join(', ')}`]),
    `limit ${MOST_CELLS + 1}`,
  ].join(' ');
  return { sql, parameters: parameters.values };
}

/** Undefined where no kept counts will do. */
export async function countKept(reader: Reader, plan: CountPlan): Promise<CountedCells | undefined> {
  const scope = readScope(plan);
  if (scope === undefined) return undefined;
  const needed = withOuter(plan.recordType, [...plan.grid, ...scope.dimensions]);
  const cube = findCube(plan.recordType, needed);
  if (cube === undefined) return undefined;
  const rows = await reader.read(compileKept(plan, cube, needed));
  const [first] = rows;
  if (first === undefined) return undefined;
  const cells = assertFew(rows).flatMap((row) => (row.at(-1) === null ? [] : [readCell(row.slice(1))]));
  const seen = cells.filter(({ values }) => scope.holds(values, needed));
  const places = plan.grid.map((dimension) => needed.indexOf(dimension));
  return { plan, cells: gatherCells(seen, places), asOf: Date.parse(first[0] ?? '') };
}

interface KeptScope {
  readonly dimensions: readonly Dimension[];
  holds(values: readonly DimensionValue[], grid: readonly Dimension[]): boolean;
}

/** What is kept is counted of all records; a partner that sees some is served from it where cells tell which. */
function readScope({ sight, recordType }: CountPlan): KeptScope | undefined {
  if (sight?.consent !== undefined) return undefined;
  const rows = sight?.rows.get(recordType.name);
  if (rows === undefined) return { dimensions: [], holds: () => true };
  if (!isAboutDimensions(rows, recordType)) return undefined;
  return {
    dimensions: listFilterDimensions(rows, recordType),
    holds: (values, grid) => compileCellFilter(rows, recordType, grid)(values),
  };
}

function findCube(recordType: RecordType, needed: readonly Dimension[]): readonly string[] | undefined {
  return recordType.statistics?.cubes.find((cube) => needed.every(({ name }) => cube.includes(name)));
}

function compileKept({ profile, recordType, today }: CountPlan, cube: readonly string[], needed: readonly Dimension[]): CompiledQuery {
  const parameters = createParameters();
  const ofType = (alias: string): string =>
    `${alias}.registry = ${quoteText(profile.registry)} and ${alias}.record_type = ${quoteText(recordType.name)}`;
  const declared = parameters.bind(describeCounting(recordType), 'text');
  const state = `select kept_at from counted_type t where ${ofType('t')} and t.is_done and t.declared = ${declared}
    and t.day = ${parameters.bind(today, 'date')} and t.kept_at > now() - interval '${OLDEST_KEPT}'`;
  const columns = needed.map(({ name }) => cube.indexOf(name) + 1);
  const values = columns.map((place, index) => `c.cell[${place}] as v${index}`);
  const cells = `select ${[...values, 'sum(c.records) as records', 'sum(c.id_sum) as id_sum'].join(', ')} from counted_cell c
    where ${ofType('c')} and c.cube = ${parameters.bind(nameCube(cube), 'text')}
    ${columns.length === 0 ? '' : `group by ${columns.map((_, index) => index + 1).join(', ')}`} having sum(c.records) > 0`;
  const names = [...columns.map((_, index) => `k.v${index}`), 'k.records', 'k.id_sum'].join(', ');
  const sql = `select to_char(s.kept_at, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), ${names} from (${state}) s left join (${cells}) k on true limit ${MOST_CELLS + 1}`;
  return { sql, parameters: parameters.values };
}

/** Cells as if they had been told apart by some of their values only. */
export function gatherCells(cells: readonly Cell[], places: readonly number[]): Cell[] {
  const gathered = new Map<string, Cell>();
  for (const { values, records, idSum } of cells) {
    const kept = places.map((place) => values[place] ?? null);
    const key = JSON.stringify(kept);
    const known = gathered.get(key);
    gathered.set(key, { values: kept, records: records + (known?.records ?? 0), idSum: idSum + (known?.idSum ?? 0n) });
  }
  return [...gathered.values()];
}

function assertFew(rows: readonly Row[]): readonly Row[] {
  if (rows.length > MOST_CELLS) throw tooManyRefusal('there are too many different values; ask by fewer dimensions');
  return rows;
}

function readCell(row: Row): Cell {
  return { values: row.slice(0, -2), records: Number(row.at(-2) ?? 0), idSum: BigInt(row.at(-1) ?? 0) };
}
