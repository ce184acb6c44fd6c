import { createDciClient } from '@dci/client';
import { parseStatisticsResponse, type Statistics, type StatisticsResponseItem } from '@dci/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expression } from '../search/search-fixture.ts';
import {
  type Answer,
  messageBody,
  post,
  searchBody,
  SERVER_ID,
  startTestApp,
  type TestApp,
  type TestPartner,
} from '../support/test-app.ts';
import { makeCounted, putCounted, untilCounted } from './counted-population.ts';

/** Statistics over HTTP: what is answered, what is refused, what the audit trail says of it. */
type Json = Record<string, unknown>;

let test: TestApp;
let dashboard: TestPartner;

const PERSONS = makeCounted(900);
const EVERYTHING = { query_type: 'idtype-value', query: { type: '*', value: '*' } };
const WITH_SEARCH = { scopes: ['registry/search', 'registry/statistics'] };

beforeAll(async () => {
  test = await startTestApp();
  await putCounted(test.database, PERSONS);
  await untilCounted(test.database, PERSONS);
  dashboard = await test.addPartner('dashboard.test', WITH_SEARCH);
}, 90_000);
afterAll(() => test.close());

function bodyOf(partner: TestPartner, criteria: readonly Json[], header: Json = {}): string {
  const items = criteria.map((one, index) => ({
    reference_id: `r${index}`,
    timestamp: new Date().toISOString(),
    statistics_criteria: { reg_record_type: 'SRPerson', dimensions: [], ...one },
  }));
  return messageBody(partner, { action: 'statistics', total_count: items.length, ...header }, { statistics_request: items });
}

const send = (partner: TestPartner, body: string, path = '/social'): Promise<Answer> =>
  post(`${test.base}${path}/registry/sync/statistics`, partner.token, body);

async function askAll(partner: TestPartner, criteria: readonly Json[], path?: string): Promise<readonly StatisticsResponseItem[]> {
  const { body, text } = await send(partner, bodyOf(partner, criteria), path);
  if (body.message === undefined) throw new Error(text);
  return parseStatisticsResponse(body.message).statistics_response;
}

async function ask(partner: TestPartner, criteria: Json): Promise<StatisticsResponseItem> {
  const [item] = await askAll(partner, [criteria]);
  if (item === undefined) throw new Error('no item');
  return item;
}

function readTotal(statistics: Statistics | undefined): { count: number; accuracy: number } {
  if (statistics === undefined || 'suppressed' in statistics.total) throw new Error('there is no total');
  return statistics.total;
}

async function countBySearch(partner: TestPartner, filter: Json): Promise<number> {
  const body = searchBody(partner, [{ ...expression(filter, 'SRPerson'), pagination: { page_size: 1 } }]);
  const answer = await post(`${test.base}/social/registry/sync/search`, partner.token, body);
  const total = answer.body.message?.search_response?.[0]?.pagination?.total_count;
  if (total === undefined) throw new Error(answer.text);
  return total;
}

async function newestAudit(partner: TestPartner): Promise<Json | undefined> {
  const { rows } = await test.database.pool.query<Json>(
    `select action, outcome, item_count, record_count, records, disclosed, query, purposes from audit where sender_id = $1 order by at desc, seq desc limit 1`,
    [partner.senderId],
  );
  return rows[0];
}

