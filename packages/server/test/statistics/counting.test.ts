import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { socialProfile } from '../../src/profiles/social.ts';
import { type Cell, countKept, countRecords, gatherCells } from '../../src/registry/counting/count-cells.ts';
import { compileCellFilter } from '../../src/registry/counting/cell-filter.ts';
import { keepCounts } from '../../src/registry/counting/keep-counts.ts';
import { type CountCriteria, type CountPlan, planCount } from '../../src/registry/counting/plan-count.ts';
import { readRowScope } from '../../src/registry/row-scope.ts';
import type { Sight } from '../../src/registry/sight.ts';
import { deleteRecord } from '../../src/registry/write.ts';
import { type Condition, toQuery } from '../search/evaluator.ts';
import { CONTEXT, expression, openSearchFixture, type SearchFixture } from '../search/search-fixture.ts';
import { ageOf, type CountedPerson, makeCounted, putCounted, TODAY, VALUE_OF } from './counted-population.ts';

/** The two ways of counting, and a naive one, say the same. */
let fixture: SearchFixture;
let persons: CountedPerson[];

const NOON = Date.parse(`${TODAY}T12:00:00Z`);
const EVERYTHING = { query_type: 'idtype-value', query: { type: '*', value: '*' } } as const;

beforeAll(async () => {
  fixture = await openSearchFixture({ persons: [], households: [] });
  persons = makeCounted(600);
  await putCounted(fixture.database, persons);
  await keep();
});
afterAll(() => fixture.close());

/** Events wait for every older transaction of the cluster, those of other tests too. */
async function keep(now = NOON): Promise<void> {
  await keepCounts(fixture.database, [socialProfile], () => now);
}

function plan(criteria: object, changes: { sight?: Sight; today?: string } = {}): CountPlan {
  return planCount({ reg_record_type: 'SRPerson', ...criteria } as CountCriteria, { ...CONTEXT, ...changes }, 4);
}

function write(cells: readonly Cell[] | undefined): string[] | undefined {
  return cells?.map(({ values, records, idSum }) => `${JSON.stringify(values)} ${records} ${idSum}`).toSorted();
}

function countNaively(counted: readonly CountedPerson[], { grid }: CountPlan): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const person of counted) {
    const key = JSON.stringify(grid.map(({ name }) => VALUE_OF[name]?.(person)));
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
}

const numbers = (cells: readonly Cell[]): Record<string, number> =>
  Object.fromEntries(cells.map(({ values, records }) => [JSON.stringify(values), records]));

const NAMES = ['region', 'district', 'sex', 'age_band', 'marital_status', 'is_disabled', 'registration_month'];
const dimensions = fc.uniqueArray(fc.constantFrom(...NAMES), { maxLength: 3 });

const comparison = fc.oneof(
  fc.constantFrom<Condition>(
    { kind: 'compare', attribute: 'sex', operator: 'eq', value: 'female' },
    { kind: 'compare', attribute: 'sex', operator: 'ne', value: 'male' },
    { kind: 'compare', attribute: 'sex', operator: 'exists', value: false },
    { kind: 'compare', attribute: 'marital_status', operator: 'in', value: ['W', 'D'] },
    { kind: 'compare', attribute: 'marital_status', operator: 'nin', value: ['S'] },
    { kind: 'compare', attribute: 'is_disabled', operator: 'eq', value: true },
  ),
  fc
    .tuple(fc.constantFrom('lt', 'ge'), fc.constantFrom(5, 18, 60, 65, 85))
    .map(([operator, value]) => ({ kind: 'compare', attribute: 'age', operator, value }) as Condition),
  fc
    .tuple(fc.constantFrom('le', 'gt'), fc.constantFrom(4, 17, 64))
    .map(([operator, value]) => ({ kind: 'compare', attribute: 'age', operator, value }) as Condition),
);
const { condition } = fc.letrec<{ condition: Condition }>((tie) => ({
  condition: fc.oneof(
    { maxDepth: 3 },
    comparison,
    fc.array(tie('condition'), { minLength: 1, maxLength: 3 }).map((terms): Condition => ({ kind: 'and', terms })),
    fc.array(tie('condition'), { minLength: 1, maxLength: 3 }).map((terms): Condition => ({ kind: 'or', terms })),
    tie('condition').map((term): Condition => ({ kind: 'not', term })),
  ),
}));

