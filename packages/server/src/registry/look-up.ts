import { getRecordType } from '../profiles/index.ts';
import type { RecordType } from '../profiles/profile.ts';
import type { CompiledQuery, Filter, SearchPlan } from './plan.ts';
import { quoteText, tableOf } from './sql.ts';

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
  return `${plan.profile.registry} ${plan.recordType.name}`;
}

/** Rows of id, version and body; with members: also each member's id, version, body and whether it is the head, a row a member. */
export function compileLookUp(plan: LookUpPlan): CompiledQuery {
  const found = `select r.id, r.version, r.body from ${fromIdentifier(plan)} and i.type = $1 and i.value = $2 limit $3`;
  return {
    name: `look_up_${plan.profile.registry}_${plan.recordType.name}`,
    sql: withMembers(plan, found, ''),
    parameters: [plan.filter.type, plan.filter.values[0], plan.page.size + 1],
  };
}

/** The same for several plans of one key; each row begins with the place of its plan, from 1. */
export function compileLookUps(plans: readonly [LookUpPlan, ...LookUpPlan[]]): CompiledQuery {
  const [first] = plans;
  // The limit keeps the planner from turning the probes into a join of whole tables.
  const probe = `select r.id, r.version, r.body from ${fromIdentifier(first)} and i.type = q.type and i.value = q.value limit $3`;
  const found = `select q.place, f.id, f.version, f.body from unnest($1::text[], $2::text[]) with ordinality q (type, value, place) cross join lateral (${probe}) f`;
  return {
    name: `look_ups_${first.profile.registry}_${first.recordType.name}`,
    sql: withMembers(first, found, 'place'),
    parameters: [
      plans.map((plan) => plan.filter.type),
      plans.map((plan) => plan.filter.values[0]),
      Math.max(...plans.map((plan) => plan.page.size)) + 1,
    ],
  };
}

function fromIdentifier({ profile, recordType }: SearchPlan): string {
  const current = `i.registry = ${quoteText(profile.registry)} and i.record_type = ${quoteText(recordType.name)} and i.valid_to is null`;
  return `identifier i join ${tableOf(profile, recordType)} r on r.id = i.record_id where ${current}`;
}

function withMembers(plan: LookUpPlan, found: string, place: 'place' | ''): string {
  const prefix = place === '' ? '' : 'g.place, ';
  const memberType = findMemberType(plan);
  if (memberType === undefined) return found;
  const members = `membership m join ${tableOf(plan.profile, memberType)} o on o.id = m.member_id`;
  const columns = `${prefix}g.id, g.version, g.body, o.id, o.version, o.body, m.is_head`;
  return `select ${columns} from (${found}) g left join (${members}) on m.group_id = g.id order by ${prefix}g.id, m.position, m.member_id`;
}

/** The record type of the members that are written with each record, if it has any. */
export function findMemberType({ profile, recordType, entity }: SearchPlan): RecordType | undefined {
  if (recordType.members === undefined || entity.property !== undefined) return undefined;
  return getRecordType(profile, recordType.members.recordType);
}
