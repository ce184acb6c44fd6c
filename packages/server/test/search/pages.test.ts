import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sealCursor } from '../../src/registry/cursor.ts';
import type { SearchContext } from '../../src/registry/search-context.ts';
import { CONTEXT, expression, openSearchFixture, type SearchFixture } from './search-fixture.ts';
import { type Household, keyOf, makePopulation, type Person, personDocument } from './social-population.ts';

const population = makePopulation(40, 30);
const { persons, households } = population;
let fixture: SearchFixture;
beforeAll(async () => {
  fixture = await openSearchFixture(population);
});
afterAll(() => fixture.close());

const everybody = { ...expression({ BRN: { $exists: true } }), response_entity: 'SRPerson' };

type Sort = readonly { attribute_name: string; sort_order?: 'asc' | 'desc' }[];
const SORTS: readonly Sort[] = [
  [],
  [{ attribute_name: 'sex' }],
  [{ attribute_name: 'sex', sort_order: 'desc' }],
  [{ attribute_name: 'birth_date', sort_order: 'desc' }, { attribute_name: 'sex' }],
  [{ attribute_name: 'marital_status' }, { attribute_name: 'is_disabled', sort_order: 'desc' }, { attribute_name: 'given_name' }],
  [{ attribute_name: 'registration_date' }, { attribute_name: 'age' }],
  [{ attribute_name: 'poverty_score' }, { attribute_name: 'UIN', sort_order: 'desc' }],
  [{ attribute_name: 'HHID', sort_order: 'desc' }, { attribute_name: 'group_size' }],
];

async function walkByNumber(sort: Sort, size: number): Promise<string[]> {
  const keys: string[] = [];
  for (let number = 1; ; number += 1) {
    const page = await fixture.keys({ ...everybody, sort, pagination: { page_size: size, page_number: number } });
    keys.push(...page);
    if (page.length < size) return keys;
  }
}

async function walkByCursor(sort: Sort, size: number, between: () => Promise<void> = async () => undefined): Promise<string[]> {
  const keys: string[] = [];
  for (let number = 1, cursor: string | undefined; ; number += 1) {
    const result = await fixture.search({ ...everybody, sort, pagination: { page_size: size, ...(cursor && { cursor }) } });
    keys.push(...result.records.map(({ body }) => keyOf(body)));
    expect(result.plan.page.number).toBe(number);
    cursor = sealCursor(result, CONTEXT);
    if (cursor === undefined) return keys;
    await between();
  }
}

