import { parseStatisticsResponse, type StatisticsResponseItem } from '@dci/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ACCURACY } from '../../src/disclosure/tell-cells.ts';
import { socialProfile } from '../../src/profiles/social.ts';
import { parseGivenConsent } from '../../src/services/consent-request.ts';
import { giveConsent } from '../../src/services/consents.ts';
import type { TermChanges } from '../../src/services/partner-terms.ts';
import {
  addResearcher,
  askExport,
  EVERYTHING,
  type Json,
  openExtractWorld,
  openExtract,
  type Researcher,
} from '../extracts/extract-fixture.ts';
import { type CountedPerson, makeCounted, VALUE_OF } from '../statistics/counted-population.ts';
import { messageBody, post, searchBody } from '../support/test-app.ts';
import { KINDS } from './matrix-table.ts';

/**
 * Kinds of partners × what is counted, by three ways out: rows of an extract, cells of statistics, and records that searches
 * find. The kinds are those of the matrix of searches; of the registry there is more, so that classes are large enough.
 */
const PERSONS = makeCounted(500, 11);
const CONSENTING = PERSONS.filter((_, index) => index % 3 === 0);
/** Those of whom a kind sees all that it sees. */
const SEEN: Readonly<Record<string, (person: CountedPerson) => boolean>> = {
  'one district': ({ district }) => district === 'R1-D1',
  consent: (person) => CONSENTING.includes(person),
};
const TERMS: Readonly<Record<string, TermChanges>> = {
  'one district': { registryTerms: { social: { rows: { person: { district: 'R1-D1' }, group: 'all' } } } },
};
/** What each kind is told by; nothing for those who may know that somebody is registered, and no more. */
const TELLS: Readonly<Record<string, readonly string[]>> = {
  minimal: ['registration_year'],
  research: ['sex', 'district', 'marital_status', 'registration_year'],
  eligibility: ['sex', 'district', 'marital_status', 'registration_year'],
  existence: [],
  'a rule of its own': ['sex', 'registration_year'],
  consent: ['sex', 'district', 'registration_year'],
};
const ALL = ['sex', 'district', 'marital_status', 'is_disabled', 'registration_year'];

const where = (attribute: string, value: unknown): Json => ({
  query_type: 'expression',
  query: { type: 'ns:org:QueryType:NoSql', value: { expression: { query: { [attribute]: value } } } },
});
const QUESTIONS: Readonly<
  Record<string, { readonly criteria: Json; readonly by: readonly string[]; readonly holds: (person: CountedPerson) => boolean }>
> = {
  'by sex': { criteria: { dimensions: ['sex'], ...EVERYTHING }, by: ['sex'], holds: () => true },
  'by district and sex': {
    criteria: { dimensions: ['district', 'sex'], ...EVERYTHING },
    by: ['region', 'district', 'sex'],
    holds: () => true,
  },
  'by year of registration': {
    criteria: { dimensions: ['registration_year'], ...EVERYTHING },
    by: ['registration_year'],
    holds: () => true,
  },
  'of disabled persons, by district': {
    criteria: { dimensions: ['district'], ...where('is_disabled', false) },
    by: ['region', 'district', 'is_disabled'],
    holds: ({ disabled }) => disabled === false,
  },
  'of women, by marital status': {
    criteria: { dimensions: ['marital_status'], ...where('sex', 'female') },
    by: ['sex', 'marital_status'],
    holds: ({ sex }) => sex === 'female',
  },
};

let world: Awaited<ReturnType<typeof openExtractWorld>>;
const partners = new Map<string, Researcher>();

beforeAll(async () => {
  world = await openExtractWorld(PERSONS);
  for (const [kind, { terms }] of Object.entries(KINDS))
    partners.set(kind, await addResearcher(world, `${kind.replaceAll(' ', '-')}.test`, { fields: 'full', ...terms, ...TERMS[kind] }));
  for (const { uin } of CONSENTING) {
    const subject = { identifier_type: 'UIN', identifier_value: uin };
    const covers = ['sex', 'district', 'region', 'registration_date'];
    const given = parseGivenConsent({ subject, recipient: { partner: 'consent.test' }, purposes: ['care'], covers });
    await giveConsent(world.test.database.db, socialProfile, given, 'operator', Date.now());
  }
}, 180_000);
afterAll(() => world.close());

async function askStatistics(partner: Researcher, criteria: Json): Promise<StatisticsResponseItem> {
  const item = {
    reference_id: '1',
    timestamp: new Date().toISOString(),
    statistics_criteria: { reg_record_type: 'SRPerson', ...criteria },
  };
  const body = messageBody(partner, { action: 'statistics', total_count: 1 }, { statistics_request: [item] });
  const answer = await post(`${world.test.base}/social/registry/sync/statistics`, partner.token, body);
  const [told] = parseStatisticsResponse(answer.body.message).statistics_response;
  if (told === undefined) throw new Error(answer.text);
  return told;
}

