import type { Dimension } from '../profiles/profile.ts';
import { findPlace } from '../registry/cover.ts';
import { compileCellFilter } from '../registry/counting/cell-filter.ts';
import { type Cell, type CountedCells, gatherCells } from '../registry/counting/count-cells.ts';
import type { DimensionValue } from '../registry/counting/dimensions.ts';
import type { CountPlan } from '../registry/counting/plan-count.ts';
import type { CellRow } from '../registry/counting/stream-rows.ts';
import type { Grant } from './grant.ts';
import type { Pseudonyms } from './pseudonyms.ts';
import { type CellProtection, decideThreshold, tellCells } from './tell-cells.ts';
import { createTreatments } from './treatment.ts';

declare const disclosed: unique symbol;

/**
 * The only way out for rows of which each is of one record and says what is counted of it. An extract is the records behind
 * the cells that statistics of the same dimensions tell: of each told cell that meets the query whole, a row a record. So
 * each row shares all that is said of it, and what the query says, with as many others as the threshold at least, and a
 * query chooses whole cells.
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
  /** Number of rows. */
  readonly records: number;
  /** Records, whatever the query, in cells of the same dimensions that are not told; undefined where that is not told. */
  readonly suppressed: number | undefined;
  /** How many different rows there are, pseudonyms aside, and of how many the fewest are. */
  readonly classes: number;
  readonly smallestClass: number;
  /** Throws where a record is not one of its cells, or one too many. */
  give(rows: readonly CellRow[]): DisclosedRows;
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

/** `counted`: from the records, and of the very state of the registry from which the rows are read. */
export function discloseExtract(
  protection: ExtractProtection,
  grant: Grant,
  counted: CountedCells,
  agreedThreshold: number | undefined,
): DisclosedExtract {
  const { plan } = counted;
  const { grid, dimensions: columns } = plan;
  const threshold = decideThreshold(agreedThreshold);
  const told = tellCells(protection.cells, counted.cells, grid, threshold).map(({ cell }) => cell);
  const holds = plan.filter === undefined ? () => true : compileCellFilter(plan.filter, plan.recordType, grid);
  const cells = told.filter(({ values }) => holds(values));
  const suppressed = countRecords(counted.cells) - countRecords(told);
  const places = columns.map((dimension) => grid.indexOf(dimension));
  const classes = gatherCells(cells, places);
  const hasPseudonyms = givesPseudonyms(grant, plan);
  const pseudonymOf = hasPseudonyms ? openPseudonyms(protection.pseudonyms, grant, plan) : undefined;
  const left = new Map(cells.map(({ values, records }) => [JSON.stringify(values), records]));

  function take({ id, values }: CellRow): DisclosedRow {
    const cell = JSON.stringify(values);
    const count = left.get(cell) ?? 0;
    if (count === 0) throw new Error('a record was read that is in no cell that may be told');
    left.set(cell, count - 1);
    return { ...(pseudonymOf && { pseudonym: pseudonymOf(id) }), values: places.map((place) => values[place] ?? null) };
  }

  return {
    plan,
    columns,
    hasPseudonyms,
    threshold,
    cells,
    records: countRecords(cells),
    suppressed: suppressed > 0 && suppressed < threshold ? undefined : suppressed,
    classes: classes.length,
    smallestClass: classes.reduce((least, { records }) => Math.min(least, records), classes[0]?.records ?? 0),
    give: (rows: readonly CellRow[]) => ({ rows: rows.map(take), recordIds: rows.map(({ id }) => id) }) as unknown as DisclosedRows,
  } as unknown as DisclosedExtract;
}

function countRecords(cells: readonly Cell[]): number {
  return cells.reduce((sum, { records }) => sum + records, 0);
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

function openPseudonyms(pseudonyms: Pseudonyms, { partnerId }: Grant, { profile, recordType, grid }: CountPlan): (id: string) => string {
  const pseudonym = pseudonyms.of(partnerId);
  const kind = `extract ${JSON.stringify([profile.registry, recordType.name, grid.map(({ name }) => name)])}`;
  return (id) => pseudonym(kind, id);
}