describe('an order', () => {
  const inOrder = async (criteria: object): Promise<string[]> => fixture.keys({ ...criteria, pagination: { page_size: 1_000 } });
  const value = (key: string, read: (person: Person) => string | undefined): string | undefined =>
    read(persons.find((one) => one.key === key) as Person);

  it('goes by the attribute, what lacks it last; downwards it is exactly turned round', async () => {
    const up = await inOrder({ ...everybody, sort: [{ attribute_name: 'birth_date' }] });
    const dates = up.map((key) => value(key, ({ birthDate }) => birthDate) ?? '9999');
    expect(dates).toEqual(dates.toSorted());
    expect(up).toHaveLength(persons.length);
    expect(await inOrder({ ...everybody, sort: [{ attribute_name: 'birth_date', sort_order: 'desc' }] })).toEqual(up.toReversed());
    expect(await inOrder({ ...everybody, sort: [{ attribute_name: 'age', sort_order: 'desc' }] })).toEqual(up);
  });

  it('goes by an identifier', async () => {
    const up = await inOrder({ ...everybody, sort: [{ attribute_name: 'UIN' }] });
    const values = up.map((key) => value(key, ({ uin }) => uin) ?? 'V');
    expect(values).toEqual(values.toSorted());
  });

  it('goes by the least and the greatest among the members of a household', async () => {
    const all = { ...expression({ group_size: { $ge: 0 } }) };
    const scores = (household: Household | undefined, pick: 'least' | 'greatest'): string => {
      const dates = (household?.members ?? []).flatMap(({ birthDate }) => birthDate ?? []).toSorted();
      return (pick === 'least' ? dates[0] : dates.at(-1)) ?? '9999';
    };
    const find = (key: string): Household | undefined => households.find((household) => household.key === key);
    const up = (await inOrder({ ...all, sort: [{ attribute_name: 'birth_date' }] })).map((key) => scores(find(key), 'least'));
    expect(up).toEqual(up.toSorted());
    const down = (await inOrder({ ...all, sort: [{ attribute_name: 'birth_date', sort_order: 'desc' }] })).map((key) =>
      scores(find(key), 'greatest'),
    );
    expect(down).toEqual(down.toSorted().toReversed());
  });

  it('is refused by unknown names, twice the same, and too many', () => {
    const refused = (sort: unknown): void => {
      expect(() => fixture.plan({ ...everybody, sort })).toThrow(expect.objectContaining({ code: 'rjct.sort.invalid' }) as Error);
    };
    refused([{ attribute_name: 'shoe_size' }]);
    refused([{}]);
    refused([{ attribute_name: 'sex' }, { attribute_name: 'gender', sort_order: 'desc' }]);
    refused([{ attribute_name: 'sex', sort_order: 'up' }]);
    refused([{ attribute_name: 'sex', nulls: 'first' }]);
    refused(['sex', 'birth_date', 'given_name', 'surname', 'locality', 'region'].map((attribute_name) => ({ attribute_name })));
  });
});

describe('pages', () => {
  it.each(SORTS.map((sort) => ({ sort })))('hold each record once, by number and by cursor alike: $sort', async ({ sort }) => {
    const whole = await fixture.keys({ ...everybody, sort, pagination: { page_size: 1_000 } });
    expect(new Set(whole)).toEqual(new Set(persons.map(({ key }) => key)));
    expect(await walkByNumber(sort, 7)).toEqual(whole);
    expect(await walkByCursor(sort, 7)).toEqual(whole);
    expect(await walkByCursor(sort, 64)).toEqual(whole);
  });

  it.each(SORTS.slice(0, 5).map((sort) => ({ sort })))('hold each record once while others arrive: $sort', async ({ sort }) => {
    const whole = await fixture.keys({ ...everybody, sort, pagination: { page_size: 1_000 } });
    let arrived = 0;
    const keys = await walkByCursor(sort, 20, async () => {
      arrived += 1;
      const key = `P8${SORTS.indexOf(sort)}${String(arrived).padStart(3, '0')}`;
      await fixture.put([personDocument({ key, sex: 'male', birthDate: '1988-02-29' })]);
    });
    expect(arrived).toBeGreaterThan(5);
    expect(keys.filter((key) => whole.includes(key))).toEqual(whole);
    expect(new Set(keys).size).toBe(keys.length);
    await fixture.database.pool.query(`delete from record_social_person where body like '%"P8%'`);
    await fixture.database.pool.query(`delete from identifier where value like 'BP8%'`);
  });

  it('count what matches', async () => {
    for (const pagination of [
      { page_size: 5 },
      { page_size: 5, page_number: 3 },
      { page_size: 1_000 },
      { page_size: 5, page_number: 1_000 },
    ]) {
      expect(await fixture.search({ ...everybody, pagination })).toMatchObject({ totalCount: persons.length });
    }
    const female = persons.filter(({ sex }) => sex === 'female').length;
    expect(await fixture.search({ ...expression({ sex: 'female' }), sort: [{ attribute_name: 'age' }] })).toMatchObject({
      totalCount: female,
    });
  });

  it('end where too many records match, or lie too deep', async () => {
    const limits = { ...CONTEXT.limits, maxMatches: 50 };
    const tooMany = expect.objectContaining({ code: 'rjct.search.too_many_records_found' }) as Error;
    await expect(fixture.search(everybody, { limits })).rejects.toThrow(tooMany);
    await expect(fixture.search({ ...everybody, sort: [{ attribute_name: 'sex' }] }, { limits })).rejects.toThrow(tooMany);
    expect(() => fixture.plan({ ...everybody, pagination: { page_size: 10, page_number: 6 } }, { limits })).toThrow(tooMany);
    expect(() => fixture.plan({ ...everybody, pagination: { page_size: 10, page_number: Number.MAX_SAFE_INTEGER } })).toThrow(tooMany);
  });

  it('are refused by sizes and numbers that are none', () => {
    for (const pagination of [
      { page_size: 0 },
      { page_size: -1 },
      { page_size: 1.5 },
      { page_size: 1_001 },
      { page_size: 10, page_number: 0 },
      { page_size: 10, page_number: 1.5 },
      { page_size: 10, offset: 3 },
      { page_size: 10, cursor: '' },
    ]) {
      expect(() => fixture.plan({ ...everybody, pagination }), JSON.stringify(pagination)).toThrow(
        expect.objectContaining({ code: 'rjct.pagination.invalid' }) as Error,
      );
    }
  });
});

