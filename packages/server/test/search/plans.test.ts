import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compilePage, compileSearch } from '../../src/registry/compile.ts';
import { compileLookUps, isLookUp } from '../../src/registry/look-up.ts';
import type { CompiledQuery } from '../../src/registry/plan.ts';
import { fillLargeRegistry } from './large-registry.ts';
import { expression, identifier, openSearchFixture, type SearchFixture } from './search-fixture.ts';

const PERSONS = 20_000;
let fixture: SearchFixture;
beforeAll(async () => {
  fixture = await openSearchFixture({ persons: [], households: [] });
  await fillLargeRegistry(fixture.database.pool, PERSONS);
});
afterAll(() => fixture.close());

interface PlanNode {
  readonly 'Node Type': string;
  readonly 'Index Name'?: string;
  readonly 'Relation Name'?: string;
  readonly 'Actual Rows': number;
  readonly 'Actual Loops': number;
  readonly Plans?: readonly PlanNode[];
}

/** Every node of what PostgreSQL did for the statement. */
async function explain({ sql, parameters }: CompiledQuery): Promise<readonly PlanNode[]> {
  const { rows } = await fixture.database.pool.query<{ 'QUERY PLAN': [{ Plan: PlanNode }] }>({
    text: `explain (analyze, format json) ${sql}`,
    values: [...parameters],
  });
  const walk = (node: PlanNode): PlanNode[] => [node, ...(node.Plans ?? []).flatMap(walk)];
  return rows.flatMap((row) => walk(row['QUERY PLAN'][0].Plan));
}

/** What was read, by index or, where there is none, by table. */
const read = (nodes: readonly PlanNode[]): string[] =>
  [...new Set(nodes.flatMap((node) => node['Index Name'] ?? node['Relation Name'] ?? []))].toSorted();

const rowsRead = (nodes: readonly PlanNode[]): number => {
  const scans = nodes.filter((node) => node['Node Type'].includes('Scan') && !node['Node Type'].startsWith('Subquery'));
  return scans.reduce((sum, node) => sum + node['Actual Rows'] * node['Actual Loops'], 0);
};

const IDENTIFIER = ['identifier_current', 'record_social_person_pkey'];

describe('an identifier is one index probe and one row', () => {
  it('alone', async () => {
    const nodes = await explain(compileSearch(fixture.plan(identifier('UIN', 'U77'))).page);
    expect(read(nodes)).toEqual(IDENTIFIER);
    expect(rowsRead(nodes)).toBe(2);
  });

  it('when the statement was prepared and planned without its values', async () => {
    const { sql, parameters } = compileSearch(fixture.plan(identifier('UIN', 'U77'))).page;
    const client = await fixture.database.pool.connect();
    try {
      await client.query('set plan_cache_mode = force_generic_plan');
      await client.query(`prepare look_up (text, text, bigint) as ${sql}`);
      const { rows } = await client.query<{ 'QUERY PLAN': string }>(`explain execute look_up ('${String(parameters[0])}', 'U77', 21)`);
      const text = rows.map((row) => row['QUERY PLAN']).join('\n');
      expect(text).toMatch(/Index Only Scan using identifier_current[\s\S]*Index Scan using record_social_person_pkey/);
      expect(text).not.toContain('Seq Scan');
    } finally {
      client.release(true);
    }
  });

  it('in a batch', async () => {
    const plans = Array.from({ length: 1_000 }, (_, number) => fixture.plan(identifier('UIN', `U${1 + number * 7}`))).filter(isLookUp);
    const [first, ...others] = plans;
    if (first === undefined) throw new Error('no plan is a look-up');
    const nodes = await explain(compileLookUps([first, ...others]));
    expect(read(nodes)).toEqual(IDENTIFIER);
    expect(rowsRead(nodes)).toBe(3_000);
  });

  it('as a term of a query, and of a household by its member', async () => {
    const term = await explain(compilePage(fixture.plan(expression({ UIN: 'U77', sex: 'female' }))));
    expect(read(term)).toEqual(IDENTIFIER);
    const household = await explain(compilePage(fixture.plan({ ...identifier('UIN', 'U77'), response_entity: 'Group' })));
    expect(read(household)).toEqual([
      ...IDENTIFIER.slice(0, 1),
      'membership_of_member',
      'record_social_group',
      'record_social_group_pkey',
      'record_social_person_pkey',
    ]);
    expect(rowsRead(household)).toBeLessThan(10);
  });
});

describe('an indexed attribute', () => {
  const sorted = { ...expression({ age: { $lt: 60 } }), sort: [{ attribute_name: 'birth_date' }] };

  it('orders a page without sorting what matches', async () => {
    const nodes = await explain(compilePage(fixture.plan(sorted)));
    expect(read(nodes)).toEqual(['record_social_person_a_birth_date']);
    expect(rowsRead(nodes)).toBe(21);
    const downwards = await explain(compilePage(fixture.plan({ ...sorted, sort: [{ attribute_name: 'birth_date', sort_order: 'desc' }] })));
    expect(rowsRead(downwards)).toBe(21);
  });

  it('is taken up after a cursor where the page before ended', async () => {
    const plan = fixture.plan({ ...sorted, pagination: { page_size: 1_000, page_number: 8 } });
    const last = (await fixture.reader.read(compilePage(plan))).at(-1);
    const after = { values: [last?.[3] ?? null], id: last?.[0] ?? '' };
    const nodes = await explain(compilePage({ ...plan, page: { size: 20, number: 9, after } }));
    expect(read(nodes)).toEqual(['record_social_person_a_birth_date']);
    expect(rowsRead(nodes)).toBeLessThan(50);
  });

  it('serves a condition and its count', async () => {
    for (const query of [
      { district: 'D7' },
      { given_name: { $regex: '^Given12' } },
      { birth_date: { $eq: '1985-05-20' } },
      { surname: { $in: ['Sur1', 'Sur2'] } },
    ]) {
      const nodes = await explain(compileSearch(fixture.plan(expression(query))).count);
      expect(rowsRead(nodes), JSON.stringify(query)).toBeLessThan(PERSONS / 10);
    }
  });

  it('is counted no further than may match', async () => {
    const limits = { defaultPageSize: 20, maxPageSize: 100, maxMatches: 100, maxTerms: 5, maxDepth: 5, maxListValues: 5 };
    const nodes = await explain(compileSearch(fixture.plan(expression({ age: { $lt: 60 } }), { limits })).count);
    expect(rowsRead(nodes)).toBe(101);
  });
});
