import { createHmac } from 'node:crypto';
import type { Dimension } from '../profiles/profile.ts';
import { findPlace } from '../registry/cover.ts';
import { compileCellFilter } from '../registry/counting/cell-filter.ts';
import { type Cell, type CountedCells, gatherCells } from '../registry/counting/count-cells.ts';
import type { DimensionValue } from '../registry/counting/dimensions.ts';
import type { CountPlan } from '../registry/counting/plan-count.ts';
import type { CellRow, RowOrder } from '../registry/counting/stream-rows.ts';
import type { Grant } from './grant.ts';
import type { Pseudonyms } from './pseudonyms.ts';
import { ACCURACY, type CellProtection, decideThreshold, putOff, tellCells } from './tell-cells.ts';
import { createTreatments } from './treatment.ts';

declare const disclosed: unique symbol;

/**
 * The only way out for rows of which each is of one record and says what is counted of it. An extract is what is behind the
 * cells that statistics of the same dimensions tell: of each told cell that meets the query whole, a row a record. So each
 * row shares all that is said of it, and what the query says, with as many others as the threshold at least, and a query
 * chooses whole cells.
 *
 * Of each cell a few records are left out, so that there are as many rows as statistics tell, less `ACCURACY`: rows can be
 * counted, and what was left out of one table must not be worked out from the others, as it could be from exact numbers. So
 * extracts tell no number that statistics do not. The same records are left out each time, or they would be known together.
 *
 * A row has a pseudonym where the field rule gives identifiers, or pseudonyms of them. It is keyed by the partner and the
 * names of the dimensions, those of the query among them: rows of the same columns can be followed over time; rows of others
 * cannot be put together to say more of one record, nor with what another partner is given, or a search.
 */
export interface DisclosedExtract {
  readonly [disclosed]: true;
  readonly plan: CountPlan;
  /** What rows tell, in this order. */
  readonly columns: readonly Dimension[];
  readonly hasPseudonyms: boolean;
  readonly threshold: number;
  /** Of whose records there are rows. */
  readonly cells: readonly Cell[];
  /** In which the records are to be read. */
  readonly order: RowOrder;
  /** Number of rows. */
  readonly records: number;
  /** About how many records there are, whatever the query, of which there are no rows; undefined where that is not told. */
  readonly suppressed: number | undefined;
  /** How many different rows there are, pseudonyms aside, and of how many the fewest are. */
  readonly classes: number;
  readonly smallestClass: number;
  /** Of records in their order. Throws where one is in none of the cells, or one too many. */
  give(records: readonly CellRow[]): DisclosedRows;
}

/** Rows of an extract that may leave. */
export interface DisclosedRows {
  readonly [disclosed]: true;
  readonly rows: readonly DisclosedRow[];
  /** Whose they are, in the same order; for the audit trail. */
  readonly recordIds: readonly string[];
}

export interface DisclosedRow {
  readonly pseudonym?: string;
  /** In the order of the columns. */
  readonly values: readonly DimensionValue[];
}

export interface ExtractProtection {
  readonly cells: CellProtection;
  readonly pseudonyms: Pseudonyms;
}

/** Most records of a cell that are left out. */
export const MOST_LEFT_OUT = 2 * ACCURACY;

