import { randomUUID } from 'node:crypto';
import { importEncryptionKey, publicEncryptionJwk, SEGMENT_BYTES, SEGMENT_TAG_BYTES } from '@dci/protocol';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { BUILT_IN_PROFILES } from '../../src/profiles/index.ts';
import { socialProfile } from '../../src/profiles/social.ts';
import { parseGivenConsent } from '../../src/services/consent-request.ts';
import { giveConsent } from '../../src/services/consents.ts';
import type { TermChanges } from '../../src/services/partner-terms.ts';
import { changePartner } from '../../src/services/register-partner.ts';
import { holdJobs, resumeJobs } from '../../src/store/lanes.ts';
import { expression, identifier } from '../search/search-fixture.ts';
import { makeCounted } from '../statistics/counted-population.ts';
import { signedMessage } from '../support/signed-message.ts';
import { post, type TestPartner } from '../support/test-app.ts';
import { DECRYPTION_KEYS } from '../trust/trust-fixture.ts';
import {
  addResearcher,
  askExport,
  calledBack,
  exportBody,
  fetchBytes,
  getExtract,
  type Json,
  openExtractWorld,
  type Researcher,
  sendExport,
} from './extract-fixture.ts';

/** Who is refused an extract, by which code, and that nothing is left of it. */
let world: Awaited<ReturnType<typeof openExtractWorld>>;
let researcher: Researcher;
const PERSONS = makeCounted(400);

beforeAll(async () => {
  world = await openExtractWorld(PERSONS);
  researcher = await addResearcher(world, 'university.test');
}, 90_000);
afterAll(() => world.close());
beforeEach(async () => {
  await world.test.database.pool.query('delete from extract');
});

async function readState(): Promise<Json | undefined> {
  const { rows } = await world.test.database.pool.query<Json>(
    `select (select count(*) from extract)::integer as extracts, (select count(*) from extract_segment)::integer as segments,
      (select count(*) from job where kind = 'export')::integer as jobs`,
  );
  return rows[0];
}

/** Makes it one of so many segments, of nothing, and returns how many bytes it has then. */
async function lengthenExtract(id: string, segments: number): Promise<number> {
  const length = SEGMENT_BYTES + SEGMENT_TAG_BYTES;
  const { pool } = world.test.database;
  await pool.query('delete from extract_segment where extract_id = $1', [id]);
  await pool.query('insert into extract_segment (extract_id, number, sealed) select $1, n, $3 from generate_series(0, $2 - 1) as n', [
    id,
    segments,
    Buffer.alloc(length),
  ]);
  await pool.query('update extract set segments = $2, bytes = $3 where id = $1', [id, segments, segments * length]);
  return segments * length;
}

/** As many more of the same. */
async function copyExtract(id: string, copies: number): Promise<void> {
  await world.test.database.pool.query(
    `insert into extract (id, transaction_id, partner_id, registry, state, terms, kid, by_consent, made_at, expires_at, expected, bytes, sha256, segments, manifest)
     select gen_random_uuid(), gen_random_uuid(), partner_id, registry, state, terms, kid, by_consent, made_at, expires_at, expected, bytes, sha256, segments, manifest
     from extract, generate_series(1, $2) where id = $1`,
    [id, copies],
  );
}

const NOTHING = { extracts: 0, segments: 0, jobs: 0 };

/** Nothing was taken: no transaction, no job, no row of a record. */
async function expectRefused(partner: TestPartner, send: () => ReturnType<typeof sendExport>, status: number, code: string): Promise<void> {
  const { pool } = world.test.database;
  const count = async (): Promise<unknown> => (await pool.query('select count(*) from dci_transaction')).rows;
  const before = await count();
  const answer = await send();
  expect([answer.status, answer.body.errors?.[0]?.code]).toEqual([status, code]);
  expect(answer.text).not.toMatch(/extract_id|manifest/);
  expect(await count()).toEqual(before);
  expect(await readState()).toEqual(NOTHING);
  const { rows } = await pool.query<Json>('select outcome, records from audit where sender_id = $1 order by at desc, seq desc limit 1', [
    partner.senderId,
  ]);
  expect(rows).toEqual([{ outcome: answer.body.errors?.[0]?.code, records: [] }]);
}

