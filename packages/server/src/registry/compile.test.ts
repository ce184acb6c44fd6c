import type { SearchCriteria } from '@dci/protocol';
import { describe, expect, it } from 'vitest';
import { socialProfile } from '../profiles/social.ts';
import { type CompiledSearch, compilePage, compileSearch } from './compile.ts';
import type { SearchPlan } from './plan.ts';
import { planSearch } from './search.ts';
import type { SearchContext } from './search-context.ts';

const CONTEXT: SearchContext = {
  profile: socialProfile,
  partnerId: 'partner-1',
  useOf: () => 'open',
  limits: { defaultPageSize: 20, maxPageSize: 100, maxMatches: 1_000, maxTerms: 20, maxDepth: 10, maxListValues: 10 },
  cursorKey: Buffer.alloc(32),
  today: '2025-02-28',
  pointer: '',
};

const plan = (criteria: object): SearchPlan => planSearch(criteria as SearchCriteria, CONTEXT);
const compile = (criteria: object): CompiledSearch => compileSearch(plan(criteria));

const expression = (query: object): object => ({ query_type: 'expression', query: { value: { expression: { query } } } });

/** The condition and its parameters, out of the statement that counts. */
function condition(query: object, response_entity = 'SRPerson'): { where: string; values: readonly unknown[] } {
  const { sql, parameters } = compile({ ...expression(query), response_entity }).count;
  const where = /^select count\(\*\) from \(select 1 from \S+ r where (.*) limit \$\d+::bigint\) c$/.exec(sql)?.[1];
  expect(parameters.at(-1)).toBe(1_001);
  return { where: where ?? sql, values: parameters.slice(0, -1) };
}

describe('a condition', () => {
  it('compares a column with a parameter of its type', () => {
    expect(condition({ sex: 'F' })).toEqual({ where: 'r."a_sex" = $1::text', values: ['female'] });
    expect(condition({ is_disabled: { $eq: '1' } })).toEqual({ where: 'r."a_is_disabled" = $1::boolean', values: [true] });
    expect(condition({ birth_date: { $lt: '2000-02-29' } })).toEqual({ where: 'r."a_birth_date" < $1::date', values: ['2000-02-29'] });
    expect(condition({ sex: { $in: ['m', 'F', 'male'] } })).toEqual({ where: 'r."a_sex" = any($1::text[])', values: [['male', 'female']] });
    expect(condition({ group_size: { $gte: '4' } }, 'Group')).toEqual({ where: 'r."a_group_size" >= $1::bigint', values: [4] });
    expect(condition({ poverty_score: { $lte: 2.5 } }, 'Group')).toEqual({
      where: 'r."a_poverty_score" <= $1::double precision',
      values: [2.5],
    });
    expect(condition({ sex: { $exists: true } })).toEqual({ where: 'r."a_sex" is not null', values: [] });
  });

  it('is a range of births for an age, of days for a year, of texts for a beginning', () => {
    expect(condition({ age: { $lt: 25 } })).toEqual({ where: 'r."a_birth_date" > $1::date', values: ['2000-02-28'] });
    expect(condition({ age: 25 })).toEqual({
      where: '(r."a_birth_date" <= $1::date and r."a_birth_date" > $2::date)',
      values: ['2000-02-28', '1999-02-28'],
    });
    expect(condition({ birth_date: '1985' })).toEqual({
      where: '(r."a_birth_date" >= $1::date and r."a_birth_date" < $2::date)',
      values: ['1985-01-01', '1986-01-01'],
    });
    expect(condition({ registration_date: { $gt: '2024-01-15' } })).toEqual({
      where: 'r."a_registration_date" >= $1::timestamp with time zone',
      values: ['2024-01-16T00:00:00Z'],
    });
    const beginning = 'r."a_given_name" >= $1::text and r."a_given_name" < $2::text';
    expect(condition({ given_name: { $regex: '^An%\\.' } })).toEqual({ where: `(${beginning})`, values: ['An%.', 'An%/'] });
    expect(condition({ given_name: { $regex: '^a\ud7ff' } }).values).toEqual(['a\ud7ff', 'a\ue000']);
    expect(condition({ given_name: { $regex: '^a\u{10ffff}\u{10ffff}' } }).values).toEqual(['a\u{10ffff}\u{10ffff}', 'b']);
    expect(condition({ given_name: { $regex: '^\u{10ffff}' } })).toEqual({ where: 'r."a_given_name" >= $1::text', values: ['\u{10ffff}'] });
  });

  it('takes what is missing for false before it is negated', () => {
    expect(condition({ sex: { $ne: 'male' } })).toEqual({ where: '(r."a_sex" = $1::text) is not true', values: ['male'] });
    expect(condition({ $nor: [{ sex: 'male' }, { age: { $gt: 4 } }] })).toEqual({
      where: '((r."a_sex" = $1::text or r."a_birth_date" <= $2::date)) is not true',
      values: ['male', '2020-02-28'],
    });
  });

  it('probes an identifier once', () => {
    expect(condition({ UIN: 'U1', sex: 'male' })).toEqual({
      where:
        `(r.id = any(array(select i.record_id from identifier i where i.registry = 'social' and i.type = $1::text and i.valid_to is null` +
        ` and i.value = $2::text and i.record_type = 'person')) and r."a_sex" = $3::text)`,
      values: ['UIN', 'U1', 'male'],
    });
  });

  it('is about one and the same member where conditions are joined, and about none where they are negated', () => {
    expect(condition({ sex: 'female', group_size: 4, marital_status: 'W' }, 'Group')).toEqual({
      where:
        '(exists (select 1 from membership m join "record_social_person" o on o.id = m.member_id where m.group_id = r.id' +
        ' and (o."a_sex" = $1::text and o."a_marital_status" = $2::text)) and r."a_group_size" = $3::bigint)',
      values: ['female', 'W', 4],
    });
    expect(condition({ $not: { poverty_score: { $lt: 5 } } }, 'Member')).toEqual({
      where:
        'not exists (select 1 from membership m join "record_social_group" o on o.id = m.group_id where m.member_id = r.id' +
        ' and o."a_poverty_score" < $1::double precision)',
      values: [5],
    });
  });
});