async function countFound(partner: Researcher, conditions: readonly (readonly [string, string | null])[]): Promise<number> {
  const terms = conditions.map(([name, value]): Json => {
    if (name !== 'registration_year') return { [name]: value ?? { $exists: false } };
    if (value === null) return { registration_date: { $exists: false } };
    return { registration_date: { $gte: `${value}-01-01`, $lt: `${Number(value) + 1}-01-01` } };
  });
  const query = { expression: { query: { $and: terms } } };
  const criteria = {
    query_type: 'expression',
    query: { type: 'ns:org:QueryType:NoSql', value: query },
    response_entity: 'SRPerson',
    pagination: { page_size: 1 },
  };
  const answer = await post(`${world.test.base}/social/registry/sync/search`, partner.token, searchBody(partner, [criteria]));
  const total = answer.body.message?.search_response?.[0]?.pagination?.total_count;
  if (total === undefined) throw new Error(answer.text);
  return total;
}

describe.each(Object.keys(KINDS))('a partner under %s', (kind) => {
  it.each(Object.entries(QUESTIONS))('asking for an extract %s', async (_question, { criteria, by, holds }) => {
    const partner = partners.get(kind);
    if (partner === undefined) throw new Error('no such partner');
    const [item, { statistics, status_reason_code: code }] = [
      await askExport(world, partner, criteria),
      await askStatistics(partner, criteria),
    ];
    const isOpen = by.every((name) => name === 'region' || (TELLS[kind] ?? ALL).includes(name));
    // A consent narrows what is counted, not what may be asked.
    if (!isOpen && kind !== 'consent') {
      expect(item).toMatchObject({ status: 'rjct', status_reason_code: code });
      expect(code).toMatch(/^rjct\.filter\.invalid$/);
      return;
    }
    if (item.extract === undefined) throw new Error(JSON.stringify(item));
    const { rows, manifest } = await openExtract(world, partner, item.extract);
    const columns = manifest.columns.map(({ name }) => name);
    const told = Map.groupBy(rows, (row) => JSON.stringify(columns.map((name) => row[name])));
    expect(new Map([...told].map(([cell, { length }]) => [cell, length]))).toEqual(
      new Map(
        statistics?.rows.map(({ values, count, accuracy }) => [JSON.stringify(columns.map((name) => values[name])), count - accuracy]),
      ),
    );
    const isSeen = SEEN[kind] ?? (() => true);
    const whole = Map.groupBy(
      PERSONS.filter((person) => isSeen(person) && holds(person)),
      (person) =>
        JSON.stringify(
          columns.map((name) =>
            kind === 'consent' && !(TELLS[kind] ?? []).includes(name) && name !== 'region' ? null : (VALUE_OF[name]?.(person) ?? null),
          ),
        ),
    );
    for (const [cell, { length }] of told) {
      const all = whole.get(cell)?.length ?? 0;
      expect(all - length, cell).toBeGreaterThanOrEqual(0);
      expect(all - length, cell).toBeLessThanOrEqual(2 * ACCURACY);
    }
    const [largest] = [...told].toSorted(([, one], [, other]) => other.length - one.length);
    if (largest === undefined || holds !== QUESTIONS['by sex']?.holds) return;
    const values = JSON.parse(largest[0]) as (string | null)[];
    const conditions = columns.map((name, place) => [name, values[place] ?? null] as const);
    expect(await countFound(partner, conditions)).toBe(whole.get(largest[0])?.length);
  });

  it('is given pseudonyms where it is given identifiers, and nobody sees more than he may', async () => {
    const partner = partners.get(kind);
    if (partner === undefined) throw new Error('no such partner');
    if (kind === 'existence') return;
    const { extract } = await askExport(world, partner, { dimensions: ['registration_year'] });
    if (extract === undefined) throw new Error('no extract');
    const { rows, manifest } = await openExtract(world, partner, extract);
    expect(rows.length).toBeGreaterThan(20);
    expect(manifest.pseudonym !== undefined).toBe(!['a rule of its own', 'consent'].includes(kind));
    const seen = PERSONS.filter(SEEN[kind] ?? (() => true)).length;
    expect(rows.length).toBeLessThanOrEqual(seen);
    const { rows: recorded } = await world.test.database.pool.query<{ uin: string }>(
      `select identifier.value as uin from audit, unnest(records) as id join identifier on identifier.record_id = id
       where sender_id = $1 and query -> 0 ->> 'extract' = $2`,
      [partner.senderId, extract.extract_id],
    );
    expect(recorded).toHaveLength(rows.length);
    const visible = new Set(PERSONS.filter(SEEN[kind] ?? (() => true)).map(({ uin }) => uin));
    expect(recorded.every(({ uin }) => visible.has(uin))).toBe(true);
  });
});