describe('a request for an extract is not taken', () => {
  it('from a partner without a key to encrypt to, which is told what to do', async () => {
    const partner = await world.test.addPartner('keyless.test', { scopes: ['registry/export'], fields: 'research' });
    await expectRefused(
      partner,
      () => sendExport(world, partner, exportBody(partner, { dimensions: ['sex'] })),
      400,
      'err.encryption.invalid',
    );
    const { text } = await sendExport(world, partner, exportBody(partner, { dimensions: ['sex'] }));
    expect(text).toContain('have the operator of this registry register one');
  });

  it('without its scope, and without a ground', async () => {
    const searcher = await addResearcher(world, 'searcher.test', { scopes: ['registry/search', 'registry/statistics'] });
    await expectRefused(
      searcher,
      () => sendExport(world, searcher, exportBody(searcher, { dimensions: ['sex'] })),
      403,
      'err.request.forbidden',
    );
    const groundless = await addResearcher(world, 'groundless.test', { legalBasis: undefined, fields: undefined });
    await expectRefused(
      groundless,
      () => sendExport(world, groundless, exportBody(groundless, { dimensions: ['sex'] })),
      403,
      'err.request.forbidden',
    );
  });

  it('where it is forged, or its header does not fit', async () => {
    const signed = JSON.parse(exportBody(researcher, { dimensions: ['sex'] })) as Json;
    const forged = JSON.stringify({ ...signed, message: { ...(signed['message'] as Json), transaction_id: 'another' } });
    await expectRefused(researcher, () => sendExport(world, researcher, forged), 401, 'err.signature.invalid');
    for (const [header, code] of [
      [{ action: 'search' }, 'rjct.action.invalid'],
      [{ total_count: 2 }, 'rjct.total_count.invalid'],
      [{ receiver_id: 'another' }, 'err.receiver_id.invalid'],
      [{ sender_uri: 'https://elsewhere.example.org/' }, 'err.sender_uri.invalid'],
    ] as const) {
      const body = exportBody(researcher, { dimensions: ['sex'] }, { header });
      const answer = await sendExport(world, researcher, body);
      expect([answer.status, answer.body.errors?.[0]?.code]).toEqual([400, code]);
      expect(await readState()).toEqual(NOTHING);
    }
  });

  it('where it has no dimensions, too many, members that nobody understands, or more than one item', async () => {
    const nine = [
      'region',
      'district',
      'sex',
      'birth_year',
      'marital_status',
      'employment_status',
      'education_level',
      'income_level',
      'registration_year',
    ];
    for (const criteria of [
      {},
      { dimensions: [] },
      { dimensions: nine },
      { dimensions: ['sex'], sort: [] },
      { dimensions: ['sex'], format: 'xlsx' },
      { dimensions: ['sex'], query: undefined },
    ])
      await expectRefused(researcher, () => sendExport(world, researcher, exportBody(researcher, criteria)), 400, 'err.request.bad');
    const { message } = JSON.parse(exportBody(researcher, { dimensions: ['sex'] })) as { message: { export_request: Json[] } };
    const [item] = message.export_request;
    const both = { ...message, export_request: [item, { ...item, reference_id: 'r1' }] };
    const body = signedMessage(researcher, 'export', both, { total_count: 2 });
    await expectRefused(researcher, () => sendExport(world, researcher, body), 400, 'rjct.total_count.limit_exceeded');
  });

  it('while too many are kept for the partner', async () => {
    const partner = await addResearcher(world, 'hoarder.test');
    const { extract } = await getExtract(world, partner, { dimensions: ['sex'] });
    const { pool } = world.test.database;
    await copyExtract(extract.extract_id, 49);
    const answer = await sendExport(world, partner, exportBody(partner, { dimensions: ['sex'] }));
    expect([answer.status, answer.body.errors?.[0]?.code]).toEqual([429, 'err.request.too_many_requests']);
    await pool.query('delete from extract where id <> $1', [extract.extract_id]);
    expect((await askExport(world, partner, { dimensions: ['sex'] })).status).toBe('succ');
  });

  it('but extracts that cannot be fetched any more are not among them', async () => {
    const partner = await addResearcher(world, 'changed.test');
    const { extract } = await getExtract(world, partner, { dimensions: ['sex'] });
    await copyExtract(extract.extract_id, 49);
    const { db } = world.test.database;
    await changePartner(db, BUILT_IN_PROFILES, partner.senderId, { terms: { limits: { statisticsThreshold: 50 } } });
    await vi.waitFor(async () => expect((await askExport(world, partner, { dimensions: ['sex'] })).status).toBe('succ'), {
      timeout: 10_000,
      interval: 50,
    });
  });

  it('at a path of a registry that is not open', async () => {
    const partner = await addResearcher(world, 'elsewhere.test');
    const answer = await post(`${world.test.base}/nowhere/registry/export`, partner.token, exportBody(partner, { dimensions: ['sex'] }));
    expect(answer.status).toBe(404);
    expect(await readState()).toEqual(NOTHING);
  });
});

