import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type DisclosedExtract,
  type DisclosedRow,
  discloseExtract,
  type ExtractProtection,
} from '../../src/disclosure/disclose-extract.ts';
import { discloseStatistics } from '../../src/disclosure/disclose-statistics.ts';
import { findFieldRule } from '../../src/disclosure/field-rules.ts';
import type { Grant } from '../../src/disclosure/grant.ts';
import { createPseudonyms } from '../../src/disclosure/pseudonyms.ts';
import { ACCURACY, createCellProtection, tellCells } from '../../src/disclosure/tell-cells.ts';
import type { Dimension } from '../../src/profiles/profile.ts';
import { type Cell, type CountedCells, countRecords } from '../../src/registry/counting/count-cells.ts';
import { type CountCriteria, type CountPlan, planCount } from '../../src/registry/counting/plan-count.ts';
import { streamRows } from '../../src/registry/counting/stream-rows.ts';
import { withSnapshot } from '../../src/registry/snapshot.ts';
import { CONTEXT, expression, openSearchFixture, type SearchFixture } from '../search/search-fixture.ts';
import { type CountedPerson, makeOthers, putCounted, TODAY, VALUE_OF, VICTIM } from '../statistics/counted-population.ts';
import { EVERYTHING } from './extract-fixture.ts';

/**
 * An attacker who may ask for extracts and statistics of any columns and conditions as often as he likes, who knows all of the
 * registry but one person, and who has friends among the other partners. The victim is the only one of his kind in a
 * district.
 */
let fixture: SearchFixture;
const K = 10;
const PEOPLE = makeOthers(1_500, 21);
const ALL = [...PEOPLE, VICTIM];

beforeAll(async () => {
  fixture = await openSearchFixture({ persons: [], households: [] });
  await putCounted(fixture.database, ALL);
});
afterAll(() => fixture.close());

const protect = (key = 1): ExtractProtection => ({
  cells: createCellProtection(Buffer.alloc(32, key)),
  pseudonyms: createPseudonyms(Buffer.alloc(32, key + 1)),
});

function grantOf(partnerId: string, rule = 'full'): Grant {
  const found = findFieldRule(rule);
  if (found === undefined) throw new Error('no such rule');
  return { partnerId, legalBasis: { kind: 'law', text: 'law' }, purposes: [], rule: found, registryTerms: {}, recipients: [] };
}

const plan = (criteria: object): CountPlan =>
  planCount({ reg_record_type: 'SRPerson', ...EVERYTHING, ...criteria } as unknown as CountCriteria, CONTEXT, 8);

interface Taken {
  readonly extract: DisclosedExtract;
  readonly rows: readonly DisclosedRow[];
  readonly ids: readonly string[];
}

async function take(criteria: object, partnerId = 'one'): Promise<Taken> {
  const asked = plan(criteria);
  const options = { statementTimeoutMs: 20_000, signal: new AbortController().signal };
  return await withSnapshot(fixture.database, options, async (snapshot) => {
    const counted = await countRecords(snapshot, asked, Date.parse(TODAY));
    const extract = await discloseExtract(protect(), grantOf(partnerId), counted, K);
    const rows: DisclosedRow[] = [];
    const ids: string[] = [];
    for await (const batch of streamRows(snapshot, asked, extract.cells, extract.order)) {
      const given = extract.give(batch);
      rows.push(...given.rows);
      ids.push(...given.recordIds);
    }
    expect(rows).toHaveLength(extract.records);
    return { extract, rows, ids };
  });
}

const valuesOf = (person: CountedPerson, dimensions: readonly Dimension[]): string =>
  JSON.stringify(dimensions.map(({ name }) => VALUE_OF[name]?.(person) ?? null));
const classesOf = (rows: readonly DisclosedRow[]): Map<string, number> =>
  new Map([...Map.groupBy(rows, ({ values }) => JSON.stringify(values))].map(([values, { length }]) => [values, length]));
const pseudonymsOf = ({ rows }: Taken): Set<string> => new Set(rows.flatMap(({ pseudonym }) => pseudonym ?? []));