describe('counts', () => {
  it('are the same from the records, from what is kept where it covers the question, and counted by hand', async () => {
    let kept = 0;
    await fc.assert(
      fc.asyncProperty(dimensions, async (names) => {
        const asked = plan({ ...EVERYTHING, dimensions: names });
        const counted = await countRecords(fixture.reader, asked, NOON);
        expect(numbers(counted.cells)).toEqual(countNaively(persons, asked));
        const fromCube = await countKept(fixture.reader, asked);
        if (fromCube === undefined) return;
        kept += 1;
        expect(write(fromCube.cells)).toEqual(write(counted.cells));
      }),
      { numRuns: 60 },
    );
    expect(kept).toBeGreaterThan(10);
  });

  it('of a filter are the sum of its cells, as many as a search finds', async () => {
    await fc.assert(
      fc.asyncProperty(condition, async (asked) => {
        const query = expression(toQuery(asked), 'SRPerson');
        const counting = tryPlan(query);
        if (counting?.filter === undefined) return;
        const { cells } = await countRecords(fixture.reader, counting, NOON);
        const holds = compileCellFilter(counting.filter, counting.recordType, counting.grid);
        const sum = cells.filter(({ values }) => holds(values)).reduce((all, { records }) => all + records, 0);
        expect(sum).toBe((await fixture.search(query)).totalCount);
      }),
      { numRuns: 150 },
    );
  });

  /** More dimensions than are told at a time are refused. */
  function tryPlan(query: object): CountPlan | undefined {
    try {
      return plan({ ...query, dimensions: [] });
    } catch (error) {
      expect(error).toMatchObject({ code: 'rjct.search_criteria.invalid' });
      return undefined;
    }
  }

  it('hold what is out of sight to be not there, whichever way they are counted', async () => {
    const [person] = socialProfile.recordTypes;
    if (person === undefined) throw new Error('no record type');
    const seen = (query: object): Sight => ({ closed: new Set(), rows: new Map([['person', readRowScope(socialProfile, person, query)]]) });
    const inDistrict = plan({ ...EVERYTHING, dimensions: ['sex'] }, { sight: seen({ district: 'R1-D1', age: { $gte: 18 } }) });
    const counted = await countRecords(fixture.reader, inDistrict, NOON);
    const adults = persons.filter(({ district, born }) => district === 'R1-D1' && born !== undefined && ageOf(born) >= 18);
    expect(numbers(counted.cells)).toEqual(countNaively(adults, inDistrict));
    expect(write((await countKept(fixture.reader, inDistrict))?.cells)).toEqual(write(counted.cells));
    // No cube tells who was born when: it is counted from the records.
    const old = plan({ ...EVERYTHING, dimensions: ['sex'] }, { sight: seen({ birth_date: { $lt: '1950-07-15' } }) });
    expect(await countKept(fixture.reader, old)).toBeUndefined();
    const born = persons.filter((one) => one.born !== undefined && one.born < '1950-07-15');
    expect(numbers((await countRecords(fixture.reader, old, NOON)).cells)).toEqual(countNaively(born, old));
    const nobody = plan(
      { ...EVERYTHING, dimensions: [] },
      {
        sight: { ...seen({ sex: 'female' }), consent: { recipients: ['partner:x'], purposes: ['enrolment'] } },
      },
    );
    expect(await countKept(fixture.reader, nobody)).toBeUndefined();
    expect((await countRecords(fixture.reader, nobody, NOON)).cells).toMatchObject([{ records: 0 }]);
  });

  it('are of consenting persons where consent is the ground, and tell of each what it covers', async () => {
    const consenting = persons.slice(0, 120);
    const covering = persons.slice(0, 60);
    await fixture.database.pool.query(
      `insert into consent (id, registry, record_type, record_id, recipient, purposes, fields, valid_from, valid_until)
       select gen_random_uuid(), 'social', 'person', record_id, 'partner:x', '{enrolment}',
         case when value = any($2) then array['demographic'] else array['public'] end, now() - interval '1 day', now() + interval '1 day'
       from identifier where type = 'UIN' and value = any($1)`,
      [consenting.map(({ uin }) => uin), covering.map(({ uin }) => uin)],
    );
    const consent = { recipients: ['partner:x'], purposes: ['enrolment'] };
    const asked = plan({ ...EVERYTHING, dimensions: ['sex'] }, { sight: { closed: new Set(), rows: new Map(), consent } });
    const covered = new Set(covering.map(({ uin }) => uin));
    const asSeen = consenting.map(({ sex, ...person }) => (covered.has(person.uin) && sex !== undefined ? { ...person, sex } : person));
    expect(numbers((await countRecords(fixture.reader, asked, NOON)).cells)).toEqual(countNaively(asSeen, asked));
  });

  it('give the same set of records the same sum, however it is asked for', async () => {
    const fine = await countRecords(fixture.reader, plan({ ...EVERYTHING, dimensions: ['sex', 'marital_status'] }), NOON);
    const coarse = await countRecords(fixture.reader, plan({ ...EVERYTHING, dimensions: ['sex'] }), NOON);
    expect(write(gatherCells(fine.cells, [0]))).toEqual(write(coarse.cells));
  });
});