describe('an item is refused, and nothing made of it,', () => {
  it.each([
    ['by a name that is no dimension', { dimensions: ['given_name'] }, 'rjct.filter.invalid'],
    ['by one dimension twice', { dimensions: ['sex', 'sex'] }, 'rjct.search_criteria.invalid'],
    ['by the band of age, where only years of birth are given', { dimensions: ['age_band'] }, 'rjct.filter.invalid'],
    ['by the month, where only years are given', { dimensions: ['registration_month'] }, 'rjct.filter.invalid'],
    ['by what is not given at all', { dimensions: ['is_disabled'] }, 'rjct.filter.invalid'],
    ['of one person', { dimensions: ['sex'], ...identifier('UIN', PERSONS[0]?.uin ?? '') }, 'rjct.filter.invalid'],
    ['of a name', { dimensions: ['sex'], ...expression({ given_name: 'Ada' }) }, 'rjct.filter.invalid'],
    ['of a day', { dimensions: ['sex'], ...expression({ birth_date: { $gte: '1990-03-01' } }) }, 'rjct.filter.invalid'],
    ['of a month', { dimensions: ['sex'], ...expression({ registration_date: { $lt: '2024-02-01' } }) }, 'rjct.filter.invalid'],
    ['of an age', { dimensions: ['sex'], ...expression({ age: { $gte: 18 } }) }, 'rjct.filter.invalid'],
    ['of a closer place', { dimensions: ['sex'], ...expression({ locality: 'Town' }) }, 'rjct.filter.invalid'],
    ['of another registry', { dimensions: ['sex'], reg_type: 'unknown' }, 'rjct.search_criteria.invalid'],
    [
      'for another purpose than agreed',
      { dimensions: ['sex'], consent: { purpose: { code: 'marketing' } } },
      'rjct.search_criteria.invalid',
    ],
  ])('%s', async (_what, criteria, code) => {
    const item = await askExport(world, researcher, criteria);
    expect(item).toMatchObject({ status: 'rjct', status_reason_code: code });
    expect(item.extract).toBeUndefined();
    expect(await readState()).toMatchObject({ extracts: 0, segments: 0 });
  });

  it('by years, where closer bands are told: their difference would be a band of days', async () => {
    const whole = await addResearcher(world, 'whole.test', { fields: 'full' });
    expect(await askExport(world, whole, { dimensions: ['birth_year'] })).toMatchObject({ status_reason_code: 'rjct.filter.invalid' });
    expect((await getExtract(world, whole, { dimensions: ['age_band'] })).rows.length).toBeGreaterThan(0);
    const monthly = await getExtract(world, whole, { dimensions: ['registration_month'] });
    expect(monthly.manifest.columns.map(({ name }) => name)).toEqual(['registration_year', 'registration_month']);
  });

  it('of records that its agreement does not open', async () => {
    const groups = await addResearcher(world, 'groups.test', { registryTerms: { social: { recordTypes: ['group'] } } });
    expect(await askExport(world, groups, { dimensions: ['sex'] })).toMatchObject({ status_reason_code: 'rjct.search_criteria.invalid' });
    expect(await readState()).toMatchObject({ extracts: 0 });
  });
});