const NAMES = ['region', 'district', 'sex', 'age_band', 'marital_status', 'is_disabled', 'registration_year', 'registration_month'];
const CONDITIONS = [
  { sex: 'female' },
  { sex: { $ne: 'male' } },
  { marital_status: { $in: ['S', 'D'] } },
  { age: { $gte: 60 } },
  { district: 'R1-D1' },
  { registration_date: { $lt: '2024-01-01' } },
  { $or: [{ sex: 'other' }, { is_disabled: true }] },
];

describe('rows do not tell', () => {
  it('anything that fewer persons share than the threshold, by any columns and under any condition', async () => {
    let told = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.constantFrom(...NAMES), { minLength: 1, maxLength: 3 }),
        fc.option(fc.constantFrom(...CONDITIONS)),
        async (dimensions, condition) => {
          const { extract, rows } = await take({ dimensions, ...(condition !== null && expression(condition, 'SRPerson')) });
          told += rows.length;
          const { grid, dimensions: columns } = extract.plan;
          const whole = Map.groupBy(ALL, (person) => valuesOf(person, grid));
          for (const { values } of extract.cells) expect(whole.get(JSON.stringify(values))?.length).toBeGreaterThanOrEqual(K);
          // With whoever knows which condition was asked: all of a row's class meet it.
          const mayBe = new Set(
            extract.cells.map(({ values }) => JSON.stringify(columns.map((column) => values[grid.indexOf(column)] ?? null))),
          );
          for (const [values, count] of classesOf(rows)) {
            expect(mayBe.has(values)).toBe(true);
            expect(count).toBeGreaterThanOrEqual(K);
          }
        },
      ),
      { numRuns: 40, seed: 5 },
    );
    expect(told).toBeGreaterThan(1_000);
  });

  it('a number that statistics of the same columns do not tell', async () => {
    for (const dimensions of [
      ['sex'],
      ['district'],
      ['district', 'sex'],
      ['region', 'marital_status', 'age_band'],
      ['sex', 'registration_month'],
    ]) {
      const { extract, rows } = await take({ dimensions });
      const counted = await countRecords(fixture.reader, extract.plan, Date.parse(TODAY));
      const statistics = await discloseStatistics(protect().cells, counted, K);
      expect(classesOf(rows)).toEqual(new Map(statistics.rows.map(({ values, count }) => [JSON.stringify(values), count - ACCURACY])));
      const { total } = await discloseStatistics(protect().cells, await countRecords(fixture.reader, plan({ dimensions: [] }), 0), K);
      const left = (total?.count ?? 0) - extract.records;
      expect(extract.suppressed).toBe(left < K ? undefined : left);
    }
  });

  it('that the victim is there: what leaves him out has the same rows as what takes him in', async () => {
    const district = { district: 'R1-D1' };
    for (const others of [['S'], ['S', 'M'], ['M', 'W', 'S']]) {
      const asked = (...statuses: string[]): object => ({
        dimensions: ['sex'],
        ...expression({ $and: [district, { marital_status: { $in: statuses } }] }, 'SRPerson'),
      });
      const [having, lacking] = [await take(asked(...others, 'D')), await take(asked(...others))];
      expect(having.rows.length).toBeGreaterThan(0);
      expect(having.rows).toEqual(lacking.rows);
      expect([having.extract.suppressed, having.extract.records]).toEqual([lacking.extract.suppressed, lacking.extract.records]);
    }
    for (const dimensions of [['district', 'marital_status'], ['district', 'marital_status', 'sex'], ['marital_status']]) {
      const { extract, rows } = await take({ dimensions });
      const place = extract.columns.findIndex(({ name }) => name === 'marital_status');
      const inDistrict = extract.columns.findIndex(({ name }) => name === 'district');
      expect(rows.some(({ values }) => values[place] === 'D' && (inDistrict === -1 || values[inDistrict] === 'R1-D1'))).toBe(
        inDistrict === -1,
      );
    }
  });

  it('how many are in a cell that is left out, by whatever is subtracted: the remainder is as likely of one as of two', async () => {
    // With him and with one more of his kind, under many keys, as if there were many registries.
    const remainders = async (persons: readonly CountedPerson[]): Promise<Map<number, number>> => {
      const found = new Map<number, number>();
      for (let key = 0; key < 150; key += 1) {
        const rowsOf = async (dimensions: readonly string[], holds: (values: readonly (string | null)[]) => boolean): Promise<number> => {
          const asked = plan({ dimensions });
          const cells = countBy(persons, asked.grid);
          const extract = await discloseExtract(protect(key), grantOf('one'), { plan: asked, cells, asOf: 0 } as CountedCells, K);
          const told = await tellCells(protect(key).cells, cells, asked.grid, K);
          expect(told.map(({ cell }) => cell)).toEqual(extract.cells);
          return told.reduce((sum, { cell, count }) => sum + (holds(cell.values) ? count - ACCURACY : 0), 0);
        };
        const whole = await rowsOf(['district'], ([, district]) => district === 'R1-D1');
        const parts = await rowsOf(['district', 'marital_status'], ([, district]) => district === 'R1-D1');
        found.set(whole - parts, (found.get(whole - parts) ?? 0) + 1);
      }
      return found;
    };
    const [having, lacking] = [await remainders(ALL), await remainders([...ALL, { ...VICTIM, uin: '799999998' }])];
    expect(having.size).toBeGreaterThan(5);
    const shared = [...having].reduce((sum, [remainder, times]) => sum + Math.min(times, lacking.get(remainder) ?? 0), 0);
    // Of 150 registries of each kind, so many cannot be told apart by the remainder.
    expect(shared).toBeGreaterThan(110);
  });
});

