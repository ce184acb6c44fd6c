import type { SearchItem } from '@dci/protocol';
import { expect, it } from 'vitest';
import { searchCost } from './search-cost.ts';

function item(queryType: SearchItem['search_criteria']['query_type'], pageSize?: number): SearchItem {
  const pagination = pageSize === undefined ? {} : { pagination: { page_size: pageSize } };
  return { reference_id: '1', timestamp: '2026-01-01T00:00:00Z', search_criteria: { query_type: queryType, query: {}, ...pagination } };
}

it('counts an identifier once, and other queries by what they may read', () => {
  expect(searchCost([item('idtype-value'), item('idtype-value', 100)])).toBe(2);
  expect([undefined, 1, 100, 101, 2_000].map((size) => searchCost([item('predicate', size)]))).toEqual([5, 5, 5, 10, 100]);
  expect(searchCost([item('expression'), item('graphql', 20), item('idtype-value')])).toBe(11);
  expect(searchCost([])).toBe(0);
});