describe('what was made is there for nobody', () => {
  const NOT_FOUND = { code: 'err.request.not_found', message: 'no extract of yours can be fetched here' };

  async function expectGone(url: string, partner: TestPartner): Promise<void> {
    for (const place of [url, `${url}/manifest`]) {
      const response = await fetchBytes(place, partner.token, { range: 'bytes=0-9' });
      const body = (await response.json()) as { errors: unknown };
      expect([response.status, body.errors]).toEqual([404, [NOT_FOUND]]);
    }
  }

  it('else: another partner, an id that is guessed, and one that has expired look alike', async () => {
    const other = await addResearcher(world, 'other.test');
    const { extract } = await getExtract(world, researcher, { dimensions: ['sex'] });
    await expectGone(extract.url, other);
    const base = extract.url.slice(0, extract.url.lastIndexOf('/'));
    for (const id of [randomUUID(), 'x', '%27%20or%201=1', `${extract.extract_id}0`, '..%2f'])
      await expectGone(`${base}/${id}`, researcher);
    await world.test.database.pool.query(`update extract set expires_at = now() where id = $1`, [extract.extract_id]);
    await expectGone(extract.url, researcher);
    const { rows } = await world.test.database.pool.query(
      `select distinct action, outcome, record_count from audit where sender_id = 'other.test' and action like 'export%'`,
    );
    expect(rows).toEqual([{ action: 'export/fetch', outcome: 'err.request.not_found', record_count: 0 }]);
  });

  it('without a token, or with one that does not carry the scope', async () => {
    const { extract } = await getExtract(world, researcher, { dimensions: ['sex'] });
    expect((await fetchBytes(extract.url, undefined)).status).toBe(401);
    const searcher = await addResearcher(world, 'search-only.test', { scopes: ['registry/search'] });
    expect((await fetchBytes(extract.url, searcher.token)).status).toBe(403);
    const posted = await fetch(extract.url, { method: 'POST', headers: { authorization: `Bearer ${researcher.token}` } });
    expect(posted.status).toBe(405);
    const head = await fetch(extract.url, { method: 'HEAD', headers: { authorization: `Bearer ${researcher.token}` } });
    expect(head.status).toBe(405);
  });

  it.each<[string, TermChanges]>([
    ['once the field rule is another', { fields: 'eligibility' }],
    ['once fewer records are open', { registryTerms: { social: { rows: { person: { sex: 'female' }, group: 'all' } } } }],
    ['once more must be told together', { limits: { statisticsThreshold: 50 } }],
    ['once the scope is withdrawn', { scopes: ['registry/search'] }],
    ['once the registry is closed', { registries: [] }],
    ['once the partner is disabled', { active: false }],
  ])('%s', async (what, terms) => {
    const partner = await addResearcher(world, `${what.replaceAll(' ', '-')}.test`);
    const { extract } = await getExtract(world, partner, { dimensions: ['sex'] });
    await changePartner(world.test.database.db, BUILT_IN_PROFILES, partner.senderId, { terms });
    await vi.waitFor(
      async () => {
        for (const place of [extract.url, `${extract.url}/manifest`]) {
          const response = await fetchBytes(place, partner.token);
          await response.arrayBuffer();
          expect([401, 403, 404]).toContain(response.status);
        }
      },
      { timeout: 10_000, interval: 50 },
    );
  });

  it('any further, to who is fetching it when it is closed', async () => {
    const partner = await addResearcher(world, 'fetching.test');
    const { extract } = await getExtract(world, partner, { dimensions: ['sex'] });
    const bytes = await lengthenExtract(extract.extract_id, 32);
    const whole = await fetchBytes(extract.url, partner.token);
    expect((await whole.arrayBuffer()).byteLength).toBe(bytes);

    const closed = await fetchBytes(extract.url, partner.token);
    expect([closed.status, closed.headers.get('content-length')]).toEqual([200, String(bytes)]);
    await changePartner(world.test.database.db, BUILT_IN_PROFILES, partner.senderId, { terms: { active: false } });
    await vi.waitFor(async () => expect((await fetchBytes(extract.url, partner.token)).status).toBe(401), {
      timeout: 10_000,
      interval: 50,
    });
    // It is looked for again each second.
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    let came = 0;
    const reading = (async () => {
      for await (const piece of closed.body ?? []) came += (piece as Uint8Array).byteLength;
    })();
    await expect(reading).rejects.toThrow('terminated');
    expect(came).toBeLessThan(bytes);
  });

  it('once its key is not registered any more; a new one beside it changes nothing', async () => {
    const partner = await addResearcher(world, 'key.test');
    const { extract } = await getExtract(world, partner, { dimensions: ['sex'] });
    const [other] = DECRYPTION_KEYS;
    if (other === undefined) throw new Error('no key');
    const change = (keys: object): Promise<void> => changePartner(world.test.database.db, BUILT_IN_PROFILES, partner.senderId, { keys });
    await change({ put: [importEncryptionKey({ ...publicEncryptionJwk(other) })] });
    // 503 for a moment: it is judged by the partner as it is.
    await vi.waitFor(async () => expect((await fetchBytes(extract.url, partner.token)).status).toBe(200), {
      timeout: 10_000,
      interval: 50,
    });
    await change({ revoke: [partner.decryptionKey.kid] });
    await vi.waitFor(() => expectGone(extract.url, partner), { timeout: 10_000, interval: 50 });
  });

  it('once a consent under which it may have been made is withdrawn', async () => {
    const partner = await addResearcher(world, 'consent.test', { legalBasis: 'consent: form', purposes: ['care'] });
    const ids: string[] = [];
    for (const { uin } of PERSONS.filter(({ sex }) => sex !== undefined).slice(0, 60)) {
      const subject = { identifier_type: 'UIN', identifier_value: uin };
      const given = parseGivenConsent({ subject, recipient: { partner: 'consent.test' }, purposes: ['care'], covers: ['sex'] });
      ids.push((await giveConsent(world.test.database.db, socialProfile, given, 'operator', Date.now())).id);
    }
    const { rows, extract, manifest } = await getExtract(world, partner, { dimensions: ['sex'] });
    expect(rows.length).toBeGreaterThan(0);
    expect(rows.length).toBeLessThanOrEqual(60);
    // That a row has one would tell what its consent covers.
    expect(manifest.pseudonym).toBeUndefined();
    expect(Object.keys(rows[0] ?? {})).toEqual(['sex']);
    await world.test.database.pool.query(
      `with gone as (update consent set withdrawn_at = now() where id = $1 returning id)
       insert into consent_event (consent_id, kind, by, terms) select id, 'withdrawn', 'operator', '{}' from gone`,
      [ids[0]],
    );
    await expectGone(extract.url, partner);
  });
});