/** As the database counts, but of any persons. */
function countBy(persons: readonly CountedPerson[], grid: readonly Dimension[]): Cell[] {
  return [...Map.groupBy(persons, (person) => valuesOf(person, grid))].map(([values, members]) => ({
    values: JSON.parse(values) as (string | null)[],
    records: members.length,
    idSum: members.reduce((sum, { uin }) => sum + BigInt(uin) ** 5n, 0n),
  }));
}

describe('pseudonyms', () => {
  it('of two partners have nothing in common, nor does the order of their rows', async () => {
    const [one, other] = [await take({ dimensions: ['sex'] }), await take({ dimensions: ['sex'] }, 'other')];
    expect(pseudonymsOf(one).size).toBe(one.rows.length);
    expect(pseudonymsOf(one).intersection(pseudonymsOf(other)).size).toBe(0);
    const aligned = one.ids.filter((id, place) => other.ids[place] === id).length;
    expect(aligned).toBeLessThan(one.ids.length / 50);
  });

  it('of other columns have nothing in common, so that no two extracts say together what one would not', async () => {
    const sets = [['sex'], ['marital_status'], ['sex', 'marital_status'], ['district'], ['district', 'sex']];
    const taken = await Promise.all(sets.map((dimensions) => take({ dimensions })));
    for (const [index, one] of taken.entries())
      for (const other of taken.slice(index + 1)) expect(pseudonymsOf(one).intersection(pseudonymsOf(other)).size).toBe(0);
    // A condition counts as a column: what was asked under it is not joined with what was not.
    const women = await take({ dimensions: ['marital_status'], ...expression({ sex: 'female' }, 'SRPerson') });
    expect(pseudonymsOf(women).intersection(pseudonymsOf(taken[1] as Taken)).size).toBe(0);
    expect(pseudonymsOf(women).isSubsetOf(pseudonymsOf(taken[2] as Taken))).toBe(true);
  });

  it('of one set of columns are the same under every condition on them, and then say the same', async () => {
    const whole = await take({ dimensions: ['sex', 'marital_status'] });
    const values = new Map(whole.rows.map((row) => [row.pseudonym, row.values]));
    const part = await take({ dimensions: ['sex', 'marital_status'], ...expression({ sex: 'female' }, 'SRPerson') });
    for (const row of part.rows) expect(values.get(row.pseudonym)).toEqual(row.values);
  });

  it('are none of those that searches give', async () => {
    const extract = await take({ dimensions: ['sex'] });
    const given = protect().pseudonyms.of('one');
    const searched = new Set(ALL.flatMap(({ uin }) => [given('identifier UIN', uin), given('class identifier', uin)]));
    expect(pseudonymsOf(extract).intersection(searched).size).toBe(0);
    const ids = new Set(extract.ids.map((id) => given('identifier UIN', id)));
    expect(pseudonymsOf(extract).intersection(ids).size).toBe(0);
  });

  it('are not there where the rule gives no identifiers', async () => {
    const asked = plan({ dimensions: ['registration_year'] });
    const counted = await countRecords(fixture.reader, asked, 0);
    const of = async (rule: string): Promise<boolean> => (await discloseExtract(protect(), grantOf('one', rule), counted, K)).hasPseudonyms;
    expect([await of('full'), await of('research'), await of('minimal'), await of('existence')]).toEqual([true, true, true, false]);
  });
});

