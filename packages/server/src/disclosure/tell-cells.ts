import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Dimension } from '../profiles/profile.ts';
import type { Cell } from '../registry/counting/count-cells.ts';
import type { DimensionValue } from '../registry/counting/dimensions.ts';

/**
 * Which cells of a table may be told of, whatever is told of them: numbers (`disclose-statistics.ts`) or rows
 * (`disclose-extract.ts`). Both go by this, so that neither gives back what the other leaves out.
 *
 * - No count is told as it is. It is off by up to `ACCURACY`, by a keyed function of the set of records in the cell: the same
 *   set is off by the same wherever it turns up, so asking again averages nothing out (a larger set that is put together from
 *   others in several ways is known the better for it, which its parts are not); and sets that differ by one record are off
 *   independently, so their difference does not tell that record.
 * - A cell is told only if there are as many records in it as the threshold however far its count is off. One that is not
 *   told looks like an empty one.
 * - Wherever cells are added up along some of the dimensions, those that are not told hold together as many records as the
 *   threshold, or none; else the smallest told one is not told either. The only sums without that are those of which
 *   nothing is told at all. So no table of fewer dimensions gives back what was left out of this one.
 */
export interface CellProtection {
  /** Kept for this purpose alone. */
  readonly key: KeyObject;
}

/** How far the count of one cell is off at most. */
export const ACCURACY = 3;

/** Fewest records that may be told together, whatever the agreement says, and where it says nothing. */
export const LEAST_THRESHOLD = 5;
export const USUAL_THRESHOLD = 10;

export function createCellProtection(key: Buffer): CellProtection {
  return { key: createSecretKey(key) };
}

/** The fewest records that are told together. */
export function decideThreshold(agreed: number | undefined): number {
  return Math.max(LEAST_THRESHOLD, agreed ?? USUAL_THRESHOLD);
}

export interface ToldCell {
  readonly cell: Cell;
  /** Its count, put off. */
  readonly count: number;
}

/** `cells`: all of the table that are not empty, told apart by `grid`. Where there are very many, others have their turn in between. */
export async function tellCells(
  protection: CellProtection,
  cells: readonly Cell[],
  grid: readonly Dimension[],
  threshold: number,
): Promise<ToldCell[]> {
  const large = cells
    .map((cell) => ({ cell, count: putOff(protection, cell) }))
    .filter(({ count }) => count - ACCURACY >= threshold)
    .toSorted((one, other) => compareCells(one.cell, other.cell));
  if (large.length === cells.length) return large;
  const told = large.map(() => true);
  const sums = await sumCells(cells, large, grid);
  while (sums.filter((sum) => hideComplements(large, told, sum, threshold)).length > 0) await nextTurn();
  return large.filter((_, index) => told[index]);
}

/** The count that is told of these records: off by -ACCURACY to ACCURACY, one as likely as the other. */
export function putOff({ key }: CellProtection, { records, idSum }: Omit<Cell, 'values'>): number {
  const set = BigInt.asUintN(64, idSum).toString(16);
  return records - ACCURACY + (createHmac('sha256', key).update(set).digest().readUInt32BE() % (2 * ACCURACY + 1));
}

/** The smallest first; of equal ones always the same. */
function compareCells(one: Cell, other: Cell): number {
  return one.records - other.records || (one.idSum < other.idSum ? -1 : 1);
}

/** Longest that nothing else is done. */
const TURN_MS = 20;

/** What the cells of a table are added up to in a smaller one, as far as large ones are in it. */
interface Sums {
  /** The place in `totals` of each large cell. */
  readonly places: Uint32Array;
  /** Records of all cells that are added up. */
  readonly totals: Float64Array;
}

/**
 * The sums of every table of fewer dimensions, none without the one in which it lies; those of the largest tables first.
 * Tables are taken apart dimension by dimension, so that each step is one pass over the cells.
 */
