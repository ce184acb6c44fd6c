import type { SearchCriteria } from '@dci/protocol';
import { criteriaRefusal } from '../refusal.ts';
import { readExpression } from './expression.ts';
import { readIdentifierValue } from './identifier-value.ts';
import { childPointer } from './json.ts';
import { readPredicate } from './predicate.ts';
import type { Query, QueryLimits } from './query.ts';
import { createQuerySize } from './query-size.ts';

/**
 * The one place that understands queries. Each query type of the standard is read into the same tree of conditions.
 * Whatever is not understood to the last member is refused with the pointer of the place; nothing is skipped, so a
 * half-understood query can never become a wider one. Names and values are the profile's matter and are not judged here.
 */

/** Reads the query of search criteria that stand at `pointer`. */
export function readQuery(criteria: Pick<SearchCriteria, 'query_type' | 'query'>, limits: QueryLimits, pointer: string): Query {
  const { query_type: queryType, query } = criteria;
  const size = createQuerySize(limits);
  const place = childPointer(pointer, 'query');
  switch (queryType) {
    case 'idtype-value':
      return readIdentifierValue(query, place);
    case 'predicate':
      return readPredicate(query, size, place);
    case 'expression':
      // Published samples call a predicate list an expression.
      return Array.isArray(query) ? readPredicate(query, size, place) : readExpression(query, size, place);
    default:
      throw criteriaRefusal('query_type must be idtype-value, predicate or expression', childPointer(pointer, 'query_type'));
  }
}