describe('a page', () => {
  it('of an identifier is one fixed statement', () => {
    const person = { query_type: 'idtype-value', query: { type: 'urn:gov:national-id', value: 'U1' } };
    expect(compile({ ...person, sort: [{ attribute_name: 'UIN' }] }).page).toEqual({
      name: 'look_up_social_person',
      sql:
        `select r.id, r.version, r.body from identifier i join "record_social_person" r on r.id = i.record_id where i.registry = 'social'` +
        ` and i.record_type = 'person' and i.valid_to is null and i.type = $1 and i.value = $2 limit $3`,
      parameters: ['UIN', 'U1', 21],
    });
    expect(
      compile({ query_type: 'idtype-value', query: { type: 'MRN', value: 'M1' }, sort: [{ attribute_name: 'sex' }] }).page.name,
    ).toBeUndefined();
  });

  it('is ordered by its keys and then the id, which go the same way', () => {
    const { page } = compile({
      ...expression({ sex: 'male' }),
      sort: [{ attribute_name: 'age' }],
      pagination: { page_size: 10, page_number: 3 },
    });
    expect(page.sql).toBe(
      'select id, version, body, s1::text from (select r.id, r.version, r.body, r."a_birth_date" as s1 from "record_social_person" r' +
        ' where r."a_sex" = $1::text order by s1 desc, id desc limit $2::bigint offset $3::bigint) p order by p.s1 desc, p.id desc limit $2::bigint',
    );
    expect(page.parameters).toEqual(['male', 11, 20]);
  });

  it('after a position is read as ranges that do not overlap', () => {
    const ranges = (direction: 'asc' | 'desc', value: string | null): string[] => {
      const criteria = { ...expression({ sex: 'male' }), sort: [{ attribute_name: 'surname', sort_order: direction }] };
      const { sql } = compilePage({ ...plan(criteria), page: { size: 20, number: 2, after: { values: [value], id: 'x' } } });
      return [...sql.matchAll(/\$1::text and (.*?) order by/g)].map(([, range]) => (range ?? '').replaceAll(/\$\d+::\w+/g, '?'));
    };
    expect(ranges('asc', 'Abe')).toEqual(['r."a_surname" = ? and r.id > ?', 'r."a_surname" > ?', 'r."a_surname" is null']);
    expect(ranges('asc', null)).toEqual(['r."a_surname" is null and r.id > ?']);
    expect(ranges('desc', 'Abe')).toEqual(['r."a_surname" = ? and r.id < ?', 'r."a_surname" < ?']);
    expect(ranges('desc', null)).toEqual(['r."a_surname" is null and r.id < ?', 'r."a_surname" is not null']);
  });
});

it('refuses to compile a filter that says nothing', () => {
  const look = plan({ query_type: 'idtype-value', query: { type: 'UIN', value: 'U1' } });
  for (const kind of ['and', 'or'] as const)
    expect(() => compileSearch({ ...look, filter: { kind, terms: [] } })).toThrow('empty condition');
});
