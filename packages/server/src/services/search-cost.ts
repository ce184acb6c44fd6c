import type { SearchItem } from '@dci/protocol';

/**
 * What a search takes of its partner's limit, in points: 1 an identifier, whatever the page; of any other query, which reads
 * an index or a whole table where an identifier reads one row, 5 for each hundred records of the page asked for, or part of
 * them. Judged by what is asked, before anything is read.
 */
const BROAD_QUERY_POINTS = 5;
const RECORDS_A_STEP = 100;

export function searchCost(items: readonly SearchItem[]): number {
  return items.reduce((sum, { search_criteria: criteria }) => {
    if (criteria.query_type === 'idtype-value') return sum + 1;
    const steps = Math.ceil((criteria.pagination?.page_size ?? 1) / RECORDS_A_STEP);
    return sum + BROAD_QUERY_POINTS * steps;
  }, 0);
}
