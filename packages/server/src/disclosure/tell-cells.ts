import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';
import type { Dimension } from '../profiles/profile.ts';
import type { Cell } from '../registry/counting/count-cells.ts';
import type { DimensionValue } from '../registry/counting/dimensions.ts';

/**
 * Which cells of a table may be told of, whatever is told of them: numbers (`disclose-statistics.ts`) or rows
 * (`disclose-extract.ts`). Both go by this, so that neither gives back what the other leaves out.
 *
 * - A cell is told only if it holds as many records as the threshold, before and after its count is put off. One that is
 *   not told looks like an empty one.
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

/** `cells`: all of the table that are not empty, told apart by `grid`. */
export function tellCells(protection: CellProtection, cells: readonly Cell[], grid: readonly Dimension[], threshold: number): ToldCell[] {
  const sorted = cells.toSorted(compareCells);
  const counts = sorted.map((cell) => cell.records + offset(protection, cell));
  const told = sorted.map((cell, index) => cell.records >= threshold && (counts[index] ?? 0) >= threshold);
  const keyTo = codeCells(sorted, grid);
  const margins = listMargins(grid);
  while (told.includes(false) && margins.filter((kept) => hideComplements(sorted, told, keyTo(kept), threshold)).length > 0);
  return sorted.flatMap((cell, index) => (told[index] === true ? [{ cell, count: counts[index] ?? 0 }] : []));
}

/** Whole numbers from -ACCURACY to ACCURACY, one as likely as the other; the same for the same set of records. */
function offset({ key }: CellProtection, { idSum }: Cell): number {
  const set = BigInt.asUintN(64, idSum).toString(16);
  return (createHmac('sha256', key).update(set).digest().readUInt32BE() % (2 * ACCURACY + 1)) - ACCURACY;
}

/** The smallest first; of equal ones always the same. */
function compareCells(one: Cell, other: Cell): number {
  return one.records - other.records || (one.idSum < other.idSum ? -1 : 1);
}

/**
 * The places of the dimensions that are left in each table that this one can be added up to, the largest first. None has a
 * dimension without the one in which it lies.
 */
function listMargins(grid: readonly Dimension[]): readonly (readonly number[])[] {
  const names = grid.map(({ name }) => name);
  let sets: readonly (readonly number[])[] = [[]];
  for (const [place, { within }] of grid.entries()) {
    const outer = within === undefined ? -1 : names.indexOf(within);
    sets = sets.flatMap((set) => (outer === -1 || set.includes(outer) ? [set, [...set, place]] : [set]));
  }
  return sets.filter((set) => set.length < grid.length).toSorted((one, other) => other.length - one.length);
}

type KeyOf = (index: number) => number | string;

/** For the places that are kept, what two cells share if and only if they are added up together. */
function codeCells(cells: readonly Cell[], grid: readonly Dimension[]): (kept: readonly number[]) => KeyOf {
  const axes = grid.map((_, place) => {
    const codes = new Map<DimensionValue, number>();
    const coded = cells.map(({ values }) => {
      const value = values[place] ?? null;
      const code = codes.get(value) ?? codes.size;
      codes.set(value, code);
      return code;
    });
    return { coded, size: codes.size };
  });
  return (kept) => {
    const chosen = kept.flatMap((place) => axes[place] ?? []);
    if (chosen.reduce((product, { size }) => product * size, 1) > Number.MAX_SAFE_INTEGER)
      return (index) => chosen.map(({ coded }) => coded[index]).join(' ');
    return (index) => {
      let key = 0;
      for (const { coded, size } of chosen) key = key * size + (coded[index] ?? 0);
      return key;
    };
  };
}

/** Takes cells out of `told`, the smallest first, until the rest of each sum is large enough; false where none was taken. */
function hideComplements(cells: readonly Cell[], told: boolean[], keyOf: KeyOf, threshold: number): boolean {
  const hidden = new Map<number | string, number>();
  for (const [index, { records }] of cells.entries())
    if (told[index] === false) hidden.set(keyOf(index), (hidden.get(keyOf(index)) ?? 0) + records);
  for (const [key, records] of hidden) if (records >= threshold) hidden.delete(key);
  if (hidden.size === 0) return false;
  let isTaken = false;
  for (const [index, { records }] of cells.entries()) {
    if (told[index] === false) continue;
    const rest = hidden.get(keyOf(index));
    if (rest === undefined || rest >= threshold) continue;
    told[index] = false;
    isTaken = true;
    hidden.set(keyOf(index), rest + records);
  }
  return isTaken;
}