describe('kept counts', () => {
  const all = { ...EVERYTHING, dimensions: ['district', 'sex', 'age_band'] };

  async function expectKept(today = TODAY, now = NOON): Promise<void> {
    await vi.waitFor(
      async () => {
        await keep(now);
        const asked = plan(all, { today });
        const counted = await countRecords(fixture.reader, asked, now);
        expect(write((await countKept(fixture.reader, asked))?.cells)).toEqual(write(counted.cells));
      },
      { timeout: 30_000, interval: 50 },
    );
  }

  it('follow what is written, changed and deleted', async () => {
    const [first, second, ...others] = persons;
    if (first === undefined || second === undefined) throw new Error('no persons');
    persons = [
      { ...first, sex: 'other', region: 'R2', district: 'R2-D9' },
      ...others,
      ...makeCounted(5, 8).map((one) => ({ ...one, uin: `8${one.uin}` })),
    ];
    await putCounted(fixture.database, persons);
    await deleteRecord(fixture.database.db, socialProfile, { recordType: 'person', type: 'UIN', value: second.uin });
    await expectKept();
    const asked = plan(all);
    expect(numbers((await countKept(fixture.reader, asked))?.cells ?? [])).toEqual(countNaively(persons, asked));
  });

  it('follow birthdays, and are not used for another day than that they were kept for', async () => {
    const ageless = await fixture.database.pool.query(
      `select count(*) filter (where due is not null) as due, count(*) as all from counted_record where dims[4] is null or dims[4] = '85+'`,
    );
    expect(ageless.rows).toEqual([{ due: '0', all: expect.stringMatching(/^[1-9]/) }]);
    const later = '2025-03-01';
    expect(await countKept(fixture.reader, plan(all, { today: later }))).toBeUndefined();
    await expectKept(later, NOON + 86_400_000);
    await expectKept('2026-01-01', Date.parse('2026-01-01T06:00:00Z'));
    await expectKept('2028-02-29', Date.parse('2028-02-29T06:00:00Z'));
    await expectKept('2028-03-01', Date.parse('2028-03-01T06:00:00Z'));
  });

  it('are counted anew where they were counted under another declaration', async () => {
    await fixture.database.pool.query(`update counted_type set declared = 'another'; update counted_cell set records = records + 1`);
    expect(await countKept(fixture.reader, plan(all, { today: '2028-03-01' }))).toBeUndefined();
    await expectKept('2028-03-01', Date.parse('2028-03-01T06:00:00Z'));
  });

  it('are not used when nobody has kept them for long', async () => {
    await fixture.database.pool.query(`update counted_type set kept_at = now() - interval '11 minutes'`);
    expect(await countKept(fixture.reader, plan(all, { today: '2028-03-01' }))).toBeUndefined();
  });

  it('do not say that they are of now while there are changes that cannot be followed yet', async () => {
    const now = Date.parse('2028-03-01T06:00:00Z');
    await expectKept('2028-03-01', now);
    const older = await fixture.database.pool.connect();
    try {
      await older.query('begin');
      await older.query('select pg_current_xact_id()');
      const { rows } = await older.query<{ at: Date }>('select clock_timestamp() as at');
      await putCounted(
        fixture.database,
        makeCounted(5, 10).map((one) => ({ ...one, uin: `5${one.uin}` })),
      );
      await keep(now);
      const kept = await countKept(fixture.reader, plan(all, { today: '2028-03-01' }));
      const counted = await countRecords(fixture.reader, plan(all, { today: '2028-03-01' }), now);
      const sum = (cells: readonly Cell[] = []): number => cells.reduce((total, { records }) => total + records, 0);
      expect(sum(counted.cells) - sum(kept?.cells)).toBe(5);
      // The changes came within moments of the transaction before them; its clock is the database's, as theirs is.
      const [first] = (
        await fixture.database.pool.query<{ at: Date }>(
          'select min(at) as at from (select at from change_event order by seq desc limit 5) e',
        )
      ).rows;
      expect(kept?.asOf).toBeLessThanOrEqual(first?.at.getTime() ?? 0);
      expect(first?.at.getTime()).toBeGreaterThanOrEqual(rows[0]?.at.getTime() ?? Number.NaN);
    } finally {
      await older.query('rollback');
      older.release();
    }
    await expectKept('2028-03-01', now);
  });

  it('are right when two processes keep them', async () => {
    await putCounted(
      fixture.database,
      makeCounted(40, 9).map((one) => ({ ...one, uin: `6${one.uin}` })),
    );
    const now = Date.parse('2028-03-01T06:00:00Z');
    await Promise.all([keep(now), keep(now)]);
    await expectKept('2028-03-01', now);
  });
});