describe('statistics', () => {
  it('agree with searches up to the accuracy that they state, at every path', async () => {
    for (const path of ['', '/social', '/sr']) {
      const [item] = await askAll(dashboard, [{ ...EVERYTHING, dimensions: ['sex'] }], path);
      const { rows = [], total, threshold } = item?.statistics ?? {};
      expect(rows.map(({ values }) => values['sex'])).toEqual(['female', 'male', 'other', null]);
      expect(threshold).toBe(10);
      for (const { values, count, accuracy } of rows) {
        const filter = values['sex'] === null ? { sex: { $exists: false } } : { sex: values['sex'] };
        expect(accuracy).toBe(3);
        expect(Math.abs(count - (await countBySearch(dashboard, filter)))).toBeLessThanOrEqual(accuracy);
      }
      expect(total).toMatchObject({ accuracy: 3 });
    }
  });

  it('are narrowed by queries as searches are', async () => {
    for (const filter of [{ sex: 'female' }, { age: { $gte: 60 } }, { $not: { marital_status: { $in: ['S', 'M'] } } }]) {
      const { statistics } = await ask(dashboard, expression(filter, 'SRPerson'));
      const { count, accuracy } = readTotal(statistics);
      expect(statistics?.rows).toEqual([]);
      expect(Math.abs(count - (await countBySearch(dashboard, filter)))).toBeLessThanOrEqual(accuracy);
    }
  });

  it('tell districts with the regions they lie in, and neither a small one nor whether there is one', async () => {
    const { statistics } = await ask(dashboard, { ...EVERYTHING, dimensions: ['district'] });
    expect(statistics?.dimensions).toEqual(['region', 'district']);
    const districts = statistics?.rows.map(({ values }) => values['district']);
    expect(districts).toContain('R1-D1');
    const small = PERSONS.filter(({ district }) => district === 'R1-D8').length;
    expect(small).toBeGreaterThan(0);
    expect(small).toBeLessThan(10);
    expect(districts).not.toContain('R1-D8');
    const ofSmall = await ask(dashboard, expression({ district: 'R1-D8' }, 'SRPerson'));
    const ofNone = await ask(dashboard, expression({ district: 'R9-D9' }, 'SRPerson'));
    expect(ofSmall.statistics?.total).toEqual({ suppressed: true });
    expect({ ...ofSmall.statistics, as_of: '' }).toEqual({ ...ofNone.statistics, as_of: '' });
  });

  it('count what the partner may see, and nothing else', async () => {
    const rows = { person: { sex: 'female' }, group: 'all' as const };
    const women = await test.addPartner('women.test', { ...WITH_SEARCH, registryTerms: { social: { rows } } });
    const { statistics } = await ask(women, { ...EVERYTHING, dimensions: ['sex'] });
    expect(statistics?.rows.map(({ values }) => values)).toEqual([{ sex: 'female' }]);
    const consenting = await test.addPartner('consent.test', { ...WITH_SEARCH, legalBasis: 'consent: of the person' });
    expect((await ask(consenting, { ...EVERYTHING, dimensions: ['sex'] })).statistics).toMatchObject({
      rows: [],
      total: { suppressed: true },
    });
  });

  it('follow the threshold of the agreement, which is never below five', async () => {
    const strict = await test.addPartner('strict.test', { ...WITH_SEARCH, limits: { statisticsThreshold: 300 } });
    const { statistics } = await ask(strict, { ...EVERYTHING, dimensions: ['sex'] });
    expect(statistics).toMatchObject({ threshold: 300 });
    expect(statistics?.rows.every(({ count }) => count >= 300)).toBe(true);
    await expect(test.addPartner('lax.test', { limits: { statisticsThreshold: 4 } })).rejects.toThrow(/at least 5/);
  });

  it('are audited with what was asked and how many numbers were told, and no record', async () => {
    await ask(dashboard, { ...expression({ sex: 'female' }, 'SRPerson'), dimensions: ['region'] });
    expect(await newestAudit(dashboard)).toMatchObject({
      action: 'statistics',
      outcome: 'answered',
      item_count: 1,
      record_count: 0,
      records: [],
      disclosed: [],
      query: [
        {
          registry: 'social',
          entity: 'SRPerson',
          filter: { sex: { eq: 'female' } },
          dimensions: ['region'],
          rows: 2,
          total: 1,
          threshold: 10,
        },
      ],
    });
  });
});

