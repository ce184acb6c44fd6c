import type { RecordType } from '../profiles/profile.ts';
import { compileFilter, compileSeen, type RowScope } from './compile-filter.ts';
import { compileLookUp, isLookUp } from './look-up.ts';
import { listRecordColumns, nameQuery, rowOf } from './record-columns.ts';
import { type OrderKey, listOrderKeys, rangesAfter, writeOrder } from './order.ts';
import type { CompiledQuery, SearchPlan } from './plan.ts';
import { relateFilter } from './relate.ts';
import { createParameters, type Parameters, tableOf } from './sql.ts';

/**
 * From a plan to SQL. The text depends on the shape of the plan alone; every value is a parameter. A filter that says
 * nothing is an error here, never every record.
 */
export interface CompiledSearch {
  /** Rows of a record (`record-columns.ts`) and the sort keys as text; one more than the page holds when there is a next page. */
  readonly page: CompiledQuery;
  /** One row: how many records match, counted no further than one more than may match. */
  readonly count: CompiledQuery;
}

export function compileSearch(plan: SearchPlan): CompiledSearch {
  return { page: isLookUp(plan) ? compileLookUp(plan) : compilePage(plan), count: compileCount(plan) };
}

function compileCount(plan: SearchPlan): CompiledQuery {
  const parameters = createParameters();
  const matches = `select 1 from ${tableOf(plan.profile, plan.recordType)} r where ${compileCondition(plan, parameters)}`;
  const sql = `select count(*) from (${matches} limit ${parameters.bind(plan.maxMatches + 1, 'bigint')}) c`;
  return { sql, parameters: parameters.values };
}

/**
 * After a cursor the page is read as a few ranges of the order, each of which one index can serve, instead of one
 * condition that none can.
 */
export function compilePage(plan: SearchPlan): CompiledQuery {
  const { page } = plan;
  const parameters = createParameters();
  const condition = compileCondition(plan, parameters);
  const keys = listOrderKeys(plan, parameters);
  const order = [...keys.sort, keys.id];
  const limit = `limit ${parameters.bind(page.size + 1, 'bigint')}`;
  const selected = [...listRecordColumns(rowOf(plan, parameters)), ...keys.sort.map((key) => `${key.sql} as ${key.alias}`)].join(', ');
  const read = (range: string, offset: string): string =>
    `select ${selected} from ${tableOf(plan.profile, plan.recordType)} r where ${condition}${range} order by ${writeOrder(order, '')} ${limit}${offset}`;
  const ranges = page.after && rangesAfter(order, [...page.after.values, page.after.id], parameters);
  const rows =
    ranges === undefined
      ? read('', page.number === 1 ? '' : ` offset ${parameters.bind((page.number - 1) * page.size, 'bigint')}`)
      : ranges.map((range) => `(${read(` and ${range}`, '')})`).join(' union all ');
  // `p.`: the bare name would be that of the text in the select list.
  const sql = `select ${writeColumns(plan, keys.sort)} from (${rows}) p order by ${writeOrder(order, 'p.')} ${limit}`;
  return { sql, parameters: parameters.values };
}

function compileCondition(plan: SearchPlan, parameters: Parameters): string {
  const row = rowOf(plan, parameters);
  return compileSeen(compileFilter(relateFilter(plan.filter, plan.recordType), row), row);
}

function writeColumns({ sight }: SearchPlan, keys: readonly OrderKey[]): string {
  return ['id', 'version', 'body', ...(sight?.consent === undefined ? [] : ['cover']), ...keys.map((key) => `${key.alias}::text`)].join(
    ', ',
  );
}

/** The members of groups: rows of group id, the member's record and whether it is the head, in order. */
export function compileMembers(plan: SearchPlan, memberType: RecordType, groupIds: readonly string[]): CompiledQuery {
  const parameters = createParameters([groupIds]);
  const row: RowScope = { ...rowOf(plan, parameters), recordType: memberType, alias: 'o' };
  const columns = ['m.group_id', ...listRecordColumns(row), 'm.is_head'].join(', ');
  const condition = compileSeen('m.group_id = any($1::uuid[])', row);
  const sql = `select ${columns} from membership m join ${tableOf(plan.profile, memberType)} o on o.id = m.member_id where ${condition} order by m.group_id, m.position, m.member_id`;
  return nameQuery(`members_${plan.profile.registry}_${plan.recordType.name}`, plan, sql, parameters);
}
