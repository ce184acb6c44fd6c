import { randomUUID } from 'node:crypto';
import { generateSigningKey } from '@dci/protocol';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { decideGrant } from '../../src/disclosure/grant.ts';
import { BUILT_IN_PROFILES } from '../../src/profiles/index.ts';
import { socialProfile } from '../../src/profiles/social.ts';
import { planExport } from '../../src/services/async-export.ts';
import type { WantedExtract } from '../../src/services/make-extract.ts';
import { changePartner } from '../../src/services/register-partner.ts';
import { findPartner } from '../../src/store/partners.ts';
import type { Transaction } from '../../src/store/transactions.ts';
import { createExtractThreads, type ExtractThreads } from '../../src/worker/extract-threads.ts';
import { type SearchFixture, TODAY } from '../search/search-fixture.ts';
import { EVERYTHING, type Json } from './extract-fixture.ts';
import { openLoneResearcher } from './lone-researcher.ts';

/** Threads that make extracts: what they make is there, and what goes wrong in them is told as it would be in place. */
let fixture: SearchFixture;
let threads: ExtractThreads;
const SENDER = 'university.test';

beforeAll(async () => {
  fixture = await openLoneResearcher(SENDER);
  const signingKey = generateSigningKey('ES256');
  threads = createExtractThreads({
    database: fixture.database,
    keys: { cells: Buffer.alloc(32, 1), pseudonyms: Buffer.alloc(32, 2), queries: Buffer.alloc(32, 3) },
    activeKey: () => signingKey,
    senderId: 'registry.test',
    extractLifetimeDays: 7,
    inPlace: { make: () => Promise.reject(new Error('made in place')) },
  });
});
afterAll(async () => {
  await threads.close();
  await fixture.close();
});
beforeEach(async () => {
  await fixture.database.pool.query('delete from extract');
});

async function wanted(signal: AbortSignal = new AbortController().signal): Promise<WantedExtract> {
  const partner = await findPartner(fixture.database.db, SENDER);
  if (partner === undefined) throw new Error('no partner');
  const transaction = { id: randomUUID(), partnerId: partner.id, transactionId: 't-1', correlationId: 'c-1', remoteAddress: '' };
  const criteria = { reg_record_type: 'SRPerson', dimensions: ['sex'], ...EVERYTHING };
  const item = { reference_id: '1', timestamp: '2026-01-01T00:00:00Z', export_criteria: criteria } as WantedExtract['item'];
  const grant = decideGrant(partner);
  const plan = planExport(item, { partner, grant, profile: socialProfile, today: TODAY });
  return { transaction: transaction as unknown as Transaction, partner, grant, item, plan, purpose: undefined, signal };
}

async function readStates(): Promise<readonly Json[]> {
  return (await fixture.database.pool.query<Json>('select state, written::integer from extract')).rows;
}

/** While the first segment waits. */
async function inTheMiddle(asked: WantedExtract, work: () => Promise<unknown> | void): Promise<unknown> {
  const client = await fixture.database.pool.connect();
  try {
    await client.query('begin; lock table extract_segment in exclusive mode');
    const outcome = threads.make(asked).catch((error: unknown) => error);
    while ((await readStates()).length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    await work();
    await client.query('rollback');
    return await outcome;
  } finally {
    client.release();
  }
}

it('make one extract after the other, and several side by side', async () => {
  await threads.make(await wanted());
  await Promise.all([threads.make(await wanted()), threads.make(await wanted())]);
  const states = await readStates();
  expect(states.map(({ state }) => state)).toEqual(['ready', 'ready', 'ready']);
  expect(Number(states[0]?.['written'])).toBeGreaterThan(200);
  const { rows } = await fixture.database.pool.query(
    `select sum(record_count)::integer as records, (select sum(written)::integer from extract) as written from audit where action = 'export'`,
  );
  expect(rows[0]).toEqual({ records: rows[0]?.written, written: rows[0]?.written });
});

it('tell of a refusal by its code, and of a partner that has changed', async () => {
  const asked = await wanted();
  const keyless = { ...asked, partner: { ...asked.partner, encryptionKeys: new Map() } };
  await expect(threads.make(keyless)).rejects.toMatchObject({ name: 'DciError', code: 'err.encryption.invalid' });
  const outcome = await inTheMiddle(asked, () =>
    changePartner(fixture.database.db, BUILT_IN_PROFILES, SENDER, { terms: { name: randomUUID() } }),
  );
  expect(outcome).toMatchObject({ name: 'WithheldError', verdict: 'stale' });
  expect(await readStates()).toEqual([]);
});

it('end at once where there is no more time, and leave nothing', async () => {
  const ending = new AbortController();
  const asked = await wanted(ending.signal);
  expect(await inTheMiddle(asked, () => ending.abort(new Error('over')))).toEqual(new Error('over'));
  expect(await readStates()).toEqual([]);
  await expect(threads.make(asked)).rejects.toThrow('over');
});

it('are missed where they end by themselves, and others take their place', async () => {
  const outcome = await inTheMiddle(await wanted(), () => threads.close());
  expect(outcome).toEqual(new Error('the thread that makes extracts has ended'));
  expect(await readStates()).toEqual([]);
  await threads.make(await wanted());
  expect(await readStates()).toMatchObject([{ state: 'ready' }]);
});

it('leave registries that they do not know to whoever asks', async () => {
  const asked = await wanted();
  const another = { ...asked, plan: { ...asked.plan, profile: { ...socialProfile } } };
  await expect(threads.make(another)).rejects.toThrow('made in place');
});