describe('a request for statistics is refused', () => {
  it('without its scope', async () => {
    const partner = await test.addPartner('search-only.test');
    const { status, text } = await send(partner, bodyOf(partner, [EVERYTHING]));
    expect(status).toBe(403);
    expect(text).not.toMatch(/rows|total":\{/);
    expect(await newestAudit(partner)).toMatchObject({ outcome: 'err.request.forbidden', query: null, record_count: 0, disclosed: [] });
  });

  it('where it is forged, and where its header does not fit', async () => {
    const signed = JSON.parse(bodyOf(dashboard, [EVERYTHING])) as Json;
    const forged = JSON.stringify({ ...signed, message: { ...(signed['message'] as Json), transaction_id: 'another' } });
    const answer = await send(dashboard, forged);
    expect(answer).toMatchObject({ status: 401, body: { message: { error: { code: 'err.signature.invalid' } } } });
    expect(answer.text).not.toContain('statistics_response');
    for (const [header, code] of [
      [{ action: 'search' }, 'rjct.action.invalid'],
      [{ total_count: 2 }, 'rjct.total_count.invalid'],
    ] as const) {
      const { body } = await send(dashboard, bodyOf(dashboard, [EVERYTHING], header));
      expect(body.header).toMatchObject({ action: 'on-statistics', status: 'rjct', status_reason_code: code });
      expect(body.message).toBeUndefined();
      expect(await newestAudit(dashboard)).toMatchObject({ action: 'statistics', outcome: code, record_count: 0 });
    }
  });

  it('when it is sent again', async () => {
    const body = bodyOf(dashboard, [EVERYTHING]);
    expect((await send(dashboard, body)).body.header?.status).toBe('succ');
    const again = await send(dashboard, body);
    expect(again.body).toMatchObject({ header: { status: 'rjct', status_reason_code: 'rjct.message_id.duplicate' } });
    expect(again.body.message).toBeUndefined();
  });

  it('where it has members that nobody understands, or too many dimensions', async () => {
    for (const more of [{ having: 1 }, { sort: [] }, { dimensions: ['sex', 'region', 'age_band', 'district'] }, { query: undefined }]) {
      const answer = await send(dashboard, bodyOf(dashboard, [{ ...EVERYTHING, ...more }]));
      expect(answer.status).toBe(400);
      expect(answer.body.errors?.[0]?.code).toBe('err.request.bad');
      expect(answer.text).not.toContain('statistics_response');
    }
  });

  it('item by item, the others being answered', async () => {
    const items = await askAll(dashboard, [
      { ...EVERYTHING, dimensions: ['given_name'] },
      { query_type: 'idtype-value', query: { type: 'UIN', value: PERSONS[0]?.uin } },
      { ...EVERYTHING, reg_type: 'unknown' },
      { ...EVERYTHING },
    ]);
    expect(items.map(({ status_reason_code: code }) => code)).toEqual([
      'rjct.filter.invalid',
      'rjct.filter.invalid',
      'rjct.search_criteria.invalid',
      undefined,
    ]);
    expect(items.slice(0, 3).every((item) => item.statistics === undefined)).toBe(true);
    expect(items[3]?.status).toBe('succ');
  });

  it('where the agreement does not give the dimension, its condition, or the type of record', async () => {
    const minimal = await test.addPartner('minimal.test', { ...WITH_SEARCH, fields: 'minimal' });
    for (const criteria of [
      { ...EVERYTHING, dimensions: ['sex'] },
      { ...EVERYTHING, dimensions: ['age_band'] },
      { ...EVERYTHING, dimensions: ['district'] },
      expression({ sex: 'female' }, 'SRPerson'),
    ]) {
      const item = await ask(minimal, criteria);
      expect(item).toMatchObject({ status: 'rjct', status_reason_code: 'rjct.filter.invalid' });
      expect(item.statistics).toBeUndefined();
    }
    // A month of registration is administrative: that it may have.
    expect((await ask(minimal, { ...EVERYTHING, dimensions: ['registration_month'] })).status).toBe('succ');
    const groups = await test.addPartner('groups.test', { ...WITH_SEARCH, registryTerms: { social: { recordTypes: ['group'] } } });
    expect(await ask(groups, EVERYTHING)).toMatchObject({ status: 'rjct', status_reason_code: 'rjct.search_criteria.invalid' });
    const researcher = await test.addPartner('research.test', { ...WITH_SEARCH, fields: 'research' });
    expect(await ask(researcher, { ...EVERYTHING, dimensions: ['age_band'] })).toMatchObject({ status_reason_code: 'rjct.filter.invalid' });
    expect((await ask(researcher, { ...EVERYTHING, dimensions: ['district', 'sex'] })).status).toBe('succ');
  });

  it('from a partner without a ground', async () => {
    const partner = await test.addPartner('groundless.test', { ...WITH_SEARCH, legalBasis: undefined, fields: undefined });
    const answer = await send(partner, bodyOf(partner, [EVERYTHING]));
    expect(answer.status).toBe(403);
    expect(answer.text).not.toContain('statistics_response');
  });
});

describe('the client', () => {
  it('asks for statistics, and takes an answer that is signed by the server', async () => {
    const client = createDciClient({
      baseUrl: test.base,
      senderId: dashboard.senderId,
      receiverId: SERVER_ID,
      credentials: { clientId: dashboard.clientId, clientSecret: dashboard.clientSecret },
      signingKey: dashboard.key,
    });
    const everything = { query_type: 'idtype-value', query: { type: '*', value: '*' }, reg_record_type: 'SRPerson' } as const;
    const { items, signedBy, header } = await client.statistics([
      { ...everything, dimensions: ['region'] },
      { ...everything, dimensions: ['given_name'] },
    ]);
    expect(header).toMatchObject({ action: 'on-statistics', status: 'succ' });
    expect(signedBy).toBeDefined();
    expect(items.map(({ status }) => status)).toEqual(['succ', 'rjct']);
    expect(items[0]?.statistics?.rows.map(({ values }) => values)).toEqual([{ region: 'R1' }, { region: 'R2' }]);
    await expect(client.statistics({ ...everything, dimensions: ['given_name'] })).rejects.toMatchObject({ code: 'rjct.filter.invalid' });
  });
});
