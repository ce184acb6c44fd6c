import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type DisclosedStatistics, discloseStatistics } from '../../src/disclosure/disclose-statistics.ts';
import { ACCURACY, createCellProtection } from '../../src/disclosure/tell-cells.ts';
import type { Condition } from '../search/evaluator.ts';
import { toQuery } from '../search/evaluator.ts';
import { countRecords } from '../../src/registry/counting/count-cells.ts';
import { type CountCriteria, planCount } from '../../src/registry/counting/plan-count.ts';
import { CONTEXT, expression, openSearchFixture, type SearchFixture } from '../search/search-fixture.ts';
import { type CountedPerson, makeOthers, putCounted, TODAY, VALUE_OF, VICTIM } from './counted-population.ts';

/**
 * An attacker who may ask for statistics as often as he likes, knows all of the registry but one person, and subtracts.
 * The victim is the only one of his kind in a district: whether he is in the registry, and what he is, is the secret.
 */
let fixture: SearchFixture;
const NOON = Date.parse(`${TODAY}T12:00:00Z`);
const EVERYTHING = { query_type: 'idtype-value', query: { type: '*', value: '*' } };
const THRESHOLD = 10;
const PEOPLE = makeOthers(1_500, 21);

beforeAll(async () => {
  fixture = await openSearchFixture({ persons: [], households: [] });
  await putCounted(fixture.database, [...PEOPLE, VICTIM]);
});
afterAll(() => fixture.close());

async function ask(criteria: object, key = 1): Promise<DisclosedStatistics> {
  const plan = planCount({ reg_record_type: 'SRPerson', dimensions: [], ...criteria } as unknown as CountCriteria, CONTEXT, 4);
  return discloseStatistics(createCellProtection(Buffer.alloc(32, key)), await countRecords(fixture.reader, plan, NOON), THRESHOLD);
}

const total = async (query: object, key?: number): Promise<number> => (await ask(query, key)).total?.count ?? 0;
const where = (condition: Condition): object => expression(toQuery(condition), 'SRPerson');
const is = (attribute: 'sex' | 'marital_status', ...value: string[]): Condition => ({ kind: 'compare', attribute, operator: 'in', value });
const without = (condition: Condition): Condition => ({ kind: 'not', term: condition });
const both = (...terms: Condition[]): Condition => ({ kind: 'and', terms });
const inDistrict = { kind: 'compare', attribute: 'district', operator: 'eq', value: 'R1-D1' } as unknown as Condition;

