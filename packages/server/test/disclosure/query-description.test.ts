import { describe, expect, it } from 'vitest';
import { createQueryDescriber } from '../../src/disclosure/query-description.ts';
import { findAttribute, getRecordType } from '../../src/profiles/index.ts';
import type { Operator } from '../../src/profiles/profile.ts';
import { socialProfile } from '../../src/profiles/social.ts';
import type { Filter, Scalar } from '../../src/registry/plan.ts';

const describeQuery = createQueryDescriber(Buffer.alloc(32, 7));
const recordType = getRecordType(socialProfile, 'person');
const entity = { name: 'Member', synonyms: [] };

function compare(name: string, operator: Operator, value: Scalar | readonly Scalar[]): Filter {
  const attribute = findAttribute(recordType, name);
  if (attribute === undefined) throw new Error(`no attribute ${name}`);
  return { kind: 'compare', recordType, attribute, operator, value, pointer: '' };
}

function identifier(count: number): Filter {
  const values = Array.from({ length: count }, (_, index) => `9${index}`);
  return { kind: 'identifier', recordType, type: 'UIN', operator: 'in', values, pointer: '' };
}

function described(filter: Filter): unknown {
  const plan = { profile: socialProfile, recordType, entity, filter, sort: [], page: { size: 20, number: 1 }, maxMatches: 10 };
  return (describeQuery(plan) as { filter: unknown }).filter;
}

const HASH = expect.stringMatching(/^[\w-]{22}$/) as string;

describe('the description of a query', () => {
  it('hashes a day that is asked for exactly, and tells the year of a bound', () => {
    expect(described(compare('birth_date', 'eq', '1985-05-20'))).toEqual({ birth_date: { eq: HASH } });
    expect(described(compare('birth_date', 'in', ['1985-05-20', '1985-05-21']))).toEqual({ birth_date: { in: [HASH, HASH] } });
    expect(described({ kind: 'not', term: compare('death_date', 'eq', '2020-01-01') })).toEqual({ not: { death_date: { eq: HASH } } });
    expect(described(compare('birth_date', 'lt', '1985-05-20'))).toEqual({ birth_date: { lt: '1985' } });
    expect(described(compare('sex', 'eq', 'female'))).toEqual({ sex: { eq: 'female' } });
  });

  it('tells fifty values and counts more', () => {
    expect(described(identifier(50))).toEqual({ UIN: { in: Array.from({ length: 50 }, () => HASH) } });
    expect(described(identifier(1_000))).toEqual({ fields: ['UIN'], terms: 1, values: 1_000 });
  });

  it('counts the terms of a nested filter together', () => {
    const names = Array.from({ length: 30 }, (_, index) => compare('surname', 'eq', `n${index}`));
    const filter: Filter = {
      kind: 'and',
      terms: [
        { kind: 'or', terms: names },
        { kind: 'not', term: { kind: 'or', terms: names } },
      ],
    };
    expect(described(filter)).toEqual({ fields: ['surname'], terms: 60, values: 60 });
    const bulk: Filter = { kind: 'and', terms: Array.from({ length: 40 }, () => identifier(1_000)) };
    expect(JSON.stringify(described(bulk)).length).toBeLessThan(100);
  });
});
