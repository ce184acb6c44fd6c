import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { disclose } from '../../src/disclosure/disclose.ts';
import { findFieldRule } from '../../src/disclosure/field-rules.ts';
import type { Grant } from '../../src/disclosure/grant.ts';
import { createPseudonyms } from '../../src/disclosure/pseudonyms.ts';
import type { Sight } from '../../src/registry/sight.ts';
import { conditions, ofHousehold, ofPerson } from '../search/condition-arbitrary.ts';
import { type Condition, holdsForHousehold, holdsForPerson, toQuery } from '../search/evaluator.ts';
import { expression, openSearchFixture, type SearchFixture } from '../search/search-fixture.ts';
import { createRandom, type Household, makePopulation, type Person, type Population } from '../search/social-population.ts';

/**
 * The one sentence about consent: a search answers as if the registry held nothing but what the partner may see. Said
 * naively: take out of the population whoever has not consented, and of the others every field that is not covered; what
 * a query finds there, counts there, and in what order, is what the partner is answered.
 */
const RECIPIENT = 'partner:p1';
const CONSENT = { recipients: [RECIPIENT, 'class:health'], purposes: ['care'] };
const whole = makePopulation(50, 40);
let fixture: SearchFixture;
let consents: ReadonlyMap<string, ReadonlySet<string>>;

const MARKS: readonly (readonly string[])[] = [
  ['*'],
  ['identifier'],
  ['name', 'identifier'],
  ['demographic'],
  ['special', '#UIN'],
  ['.demographic_info.sex'],
  ['.demographic_info.name', '.marital_status'],
  ['financial', '#HHID'],
  ['administrative', 'financial'],
  ['.poverty_score', 'identifier'],
  ['contact'],
];

/** Ways in which a consent may be there and not count. */
const VOID: readonly Record<string, unknown>[] = [
  { withdrawn_at: new Date(0) },
  { valid_until: new Date(1_000) },
  { valid_from: new Date(Date.now() + 86_400_000) },
  { recipient: 'partner:p2' },
  { recipient: 'class:research' },
  { purposes: ['billing'] },
];

beforeAll(async () => {
  fixture = await openSearchFixture(whole);
  consents = await giveConsents(createRandom(7));
}, 60_000);
afterAll(() => fixture.close());

/** Writes consents for some records and void ones for others; returns what is covered of each. */
async function giveConsents(random: () => number): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const pick = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)] as T;
  const covered = new Map<string, Set<string>>();
  const { pool } = fixture.database;
  for (const [table, column] of [
    ['person', 'a_second_name'],
    ['group', 'a_poverty_score_type'],
  ]) {
    const { rows } = await pool.query<{ id: string; key: string }>(`select id, ${column} as key from record_social_${table} order by 2`);
    for (const { id, key } of rows) {
      for (let count = Math.floor(random() * 3); count > 0; count -= 1) {
        const fields = pick(MARKS);
        const isVoid = random() < 0.3;
        const consent = {
          recipient: pick(CONSENT.recipients),
          purposes: ['other', 'care'],
          valid_from: new Date(0),
          valid_until: 'infinity',
          withdrawn_at: null,
          ...(isVoid ? pick(VOID) : {}),
        };
        await pool.query(
          `insert into consent (id, registry, record_type, record_id, fields, recipient, purposes, valid_from, valid_until, withdrawn_at)
           values ($1, 'social', $2, $3, $4, $5, $6, $7, $8, $9)`,
          [randomUUID(), table, id, fields, ...Object.values(consent)],
        );
        if (!isVoid) covered.set(key, new Set([...(covered.get(key) ?? []), ...fields]));
      }
    }
  }
  return covered;
}

function covers(key: string, ...marks: readonly string[]): boolean {
  return ['*', ...marks].some((mark) => consents.get(key)?.has(mark) === true);
}