describe('statistics do not tell', () => {
  it('more when they are asked again, or in other words', async () => {
    const women = is('sex', 'female');
    const answers = new Set<number>();
    for (const query of [
      women,
      both(women, women),
      without(without(women)),
      both(women, { kind: 'or', terms: [women, women] }),
      without(is('sex', 'male', 'female')),
    ])
      if (query !== undefined) answers.add(await total(where(query)));
    const [first] = await Promise.all(Array.from({ length: 5 }, () => total(where(women))));
    const again = await Promise.all(Array.from({ length: 5 }, () => total(where(women))));
    expect(new Set(again)).toEqual(new Set([first]));
    // The one query that asks for others has an answer of its own.
    expect(answers.size).toBe(2);
  });

  it('a cell that holds fewer than the threshold, nor tells it from an empty one', async () => {
    for (const names of [
      ['district', 'marital_status'],
      ['district', 'sex', 'marital_status'],
      ['district', 'age_band'],
      ['sex', 'age_band', 'registration_month'],
    ]) {
      const { rows, plan } = await ask({ ...EVERYTHING, dimensions: names });
      for (const { values, count } of rows) {
        const members = [...PEOPLE, VICTIM].filter((person) =>
          plan.dimensions.every(({ name }, place) => VALUE_OF[name]?.(person) === values[place]),
        );
        expect(members.length).toBeGreaterThanOrEqual(THRESHOLD);
        expect(count).toBeGreaterThanOrEqual(THRESHOLD);
        expect(Math.abs(count - members.length)).toBeLessThanOrEqual(ACCURACY);
      }
    }
    const alone = await ask(where(both(inDistrict, is('marital_status', 'D'))));
    const nobody = await ask(where(both(inDistrict, is('marital_status', 'W'), is('marital_status', 'S'))));
    expect([alone.rows, alone.total]).toEqual([nobody.rows, nobody.total]);
  });

  it('a small cell by what is left of any line of the table, even to who knows all told cells exactly', async () => {
    for (const names of [
      ['district', 'marital_status'],
      ['district', 'sex', 'marital_status'],
      ['sex', 'age_band'],
      ['district', 'sex', 'age_band'],
    ]) {
      const { rows, plan } = await ask({ ...EVERYTHING, dimensions: names });
      const told = new Set(rows.map(({ values }) => JSON.stringify(values)));
      const valuesOf = (person: CountedPerson): (string | null)[] => plan.dimensions.map(({ name }) => VALUE_OF[name]?.(person) ?? null);
      for (const axis of plan.dimensions.keys()) {
        const hidden = [...PEOPLE, VICTIM].map(valuesOf).filter((values) => !told.has(JSON.stringify(values)));
        const lines = Map.groupBy(hidden, (values) => JSON.stringify(values.with(axis, null)));
        const givenBack = [...lines].filter(
          ([line, left]) => left.length < THRESHOLD && rows.some(({ values }) => JSON.stringify(values.with(axis, null)) === line),
        );
        expect(givenBack).toEqual([]);
      }
    }
  });

  it('a person by what a condition that sets him apart takes away, however many sets it is taken from', async () => {
    // With him and without him: every set of marital statuses of the district, once with D and once not.
    const others = ['S', 'M', 'W'];
    const differences: number[] = [];
    for (let subset = 1; subset < 2 ** others.length; subset += 1) {
      const chosen = others.filter((_, index) => (subset >> index) % 2 === 1);
      const having = await total(where(both(inDistrict, is('marital_status', ...chosen, 'D'))));
      const lacking = await total(where(both(inDistrict, is('marital_status', ...chosen))));
      differences.push(having - lacking);
    }
    // Not off by some noise that could be averaged: he is not in either.
    expect(new Set(differences)).toEqual(new Set([0]));
  });

  it('a person by leaving out his kind, however many sets it is left out of: they all say what a few cells said', async () => {
    const districtOf = (...sexes: string[]): Condition => both(inDistrict, is('sex', ...sexes));
    const lost = async (...sexes: string[]): Promise<number> =>
      (await total(where(districtOf(...sexes)))) - (await total(where(both(districtOf(...sexes), without(is('marital_status', 'D'))))));
    const [male, female, other] = [await lost('male'), await lost('female'), await lost('other')];
    expect(await lost('male', 'female')).toBe(male + female);
    expect(await lost('male', 'other')).toBe(male + other);
    expect(await lost('male', 'female', 'other')).toBe(male + female + other);
  });

  it('a person by the total minus the cells: what is left is as unsure for one who is there as for one who is not', async () => {
    const left = async (key: number): Promise<number> => {
      const { rows } = await ask({ ...EVERYTHING, dimensions: ['district', 'marital_status'] }, key);
      const { rows: districts } = await ask({ ...EVERYTHING, dimensions: ['district'] }, key);
      const whole = districts.find(({ values }) => values[1] === 'R1-D1')?.count ?? 0;
      return whole - rows.filter(({ values }) => values[1] === 'R1-D1').reduce((sum, { count }) => sum + count, 0);
    };
    const leftOver = await left(1);
    // Cells were left out beside his, of at least as many as the threshold in all.
    expect(leftOver).toBeGreaterThan(THRESHOLD / 2);
    const hidden = PEOPLE.filter(({ district }) => district === 'R1-D1').length;
    expect(leftOver).toBeLessThan(hidden);
  });

  it('the number of records in a set by its difference to another one: both are off, each by its own', async () => {
    // Under many keys, as if there were many registries: how much two sets that differ by one person seem to differ.
    const plan = planCount({ reg_record_type: 'SRPerson', dimensions: [], ...EVERYTHING } as unknown as CountCriteria, CONTEXT, 4);
    const counted = await countRecords(fixture.reader, plan, NOON);
    const [cell] = counted.cells;
    if (cell === undefined) throw new Error('nothing is counted');
    const differences: number[] = [];
    for (let key = 0; key < 256; key += 1) {
      const protection = createCellProtection(Buffer.alloc(32, key));
      const count = async (records: number, idSum: bigint): Promise<number> =>
        (await discloseStatistics(protection, { ...counted, cells: [{ values: [], records, idSum }] }, THRESHOLD)).total?.count ?? 0;
      differences.push((await count(cell.records, cell.idSum)) - (await count(cell.records - 1, cell.idSum - 987_654_321n)));
    }
    const mean = differences.reduce((sum, one) => sum + one, 0) / differences.length;
    // Fixed keys, so this is no matter of luck: the difference is right on average, and seldom in any one registry.
    expect(Math.abs(mean - 1)).toBeLessThan(0.5);
    expect(differences.filter((one) => one === 1).length / differences.length).toBeLessThan(0.25);
    expect(Math.min(...differences)).toBeLessThan(0);
  });
});