/** `counted`: from the records, and of the very state of the registry from which the rows are read. */
export async function discloseExtract(
  protection: ExtractProtection,
  grant: Grant,
  counted: CountedCells,
  agreedThreshold: number | undefined,
): Promise<DisclosedExtract> {
  const { plan } = counted;
  const { grid, dimensions: columns } = plan;
  const threshold = decideThreshold(agreedThreshold);
  const all = (await tellCells(protection.cells, counted.cells, grid, threshold)).map(({ cell, count }) => ({
    cell,
    rows: count - ACCURACY,
  }));
  const holds = plan.filter === undefined ? () => true : compileCellFilter(plan.filter, plan.recordType, grid);
  const told = all.filter(({ cell }) => holds(cell.values));
  const places = columns.map((dimension) => grid.indexOf(dimension));
  const classes = [...Map.groupBy(told, ({ cell }) => JSON.stringify(places.map((place) => cell.values[place] ?? null))).values()].map(
    sumRows,
  );
  const hasPseudonyms = givesPseudonyms(grant, plan);
  return {
    plan,
    columns,
    hasPseudonyms,
    threshold,
    cells: told.map(({ cell }) => cell),
    order: { by: columns, seed: makeSeed(protection.cells, grant, plan) },
    records: sumRows(told),
    suppressed: countSuppressed(protection.cells, counted.cells, sumRows(all), threshold),
    classes: classes.length,
    smallestClass: classes.reduce((least, rows) => Math.min(least, rows), classes[0] ?? 0),
    give: createGiver(told, places, hasPseudonyms ? openPseudonyms(protection.pseudonyms, grant, plan) : undefined),
  } as unknown as DisclosedExtract;
}

interface CellRows {
  readonly cell: Cell;
  /** As many as there are of it. */
  readonly rows: number;
}

function sumRows(told: readonly CellRows[]): number {
  return told.reduce((sum, { rows }) => sum + rows, 0);
}

/** Made of what statistics tell: the number of all records, which is off too, and those of the cells. */
function countSuppressed(protection: CellProtection, cells: readonly Cell[], rows: number, threshold: number): number | undefined {
  const [whole] = gatherCells(cells, []);
  const suppressed = whole === undefined ? 0 : putOff(protection, whole) - rows;
  return suppressed < threshold ? undefined : suppressed;
}

function createGiver(
  told: readonly CellRows[],
  places: readonly number[],
  pseudonymOf: ((id: string) => string) | undefined,
): DisclosedExtract['give'] {
  const met = new Map(told.map(({ cell, rows }) => [JSON.stringify(cell.values), { records: 0, rows, most: cell.records }]));
  return (records) => {
    const given = records.filter(({ values }) => {
      const cell = met.get(JSON.stringify(values));
      if (cell === undefined || cell.records === cell.most) throw new Error('a record was read that is in no cell that may be told');
      cell.records += 1;
      return cell.records <= cell.rows;
    });
    const rows = given.map(({ id, values }) => ({
      ...(pseudonymOf && { pseudonym: pseudonymOf(id) }),
      values: places.map((place) => values[place] ?? null),
    }));
    return { rows, recordIds: given.map(({ id }) => id) } as unknown as DisclosedRows;
  };
}

/** The same each time for a partner and a table; another for every other: their rows cannot be told to be the same by their places. */
function makeSeed({ key }: CellProtection, { partnerId }: Grant, plan: CountPlan): bigint {
  return createHmac('sha256', key)
    .update(`order ${partnerId} ${nameTable(plan)}`)
    .digest()
    .readBigInt64BE();
}

function nameTable({ profile, recordType, grid }: CountPlan): string {
  return JSON.stringify([profile.registry, recordType.name, grid.map(({ name }) => name)]);
}

/**
 * Where consent is the ground there are none: it may cover an identifier of one record and not of another, and that a row has
 * a pseudonym would tell it from others of its class.
 */
function givesPseudonyms({ rule }: Grant, { profile, recordType, sight }: CountPlan): boolean {
  if (sight?.consent !== undefined) return false;
  const treatments = createTreatments(rule, profile, recordType, undefined);
  const types = profile.identifierTypes.filter((type) => type.recordType === recordType.name);
  return recordType.identifierPaths.some((path) => {
    const place = findPlace(recordType, `${path}.identifier_value`);
    return place !== undefined && types.some((type) => ['give', 'pseudonymise'].includes(treatments.ofIdentifier(place, type)));
  });
}

function openPseudonyms(pseudonyms: Pseudonyms, { partnerId }: Grant, plan: CountPlan): (id: string) => string {
  const pseudonym = pseudonyms.of(partnerId);
  const kind = `extract ${nameTable(plan)}`;
  return (id) => pseudonym(kind, id);
}
