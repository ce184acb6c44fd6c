import type { Profile, RecordType } from '../profiles/profile.ts';
import { bindFilter } from './passes/bind-filter.ts';
import { resolveSubject } from './passes/resolve-subject.ts';
import type { Filter } from './plan.ts';
import { readQuery } from './read-query/read-query.ts';
import { getDefaultEntity } from './names.ts';

const LIMITS = { maxTerms: 50, maxDepth: 12, maxListValues: 1_000 };

/**
 * The condition that an agreement lays on records of a type, written as the query of an expression:
 * `{"district": {"$eq": "XZ-0302"}}`. Throws a `DciError` where it is not understood.
 */
export function readRowScope(profile: Profile, recordType: RecordType, query: object): Filter {
  const entity = getDefaultEntity(recordType).name;
  const criteria = {
    query_type: 'expression' as const,
    response_entity: entity,
    query: { type: 'rows', value: { expression: { collection: entity, query } } },
  };
  const context = { profile, useOf: () => 'open' as const, pointer: '' };
  const { condition } = readQuery(criteria, LIMITS, '');
  return bindFilter(condition, resolveSubject({ condition }, criteria, context), context);
}