async function sumCells(cells: readonly Cell[], large: readonly ToldCell[], grid: readonly Dimension[]): Promise<readonly Sums[]> {
  const first = large.map(({ cell }) => cell);
  // The place of a large cell among all is its place among the large.
  const ordered = [...first, ...new Set(cells).difference(new Set(first))];
  const records = Float64Array.from(ordered, (cell) => cell.records);
  const axes = grid.map((_, place) => codeValues(ordered, place));
  const names = grid.map(({ name }) => name);
  let begun = performance.now();
  const found: { readonly sums: Sums; readonly kept: number }[] = [];

  async function take(axis: number, groups: Coded, kept: readonly number[]): Promise<void> {
    if (performance.now() - begun > TURN_MS) {
      await nextTurn();
      begun = performance.now();
    }
    const coded = axes[axis];
    if (coded === undefined) {
      if (kept.length < grid.length) found.push({ sums: addUp(groups, records, large.length), kept: kept.length });
      return;
    }
    await take(axis + 1, groups, kept);
    const within = grid[axis]?.within;
    const outer = within === undefined ? -1 : names.indexOf(within);
    if (outer === -1 || kept.includes(outer)) await take(axis + 1, divide(groups, coded), [...kept, axis]);
  }

  await take(0, { codes: new Uint32Array(ordered.length), size: 1 }, []);
  return found.toSorted((one, other) => other.kept - one.kept).map(({ sums }) => sums);
}

/** A number for each cell, from 0 up to before `size`. */
interface Coded {
  readonly codes: Uint32Array;
  readonly size: number;
}

function codeValues(cells: readonly Cell[], place: number): Coded {
  const known = new Map<DimensionValue, number>();
  const codes = Uint32Array.from(cells, ({ values }) => numberOf(known, values[place] ?? null));
  return { codes, size: known.size };
}

/** What is met for the first time gets the next number. */
function numberOf<T>(known: Map<T, number>, value: T): number {
  const number = known.get(value) ?? known.size;
  known.set(value, number);
  return number;
}

/** Entries of a table of pairs that is not too large to be made for one pass. */
const LARGEST_TABLE = 4_000_000;

/** The same number for those that have both in common, and no others. */
function divide(groups: Coded, { codes, size }: Coded): Coded {
  const pairOf = (index: number): number => (groups.codes[index] ?? 0) * size + (codes[index] ?? 0);
  const divided = new Uint32Array(codes.length);
  if (groups.size * size > LARGEST_TABLE) {
    const known = new Map<number, number>();
    for (let index = 0; index < divided.length; index += 1) divided[index] = numberOf(known, pairOf(index));
    return { codes: divided, size: known.size };
  }
  // Counted from 1.
  const table = new Uint32Array(groups.size * size);
  let count = 0;
  for (let index = 0; index < divided.length; index += 1) {
    const pair = pairOf(index);
    let number = table[pair] ?? 0;
    if (number === 0) {
      count += 1;
      number = count;
      table[pair] = number;
    }
    divided[index] = number - 1;
  }
  return { codes: divided, size: count };
}

/** `large`: so many cells, the first, of whose groups there are sums. */
function addUp({ codes, size }: Coded, records: Float64Array, large: number): Sums {
  const sums = new Float64Array(size);
  for (let index = 0; index < codes.length; index += 1) {
    const code = codes[index] ?? 0;
    sums[code] = (sums[code] ?? 0) + (records[index] ?? 0);
  }
  const known = new Map<number, number>();
  const places = codes.slice(0, large).map((code) => numberOf(known, code));
  return { places, totals: Float64Array.from(known.keys(), (code) => sums[code] ?? 0) };
}

/** Takes cells out of `told`, the smallest first, until the rest of each sum is large enough; false where none was taken. */
function hideComplements(large: readonly ToldCell[], told: boolean[], { places, totals }: Sums, threshold: number): boolean {
  const hidden = totals.slice();
  for (const [index, { cell }] of large.entries()) {
    const place = places[index] ?? 0;
    if (told[index] === true) hidden[place] = (hidden[place] ?? 0) - cell.records;
  }
  let isTaken = false;
  for (const [index, { cell }] of large.entries()) {
    const place = places[index] ?? 0;
    const rest = hidden[place] ?? 0;
    if (told[index] === false || rest === 0 || rest >= threshold) continue;
    told[index] = false;
    isTaken = true;
    hidden[place] = rest + cell.records;
  }
  return isTaken;
}