describe('asking again', () => {
  it('does not bring what was left out, and the order is not that of registration', async () => {
    const [first, second, filtered] = [
      await take({ dimensions: ['sex', 'marital_status'] }),
      await take({ dimensions: ['sex', 'marital_status'] }),
      await take({ dimensions: ['sex'], ...expression({ marital_status: { $in: ['S', 'M'] } }, 'SRPerson') }),
    ];
    expect(second.ids).toEqual(first.ids);
    expect(new Set(filtered.ids).isSubsetOf(new Set(first.ids))).toBe(true);
    const whole = first.extract.cells.reduce((sum, { records }) => sum + records, 0);
    expect(first.ids.length).toBeLessThan(whole);
    const ascending = first.ids.filter((id, place) => place > 0 && id > (first.ids[place - 1] ?? '')).length;
    expect(Math.abs(ascending / first.ids.length - 0.5)).toBeLessThan(0.1);
  });
});

/** Tables of three dimensions, the second of which lies in the first. */
const grid: readonly Dimension[] = [
  { name: 'outer', attribute: 'a', banding: 'as-it-is' },
  { name: 'inner', attribute: 'b', banding: 'as-it-is', within: 'outer' },
  { name: 'other', attribute: 'c', banding: 'as-it-is' },
  { name: 'last', attribute: 'd', banding: 'as-it-is' },
];
const MARGINS = [[], [0], [0, 1], [2], [0, 2], [0, 1, 2], [3], [0, 3], [0, 1, 3], [2, 3], [0, 2, 3]];

it('no sum of a table gives back what was left out, along however many of its dimensions it is taken', async () => {
  const cell = fc.record({ inner: fc.nat(3), other: fc.nat(2), last: fc.nat(2), records: fc.nat(40) });
  await fc.assert(
    fc.asyncProperty(fc.array(cell, { maxLength: 40 }), fc.integer({ min: 5, max: 12 }), async (drawn, threshold) => {
      const merged = new Map<string, Cell>();
      for (const { inner, other, last, records } of drawn) {
        const values = [String(inner >> 1), String(inner), String(other), String(last)];
        const before = merged.get(values.join());
        merged.set(values.join(), { values, records: 1 + records + (before?.records ?? 0), idSum: BigInt(records * 7 + inner) });
      }
      const cells = [...merged.values()];
      const told = new Set((await tellCells(protect().cells, cells, grid, threshold)).map((one) => one.cell));
      for (const kept of MARGINS)
        for (const [, block] of Map.groupBy(cells, ({ values }) => kept.map((place) => values[place]).join())) {
          const hidden = block.reduce((sum, one) => sum + (told.has(one) ? 0 : one.records), 0);
          if (block.some((one) => told.has(one)) && hidden > 0) expect(hidden).toBeGreaterThanOrEqual(threshold);
        }
    }),
    { numRuns: 400, seed: 3 },
  );
});