describe('a question about numbers is refused', () => {
  it.each([
    ['by an identifier', { query_type: 'idtype-value', query: { type: 'UIN', value: '700000001' } }, 'rjct.filter.invalid'],
    ['by a name', expression({ given_name: 'Ana' }, 'SRPerson'), 'rjct.filter.invalid'],
    ['by a day of birth', expression({ birth_date: '1950-01-01' }, 'SRPerson'), 'rjct.filter.invalid'],
    ['by an age between bounds', expression({ age: { $gte: 19 } }, 'SRPerson'), 'rjct.filter.invalid'],
    ['by one age', expression({ age: 65 }, 'SRPerson'), 'rjct.filter.invalid'],
    ['by a moment within a month', expression({ registration_date: { $gte: '2024-01-15' } }, 'SRPerson'), 'rjct.filter.invalid'],
    ['about relatives', expression({ poverty_score: { $lt: 10 } }, 'SRPerson'), 'rjct.filter.invalid'],
    ['without a query', expression({}, 'SRPerson'), 'rjct.filter.invalid'],
    ['with half of everything', { query_type: 'idtype-value', query: { type: '*', value: 'x' } }, 'rjct.search_criteria.invalid'],
  ])('%s', (_name, query, code) => {
    expect(() => plan({ ...query, dimensions: ['sex'] })).toThrow(expect.objectContaining({ code }));
  });

  it.each([
    ['by a dimension that is not declared', ['given_name'], 'rjct.filter.invalid'],
    ['by one dimension twice', ['sex', 'sex'], 'rjct.search_criteria.invalid'],
  ])('%s', (_name, names, code) => {
    expect(() => plan({ ...EVERYTHING, dimensions: names })).toThrow(expect.objectContaining({ code }));
  });

  it('where a dimension is not open to the partner', () => {
    const context = { ...CONTEXT, useOf: () => 'closed' as const };
    expect(() => planCount({ ...EVERYTHING, reg_record_type: 'SRPerson', dimensions: ['sex'] }, context, 4)).toThrow(
      expect.objectContaining({ code: 'rjct.filter.invalid' }),
    );
  });

  it('by more dimensions than are told at a time, those of the filter among them', () => {
    const query = expression({ marital_status: 'W', is_disabled: true }, 'SRPerson');
    expect(() => plan({ ...query, dimensions: ['district', 'sex', 'age_band'] })).toThrow(
      expect.objectContaining({ code: 'rjct.search_criteria.invalid' }),
    );
  });
});
