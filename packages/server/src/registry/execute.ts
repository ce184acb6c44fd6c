import { DciError } from '@dci/protocol';
import { compileMembers, compilePage, compileSearch } from './compile.ts';
import { findMemberType, isLookUp, type LookUpPlan } from './look-up.ts';
import type { MessageBudget } from './message-budget.ts';
import type { FoundMember, FoundRecord, SearchPlan, SearchResult } from './plan.ts';
import type { Reader, Row } from './reader.ts';
import { readRecord, recordWidth } from './record-columns.ts';
import { tooManyRefusal } from './refusal.ts';

/** Runs plans. What is found may not leave from here: only disclosure turns it into something that may. */

/** The records of a plan, or a `DciError` when there are too many or it takes too long to find them. */
export async function executeSearch(reader: Reader, plan: SearchPlan): Promise<SearchResult> {
  if (!isLookUp(plan)) return readPage(reader, plan);
  return finishLookUp(reader, plan, await reader.lookUps.find(plan));
}

/** Under which conditions the plans of one message are executed. */
export interface Execution {
  readonly budget: MessageBudget;
  /** Runs one search that is not a look-up, when its turn has come. */
  readonly inTurn: <T>(work: () => Promise<T>) => Promise<T>;
  /** Whoever asked has gone: nothing more is read for him. */
  readonly gone?: AbortSignal | undefined;
}

/** The results of the plans of one message, each in its place. */
export async function executeSearches(
  reader: Reader,
  plans: readonly SearchPlan[],
  { budget, inTurn, gone }: Execution,
): Promise<(SearchResult | DciError)[]> {
  const execute = async (plan: SearchPlan): Promise<SearchResult> => {
    if (gone?.aborted === true) throw new DciError('err.request.timeout', 'the caller has gone');
    budget.assertLeft();
    const result = await executeSearch(reader, plan);
    budget.take(result);
    return result;
  };
  return await Promise.all(plans.map((plan) => (isLookUp(plan) ? execute(plan) : inTurn(() => execute(plan))).catch(keepRefusal)));
}

function keepRefusal(error: unknown): DciError {
  if (error instanceof DciError && error.code.startsWith('rjct.')) return error;
  throw error;
}

async function finishLookUp(reader: Reader, plan: LookUpPlan, rows: readonly Row[]): Promise<SearchResult> {
  const found = findMemberType(plan) === undefined ? rows.map((row) => readRecord(plan, row)) : gatherGroups(plan, rows);
  if (found.length > plan.page.size) return readPage(reader, plan);
  const records = found.length > 1 ? found.toSorted((one, other) => (one.id < other.id ? -1 : 1)) : found;
  return { plan, records, totalCount: records.length };
}

/** Rows of a group and one of its members each, group by group. */
function gatherGroups(plan: SearchPlan, rows: readonly Row[]): FoundRecord[] {
  const width = recordWidth(plan);
  return [...Map.groupBy(rows, ([id]) => id).values()].flatMap((group) => {
    const [first] = group;
    if (first === undefined) return [];
    const members = group.map((row) => row.slice(width)).filter(([id]) => id !== null);
    return [{ ...readRecord(plan, first), members: members.map((row) => toMember(plan, row)) }];
  });
}

/**
 * Without an order the page comes first: when it holds everything there is nothing to count. With one the count comes
 * first, so that no more is ever sorted than may match.
 */
async function readPage(reader: Reader, plan: SearchPlan): Promise<SearchResult> {
  if (plan.sort.length > 0 || plan.page.number > 1 || plan.page.after !== undefined) {
    const totalCount = await count(reader, plan);
    return totalCount === 0 ? { plan, records: [], totalCount } : { ...(await readRecords(reader, plan)), totalCount };
  }
  const read = await readRecords(reader, plan);
  return { ...read, totalCount: read.next === undefined ? read.records.length : await count(reader, plan) };
}

async function count(reader: Reader, plan: SearchPlan): Promise<number> {
  const [row] = await reader.read(compileSearch(plan).count);
  const matches = Number(row?.[0]);
  if (matches > plan.maxMatches) throw tooManyRefusal(`more than ${plan.maxMatches} records match; narrow the search`);
  return matches;
}

async function readRecords(reader: Reader, plan: SearchPlan): Promise<Omit<SearchResult, 'totalCount'>> {
  const rows = await reader.read(compilePage(plan));
  const page = rows.slice(0, plan.page.size);
  const records = await addMembers(
    reader,
    plan,
    page.map((row) => readRecord(plan, row)),
  );
  const last = page.at(-1);
  if (last === undefined || rows.length <= page.length) return { plan, records };
  return { plan, records, next: { values: last.slice(recordWidth(plan)), id: text(last[0]) } };
}

async function addMembers(reader: Reader, plan: SearchPlan, records: readonly FoundRecord[]): Promise<readonly FoundRecord[]> {
  const memberType = findMemberType(plan);
  if (memberType === undefined || records.length === 0) return records;
  const rows = await reader.read(
    compileMembers(
      plan,
      memberType,
      records.map(({ id }) => id),
    ),
  );
  const byGroup = Map.groupBy(rows, ([groupId]) => groupId);
  return records.map((record) => ({ ...record, members: (byGroup.get(record.id) ?? []).map((row) => toMember(plan, row.slice(1))) }));
}

function toMember(plan: SearchPlan, row: Row): FoundMember {
  return { record: readRecord(plan, row, plan.recordType.members?.recordType), isHead: row[recordWidth(plan)] === 't' };
}

function text(value: string | null | undefined): string {
  if (value === null || value === undefined) throw new Error('a column is null');
  return value;
}