function seenPerson(person: Person): Person {
  const { key } = person;
  const only = (mark: boolean, field: Partial<Person>): Partial<Person> => (mark ? field : {});
  return {
    key,
    ...only(covers(key, 'identifier', '#UIN'), { uin: person.uin }),
    ...only(covers(key, 'name', '.demographic_info.name'), { givenName: person.givenName }),
    ...only(covers(key, 'demographic', '.demographic_info.sex'), { sex: person.sex }),
    ...only(covers(key, 'demographic'), { birthDate: person.birthDate }),
    ...only(covers(key, 'demographic', '.marital_status'), { maritalStatus: person.maritalStatus }),
    ...only(covers(key, 'special'), { isDisabled: person.isDisabled }),
  } as Person;
}

/** What is left of the population for a partner who needs consent, within a scope. */
function seen(scope: Condition | undefined): Population {
  const persons = new Map<Person, Person>();
  for (const person of whole.persons)
    if (consents.has(person.key) && (scope === undefined || holdsForPerson(scope, person, whole))) persons.set(person, seenPerson(person));
  const households = whole.households.flatMap((household): Household[] => {
    const { key } = household;
    if (!consents.has(key)) return [];
    const members = household.members.flatMap((member) => persons.get(member) ?? []);
    const left = {
      key,
      members,
      ...(covers(key, 'identifier', '#HHID') ? { hhid: household.hhid } : {}),
      ...(covers(key, 'financial', '.poverty_score') ? { povertyScore: household.povertyScore } : {}),
      ...(covers(key, 'administrative') ? { size: household.size, kind: household.kind } : {}),
    };
    return [left as Household];
  });
  return { persons: [...persons.values()], households };
}

const sightOf = (scope: Condition | undefined): Sight => ({
  closed: new Set(),
  rows: scope === undefined ? new Map() : new Map([['person', fixture.plan(expression(toQuery(scope))).filter]]),
  consent: CONSENT,
});

const SCOPES: readonly (Condition | undefined)[] = [
  undefined,
  { kind: 'compare', attribute: 'sex', operator: 'ne', value: 'male' },
  { kind: 'compare', attribute: 'group_size', operator: 'ge', value: 3 },
];
const scopes = fc.constantFrom(...SCOPES);
const all = { pagination: { page_size: 1_000 } };
const RUNS = { numRuns: 250 };

