import type { SearchCriteria } from '@dci/protocol';
import { socialProfile } from '../../src/profiles/social.ts';
import { executeSearch } from '../../src/registry/execute.ts';
import type { SearchPlan, SearchResult } from '../../src/registry/plan.ts';
import { openReader, type Reader } from '../../src/registry/reader.ts';
import { reconcileProfile } from '../../src/registry/reconcile.ts';
import { planSearch } from '../../src/registry/search.ts';
import type { SearchContext } from '../../src/registry/search-context.ts';
import { putRecords } from '../../src/registry/write.ts';
import type { Database } from '../../src/store/database.ts';
import { createTestDatabase } from '../support/database.ts';
import { householdDocument, keyOf, personDocument, type Population } from './social-population.ts';

/** A social registry with a population, and a way to search it. */
export interface SearchFixture {
  readonly database: Database;
  readonly reader: Reader;
  plan(criteria: unknown, changes?: Partial<SearchContext>): SearchPlan;
  search(criteria: unknown, changes?: Partial<SearchContext>): Promise<SearchResult>;
  /** Keys of the records found, in their order. */
  keys(criteria: unknown, changes?: Partial<SearchContext>): Promise<string[]>;
  put(documents: readonly object[]): Promise<void>;
  close(): Promise<void>;
}

export const TODAY = '2025-02-28';

export const CONTEXT: SearchContext = {
  profile: socialProfile,
  partnerId: 'partner-1',
  useOf: () => 'open',
  limits: { defaultPageSize: 20, maxPageSize: 1_000, maxMatches: 10_000, maxTerms: 50, maxDepth: 10, maxListValues: 100 },
  cursorKey: Buffer.alloc(32, 7),
  today: TODAY,
  pointer: '/message/search_request/0/search_criteria',
};

export async function openSearchFixture(population: Population): Promise<SearchFixture> {
  const test = await createTestDatabase();
  const { database } = test;
  await reconcileProfile(database, socialProfile);
  const reader = openReader(database, { statementTimeoutMs: 20_000 });
  const plan: SearchFixture['plan'] = (criteria, changes) => planSearch(criteria as SearchCriteria, { ...CONTEXT, ...changes });
  const search: SearchFixture['search'] = async (criteria, changes) => executeSearch(reader, plan(criteria, changes));
  const put: SearchFixture['put'] = async (documents) => {
    const results = await putRecords(database.db, socialProfile, documents);
    const refused = results.find((result) => result.status === 'refused');
    if (refused !== undefined) throw new Error(JSON.stringify(refused));
  };
  const members = new Set(population.households.flatMap((household) => household.members));
  await put(population.households.map(householdDocument));
  await put(population.persons.filter((person) => !members.has(person)).map(personDocument));
  return {
    database,
    reader,
    plan,
    search,
    keys: async (criteria, changes) => (await search(criteria, changes)).records.map(({ body }) => keyOf(body)),
    put,
    close: async () => {
      await reader.close();
      await test.drop();
    },
  };
}

export function expression(query: unknown, collection?: string): { query_type: string; query: object } {
  return {
    query_type: 'expression',
    query: { type: 'ns:org:QueryType:NoSql', value: { expression: { ...(collection && { collection }), query } } },
  };
}

export function identifier(type: string, value: string): { query_type: string; query: object } {
  return { query_type: 'idtype-value', query: { type, value } };
}