describe('when the partner changes while it is made', () => {
  async function change(what: TermChanges, senderId: string): Promise<ReturnType<typeof calledBack>> {
    const partner = await addResearcher(world, senderId);
    const { db, pool } = world.test.database;
    const { rows } = await pool.query<{ id: string }>('select id from partner where sender_id = $1', [senderId]);
    const held = { kind: 'export', owner: rows[0]?.id ?? '' };
    await holdJobs(db, { ...held, until: undefined, reason: 'test' });
    const transactionId = randomUUID();
    expect((await sendExport(world, partner, exportBody(partner, { dimensions: ['sex'] }, { transactionId }))).status).toBe(202);
    await changePartner(db, BUILT_IN_PROFILES, senderId, { terms: what });
    await db.transaction().execute((transaction) => resumeJobs(transaction, held));
    return calledBack(world, transactionId);
  }

  it('it is refused where its scope was withdrawn', async () => {
    expect(await change({ scopes: ['registry/search'] }, 'withdrawn.test')).toMatchObject({ status: 'rjct' });
    expect(await readState()).toEqual(NOTHING);
  });

  it('it is made under the terms that hold then', async () => {
    const item = await change({ limits: { statisticsThreshold: 5_000 } }, 'stricter.test');
    expect(item).toMatchObject({ status: 'succ', extract: { records: 0 } });
  });
});
