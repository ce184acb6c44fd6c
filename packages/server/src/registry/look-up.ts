import { getRecordType } from '../profiles/index.ts';
import type { IdentifierType, RecordType } from '../profiles/profile.ts';
import { compileSeen, getIdentifierType, type RowScope, whereCovered } from './compile-filter.ts';
import type { CompiledQuery, Filter, SearchPlan } from './plan.ts';
import { listRecordColumns, nameQuery, rowOf } from './record-columns.ts';
import { describeSight } from './sight.ts';
import { createParameters, type Parameters, quoteText, tableOf } from './sql.ts';

/**
 * The hot path: one current identifier of the record's own type, or many of them from one message. Fixed named
 * statements, one round trip, each identifier one index probe and one row by primary key. Rows come in any order: whoever
 * reads them sorts the few that share an identifier.
 */
export type LookUpPlan = SearchPlan & { readonly filter: Extract<Filter, { kind: 'identifier' }> };

export function isLookUp(plan: SearchPlan): plan is LookUpPlan {
  const { filter, page } = plan;
  if (filter.kind !== 'identifier' || filter.operator !== 'eq' || filter.recordType !== plan.recordType) return false;
  return page.number === 1 && page.after === undefined && (plan.sort.length === 0 || isUnique(plan, filter.type));
}

/** At most one record has it, so there is nothing to sort. */
function isUnique({ profile, recordType }: SearchPlan, type: string): boolean {
  return profile.identifierTypes.some(({ code, recordType: owner, unique }) => unique && code === type && owner === recordType.name);
}

/** Plans with one key are answered by one statement. */
export function lookUpKey(plan: LookUpPlan): string {
  const key = `${plan.profile.registry} ${plan.recordType.name}`;
  // Whether a consent covers an identifier depends on its type.
  return plan.sight === undefined ? key : `${key} ${plan.filter.type} ${describeSight(plan.sight)}`;
}

/** Rows of a record (`record-columns.ts`); with members: of a group's record, a member's and whether it is the head, a row a member. */
export function compileLookUp(plan: LookUpPlan): CompiledQuery {
  const parameters = createParameters([plan.filter.type, plan.filter.values[0], plan.page.size + 1]);
  const found = `${selectFound(plan, parameters)} and i.type = $1 and i.value = $2 limit $3`;
  return nameQuery(`look_up_${plan.profile.registry}_${plan.recordType.name}`, plan, withMembers(plan, found, '', parameters), parameters);
}

/** The same for several plans of one key; each row begins with the place of its plan, from 1. */
export function compileLookUps(plans: readonly [LookUpPlan, ...LookUpPlan[]]): CompiledQuery {
  const [first] = plans;
  const parameters = createParameters([
    plans.map((plan) => plan.filter.type),
    plans.map((plan) => plan.filter.values[0]),
    Math.max(...plans.map((plan) => plan.page.size)) + 1,
  ]);
  // The limit keeps the planner from turning the probes into a join of whole tables.
  const probe = `${selectFound(first, parameters)} and i.type = q.type and i.value = q.value limit $3`;
  const columns = ['q.place', ...columnsOf(first, 'f')].join(', ');
  const found = `select ${columns} from unnest($1::text[], $2::text[]) with ordinality q (type, value, place) cross join lateral (${probe}) f`;
  return nameQuery(
    `look_ups_${first.profile.registry}_${first.recordType.name}`,
    first,
    withMembers(first, found, 'place', parameters),
    parameters,
  );
}

function selectFound(plan: LookUpPlan, parameters: Parameters): string {
  const row = rowOf(plan, parameters);
  return `select ${listRecordColumns(row).join(', ')} ${fromIdentifier(plan, getIdentifierType(plan.filter, row), row)}`;
}

/** Records that are in sight, by a current identifier that may be compared; type and value are for the caller to add. */
export function fromIdentifier({ profile, recordType }: SearchPlan, type: IdentifierType, row: RowScope): string {
  const current = `i.registry = ${quoteText(profile.registry)} and i.record_type = ${quoteText(recordType.name)} and i.valid_to is null`;
  const where = whereCovered(compileSeen(current, row), type, row);
  return `from identifier i join ${tableOf(profile, recordType)} r on r.id = i.record_id where ${where}`;
}

function columnsOf(plan: SearchPlan, alias: string): readonly string[] {
  return ['id', 'version', 'body', ...(plan.sight?.consent === undefined ? [] : ['cover'])].map((name) => `${alias}.${name}`);
}

function withMembers(plan: LookUpPlan, found: string, place: 'place' | '', parameters: Parameters): string {
  const prefix = place === '' ? '' : 'g.place, ';
  const memberType = findMemberType(plan);
  if (memberType === undefined) return found;
  const row: RowScope = { ...rowOf(plan, parameters), recordType: memberType, alias: 'o' };
  const members = `membership m join ${tableOf(plan.profile, memberType)} o on ${compileSeen('o.id = m.member_id', row)}`;
  const columns = `${prefix}${[...columnsOf(plan, 'g'), ...listRecordColumns(row)].join(', ')}, m.is_head`;
  return `select ${columns} from (${found}) g left join (${members}) on m.group_id = g.id order by ${prefix}g.id, m.position, m.member_id`;
}

/** The record type of the members that are written with each record, if it has any. */
export function findMemberType({ profile, recordType, entity, sight }: SearchPlan): RecordType | undefined {
  if (recordType.members === undefined || entity.property !== undefined) return undefined;
  if (sight?.closed.has(recordType.members.recordType) === true) return undefined;
  return getRecordType(profile, recordType.members.recordType);
}
