import { randomUUID } from 'node:crypto';
import { generateSigningKey } from '@dci/protocol';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type AuditLog, openAuditLog, WithheldError } from '../../src/disclosure/audit-log.ts';
import { decideGrant } from '../../src/disclosure/grant.ts';
import { createPseudonyms } from '../../src/disclosure/pseudonyms.ts';
import { createQueryDescriber } from '../../src/disclosure/query-description.ts';
import { createCellProtection } from '../../src/disclosure/tell-cells.ts';
import { BUILT_IN_PROFILES } from '../../src/profiles/index.ts';
import { planCount } from '../../src/registry/counting/plan-count.ts';
import { createExtractMaker, type WantedExtract } from '../../src/services/make-extract.ts';
import { changePartner } from '../../src/services/register-partner.ts';
import { deleteExtract, finishExtract, insertExtract, insertSegment } from '../../src/store/extracts.ts';
import { findPartner } from '../../src/store/partners.ts';
import type { Transaction } from '../../src/store/transactions.ts';
import { CONTEXT, type SearchFixture } from '../search/search-fixture.ts';
import { EVERYTHING, type Json } from './extract-fixture.ts';
import { openLoneResearcher } from './lone-researcher.ts';

/** What is left when the making of an extract fails, is broken off, or is overtaken. */
let fixture: SearchFixture;
let audit: AuditLog;
const SENDER = 'university.test';

beforeAll(async () => {
  fixture = await openLoneResearcher(SENDER);
  audit = openAuditLog(fixture.database.pool, { now: Date.now });
});
afterAll(async () => {
  await audit.close();
  await fixture.close();
});
beforeEach(async () => {
  await fixture.database.pool.query('delete from extract');
});

const change = (): Promise<void> => changePartner(fixture.database.db, BUILT_IN_PROFILES, SENDER, { terms: { name: randomUUID() } });

function makerWith(log: AuditLog) {
  return createExtractMaker({
    database: fixture.database,
    protection: { cells: createCellProtection(Buffer.alloc(32, 1)), pseudonyms: createPseudonyms(Buffer.alloc(32, 2)) },
    audit: log,
    describeQuery: createQueryDescriber(Buffer.alloc(32, 3)),
    activeKey: () => signingKey,
    senderId: 'registry.test',
    extractLifetimeDays: 7,
    now: Date.now,
  });
}

const signingKey = generateSigningKey('ES256');

async function wanted(signal: AbortSignal = new AbortController().signal): Promise<WantedExtract> {
  const partner = await findPartner(fixture.database.db, SENDER);
  if (partner === undefined) throw new Error('no partner');
  const criteria = { reg_record_type: 'SRPerson', dimensions: ['sex'], ...EVERYTHING } as Parameters<typeof planCount>[0];
  const transaction = {
    id: randomUUID(),
    partnerId: partner.id,
    transactionId: 't-1',
    correlationId: 'c-1',
    remoteAddress: '',
  } as unknown as Transaction;
  const item = { reference_id: '1', timestamp: '2026-01-01T00:00:00Z', export_criteria: criteria } as unknown as WantedExtract['item'];
  return { transaction, partner, grant: decideGrant(partner), item, plan: planCount(criteria, CONTEXT, 8), purpose: undefined, signal };
}

async function readState(): Promise<Json | undefined> {
  const { rows } = await fixture.database.pool.query<Json>(
    `select (select count(*) from extract)::integer as extracts, (select count(*) from extract_segment)::integer as segments,
      (select count(*) from extract where state = 'ready')::integer as ready`,
  );
  return rows[0];
}

const NOTHING = { extracts: 0, segments: 0, ready: 0 };

describe('nothing is left of an extract', () => {
  it('whose partner has changed before its records were put on record', async () => {
    const { rows: before } = await fixture.database.pool.query(`select count(*) from audit where action = 'export'`);
    const asked = await wanted();
    const late: AuditLog = {
      ...audit,
      release: async (entry, write) => {
        await change();
        return await audit.release(entry, write);
      },
    };
    await expect(makerWith(late).make(asked)).rejects.toThrow(WithheldError);
    expect(await readState()).toEqual(NOTHING);
    expect((await fixture.database.pool.query(`select count(*) from audit where action = 'export'`)).rows).toEqual(before);
  });

  it('whose partner has changed after they were', async () => {
    const asked = await wanted();
    const early: AuditLog = {
      ...audit,
      release: async (entry, write) => {
        const released = await audit.release(entry, write);
        await change();
        return released;
      },
    };
    await expect(makerWith(early).make(asked)).rejects.toThrow(WithheldError);
    expect(await readState()).toEqual(NOTHING);
  });

  it('whose records could not be put on record', async () => {
    const lost = new Error('lost');
    await expect(makerWith({ ...audit, release: () => Promise.reject(lost) }).make(await wanted())).rejects.toBe(lost);
    expect(await readState()).toEqual(NOTHING);
  });

  it('for which there is no more time', async () => {
    const ending = new AbortController();
    const asked = await wanted(ending.signal);
    const client = await fixture.database.pool.connect();
    try {
      // The first segment waits.
      await client.query('begin; lock table extract_segment in exclusive mode');
      const outcome = makerWith(audit)
        .make(asked)
        .catch((error: unknown) => error);
      while ((await readState())?.['extracts'] !== 1) await new Promise((resolve) => setTimeout(resolve, 10));
      ending.abort(new Error('over'));
      await client.query('rollback');
      expect(await outcome).toEqual(new Error('over'));
    } finally {
      client.release();
    }
    expect(await readState()).toEqual(NOTHING);
  });
});

it('is there once its records are on record, batch by batch', async () => {
  const asked = await wanted();
  const seen: unknown[] = [];
  const watching: AuditLog = {
    ...audit,
    release: async (entry, write) => {
      seen.push([entry.recordCount, (await readState())?.['ready']]);
      return await audit.release(entry, write);
    },
  };
  await makerWith(watching).make(asked);
  expect(seen).toHaveLength(1);
  expect(seen[0]).toEqual([expect.any(Number), 0]);
  expect(await readState()).toMatchObject({ extracts: 1, ready: 1 });
});

it('who makes it again takes the place of who is still at it', async () => {
  const { db } = fixture.database;
  const partner = await findPartner(db, SENDER);
  if (partner === undefined) throw new Error('no partner');
  const row = {
    transactionId: randomUUID(),
    partnerId: partner.id,
    registry: 'social',
    terms: 'x',
    kid: 'k',
    byConsent: false,
    madeAt: new Date(),
    expiresAt: new Date(Date.now() + 60_000),
    expected: 1,
  };
  const [first, second] = [randomUUID(), randomUUID()];
  const made = { bytes: 1, sha256: 'x', segments: 1, manifest: 'm' };
  await insertExtract(db, { ...row, id: first });
  await insertSegment(db, first, 0, Buffer.from('a'));
  await insertExtract(db, { ...row, id: second });
  await expect(insertSegment(db, first, 1, Buffer.from('b'))).rejects.toThrow(/foreign key/);
  expect(await finishExtract(db, first, partner.revision, made)).toBe(false);
  await insertSegment(db, second, 0, Buffer.from('c'));
  expect(await finishExtract(db, second, partner.revision, made)).toBe(true);
  // One that is there is not made again.
  await expect(insertExtract(db, { ...row, id: randomUUID() })).rejects.toThrow(/unique/);
  expect(await deleteExtract(db, second)).toBe(true);
  expect(await readState()).toEqual(NOTHING);
});