describe('a cursor', () => {
  const pagination = { page_size: 7 };
  const take = async (changes: Partial<SearchContext> = {}): Promise<string> => {
    const cursor = sealCursor(await fixture.search({ ...everybody, pagination }, changes), { ...CONTEXT, ...changes });
    if (cursor === undefined) throw new Error('there is no next page');
    return cursor;
  };
  const refused = (criteria: object, changes?: Partial<SearchContext>): void => {
    expect(() => fixture.plan(criteria, changes)).toThrow(
      expect.objectContaining({ code: 'rjct.pagination.invalid', pointer: expect.stringMatching(/\/pagination\/cursor$/) }) as Error,
    );
  };

  it('opens for the same partner and search only', async () => {
    const cursor = await take();
    expect(fixture.plan({ ...everybody, pagination: { ...pagination, cursor } }).page.number).toBe(2);
    refused({ ...everybody, pagination: { ...pagination, cursor } }, { partnerId: 'partner-2' });
    refused({ ...everybody, pagination: { ...pagination, cursor } }, { cursorKey: Buffer.alloc(32, 8) });
    refused({ ...everybody, pagination: { page_size: 8, cursor } });
    refused({ ...everybody, response_entity: 'Member', pagination: { ...pagination, cursor } });
    refused({ ...everybody, sort: [{ attribute_name: 'sex' }], pagination: { ...pagination, cursor } });
    refused({ ...expression({ UIN: { $exists: true } }), response_entity: 'SRPerson', pagination: { ...pagination, cursor } });
    const sight = { closed: new Set<string>(), rows: new Map([['person', fixture.plan(expression({ sex: 'female' })).filter]]) };
    refused({ ...everybody, pagination: { ...pagination, cursor } }, { sight });
  });

  it('does not open when a single bit of it was changed, or it was cut or made up', async () => {
    const cursor = await take();
    const bytes = Buffer.from(cursor, 'base64url');
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const changed = Buffer.from(bytes);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      refused({ ...everybody, pagination: { ...pagination, cursor: changed.toString('base64url') } });
    }
    for (const made of ['', 'x', '====', cursor.slice(0, -4), `${cursor}AAAA`, 'A'.repeat(5_000), `${cursor}\n`, '\0']) {
      refused({ ...everybody, pagination: { ...pagination, cursor: made } });
    }
  });

  it('lets nothing be read in it, and is another each time', async () => {
    const [first, second] = [await take(), await take()];
    const { next } = await fixture.search({ ...everybody, pagination });
    const text = Buffer.from(first, 'base64url').toString('latin1');
    expect(text).not.toContain(next?.id);
    expect(text).not.toContain('after');
    expect(first).not.toBe(second);
  });
});