describe('a search under consent answers as if there were nothing but what is covered', () => {
  it('about persons and their households', async () => {
    await fc.assert(
      fc.asyncProperty(conditions(fc.oneof(ofPerson, ofHousehold)), scopes, async (condition, scope) => {
        const sight = sightOf(scope);
        const left = seen(scope);
        const criteria = { ...expression(toQuery(condition)), response_entity: 'Member' };
        const expected = left.persons.filter((person) => holdsForPerson(condition, person, left)).map(({ key }) => key);
        expect((await fixture.keys({ ...criteria, ...all }, { sight })).toSorted()).toEqual(expected);
        const page = await fixture.search({ ...criteria, pagination: { page_size: 3 } }, { sight });
        expect(page.totalCount).toBe(expected.length);
      }),
      RUNS,
    );
  });

  it('about households and who lives in them', async () => {
    await fc.assert(
      fc.asyncProperty(conditions(fc.oneof(ofPerson, ofHousehold)), scopes, async (condition, scope) => {
        const left = seen(scope);
        const criteria = { ...expression(toQuery(condition)), response_entity: 'Group', ...all };
        const { records, totalCount } = await fixture.search(criteria, { sight: sightOf(scope) });
        const expected = left.households.filter((household) => holdsForHousehold(condition, household));
        expect(totalCount).toBe(expected.length);
        const byKey = new Map(expected.map((household) => [household.key, household]));
        for (const { body, members } of records) {
          const household = byKey.get(/"poverty_score_type":"(G\d+)"/.exec(body)?.[1] ?? '');
          const found = (members ?? []).map((member) => /"second_name":"(P\d+)"/.exec(member.record.body)?.[1]);
          expect(found).toEqual(household?.members.map(({ key }) => key));
        }
      }),
      RUNS,
    );
  });

  it.each([
    ['birth_date', ({ birthDate }: Person) => birthDate],
    ['given_name', ({ givenName }: Person) => givenName],
    ['UIN', ({ uin }: Person) => uin],
  ] as const)('sorted by %s, what is not covered stands with what is missing, on every page', async (name, valueOf) => {
    for (const order of ['asc', 'desc'] as const) {
      const left = seen(undefined);
      const byKey = new Map(left.persons.map((person) => [person.key, valueOf(person)]));
      const either = {
        ...expression({ $or: [{ BRN: { $exists: true } }, { BRN: { $exists: false } }] }),
        response_entity: 'SRPerson',
        sort: [{ attribute_name: name, sort_order: order }],
      };
      const everyone = await fixture.keys({ ...either, ...all }, { sight: sightOf(undefined) });
      expect(everyone.toSorted()).toEqual(left.persons.map(({ key }) => key));
      const values = everyone.map((key) => byKey.get(key));
      // Above every value: what is missing comes last in an ascending order.
      const rank = (value: string | undefined): string => value ?? '\u{10ffff}\u{10ffff}';
      const ascending = values.map(rank).toSorted();
      expect(values.map(rank)).toEqual(order === 'asc' ? ascending : ascending.toReversed());
      const paged: string[] = [];
      for (let number = 1; paged.length < everyone.length; number += 1) {
        const page = await fixture.keys({ ...either, pagination: { page_size: 7, page_number: number } }, { sight: sightOf(undefined) });
        expect(page.length).toBeGreaterThan(0);
        paged.push(...page);
      }
      expect(paged).toEqual(everyone);
    }
  });

  it('written, each record holds what its consents cover and nothing else', async () => {
    const rule = findFieldRule('full');
    if (rule === undefined) throw new Error('no rule full');
    const grant: Grant = {
      partnerId: 'p1',
      legalBasis: { kind: 'consent', text: 'form' },
      purposes: ['care'],
      rule,
      registryTerms: {},
      recipients: CONSENT.recipients,
    };
    const everyone = {
      ...expression({ $or: [{ UIN: { $exists: true } }, { UIN: { $exists: false } }] }),
      response_entity: 'Member',
      ...all,
    };
    const found = await fixture.search(everyone, { sight: sightOf(undefined) });
    const given = disclose(grant, found, createPseudonyms(Buffer.alloc(32)));
    const byKey = new Map(seen(undefined).persons.map((person) => [person.key, person]));
    expect(given.records.length).toBe(byKey.size);
    for (const [index, { body }] of found.records.entries()) {
      const person = byKey.get(/"second_name":"(P\d+)"/.exec(body)?.[1] ?? '');
      const record = JSON.parse(given.records[index] ?? '') as Record<string, unknown>;
      const info = (record['demographic_info'] ?? {}) as Record<string, unknown>;
      const uins = ((info['identifier'] ?? []) as { identifier_type: string; identifier_value: string }[])
        .filter(({ identifier_type: type }) => type === 'UIN')
        .map(({ identifier_value: value }) => value);
      expect({
        uin: uins[0],
        givenName: (info['name'] as Record<string, unknown> | undefined)?.['given_name'],
        sex: info['sex'],
        birthDate: (info['birth_date'] as string | undefined)?.slice(0, 10),
        maritalStatus: record['marital_status'],
        isDisabled: record['is_disabled'],
      }).toEqual({
        uin: person?.uin,
        givenName: person?.givenName,
        sex: person?.sex,
        birthDate: person?.birthDate,
        maritalStatus: person?.maritalStatus,
        isDisabled: person?.isDisabled,
      });
    }
    expect(given.consentIds.length).toBeGreaterThan(0);
  });
});
