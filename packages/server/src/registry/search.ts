import type { SearchCriteria } from '@dci/protocol';
import type { Entity, RecordType } from '../profiles/profile.ts';
import { bindFilter } from './passes/bind-filter.ts';
import { deriveAges, deriveAgesIn } from './passes/derive-ages.ts';
import { orderPage } from './passes/order-page.ts';
import { resolveSubject } from './passes/resolve-subject.ts';
import { assertSeen, restrictRows } from './passes/restrict-rows.ts';
import { selectPage } from './passes/select-page.ts';
import type { Filter, SearchPlan } from './plan.ts';
import { readQuery } from './read-query/read-query.ts';
import type { Pass, SearchContext } from './search-context.ts';

/**
 * From search criteria to a plan. The query is read, its subject and answer are named, its
 * conditions bound to the profile; then each pass takes the plan and returns it with one thing settled. Whatever is
 * unknown, contradictory, empty or not open to the partner is refused by the reason code of its kind; no refusal is ever
 * turned into a wider search.
 */
const PASSES: readonly Pass[] = [orderPage, restrictRows, deriveAges, selectPage];

/** Plans a search, or throws a `DciError` with the item's reason code and the pointer of the fault. */
export function planSearch(criteria: SearchCriteria, context: SearchContext): SearchPlan {
  return applyPasses(beginPlan(criteria, context), criteria, context);
}

/** What every plan goes through, whoever began it. */
export function applyPasses(plan: SearchPlan, criteria: Parameters<Pass>[1], context: SearchContext): SearchPlan {
  return PASSES.reduce((planned, pass) => pass(planned, criteria, context), plan);
}

function beginPlan(criteria: SearchCriteria, context: SearchContext): SearchPlan {
  const query = readQuery(criteria, context.limits, context.pointer);
  const subject = resolveSubject(query, criteria, context);
  return {
    profile: context.profile,
    recordType: subject.recordType,
    entity: subject.entity,
    filter: bindFilter(query.condition, subject, context),
    sort: [],
    page: { size: context.limits.defaultPageSize, number: 1 },
    maxMatches: context.limits.maxMatches,
  };
}

/** What a subscription asks to be told of; a filter is undefined where it asks for every record of the type. */
export interface SubscriptionPlan {
  readonly recordType: RecordType;
  readonly entity: Entity;
  /** Names and values bound; ages are still ages, for they are counted on the day of the event. */
  readonly filter: Filter | undefined;
}

/** Binds the filter of a subscription, or throws a `DciError` as a search would. `everything`: it has none. */
export function planSubscription(criteria: SearchCriteria, everything: boolean, context: SearchContext): SubscriptionPlan {
  const { recordType, entity, filter } = everything
    ? { ...nameAnswer(criteria, context), filter: undefined }
    : beginPlan(criteria, context);
  assertSeen({ recordType, entity }, context);
  if (filter !== undefined) deriveAgesIn(filter, context.today);
  return { recordType, entity, filter };
}

/**
 * Plans the reading of records that are known by id, under the same passes as any search. `filter` is why they are read:
 * it was found to hold by all that there is, and must hold by what is seen as well, or it would tell what is not.
 */
export function planRecords(
  criteria: SearchCriteria,
  ids: readonly string[],
  context: SearchContext,
  filter: Filter | undefined,
): SearchPlan {
  const { recordType, entity } = nameAnswer(criteria, context);
  // How many there are is settled: what a partner may ask for at a time has no say in it.
  const limits = { ...context.limits, defaultPageSize: ids.length, maxPageSize: ids.length };
  const known: Filter = { kind: 'records', recordType, ids };
  const plan: SearchPlan = {
    profile: context.profile,
    recordType,
    entity,
    filter: filter === undefined || context.sight === undefined ? known : { kind: 'and', terms: [known, filter] },
    sort: [],
    page: { size: ids.length, number: 1 },
    maxMatches: ids.length,
  };
  return applyPasses(plan, criteria, { ...context, limits });
}

/** The entity of an answer whose query says nothing of it. */
function nameAnswer(criteria: SearchCriteria, context: SearchContext): Pick<SearchPlan, 'recordType' | 'entity'> {
  return resolveSubject({ condition: { kind: 'and', terms: [] } }, criteria, context);
}
