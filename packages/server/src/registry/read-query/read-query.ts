import type { SearchCriteria } from '@dci/protocol';
import { criteriaRefusal, filterRefusal } from '../refusal.ts';
import { readExpression } from './expression.ts';
import { readIdentifierValue } from './identifier-value.ts';
import { childPointer } from './json.ts';
import { readPredicate } from './predicate.ts';
import { countTerms, type Query, type QueryLimits } from './query.ts';

/**
 * The one place that understands queries. Each query type of the standard is read into the same tree of conditions.
 * Whatever is not understood to the last member is refused with the pointer of the place; nothing is skipped, so a
 * half-understood query can never become a wider one. Names and values are the profile's matter and are not judged here.
 */

/** Reads the query of search criteria that stand at `pointer`. */
export function readQuery(criteria: Pick<SearchCriteria, 'query_type' | 'query'>, limits: QueryLimits, pointer: string): Query {
  const place = childPointer(pointer, 'query');
  const query = readByType(criteria.query_type, criteria.query, limits, pointer);
  if (countTerms(query.condition) > limits.maxTerms) {
    throw filterRefusal(`the query makes more than ${limits.maxTerms} comparisons`, place);
  }
  return query;
}

function readByType(queryType: string, query: unknown, limits: QueryLimits, pointer: string): Query {
  const place = childPointer(pointer, 'query');
  switch (queryType) {
    case 'idtype-value':
      return readIdentifierValue(query, place);
    case 'predicate':
      return readPredicate(query, place);
    case 'expression':
      // Published samples call a predicate list an expression.
      return Array.isArray(query) ? readPredicate(query, place) : readExpression(query, limits, place);
    default:
      throw criteriaRefusal('query_type must be idtype-value, predicate or expression', childPointer(pointer, 'query_type'));
  }
}
