import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { keepCheckpoints } from '../../src/services/audit-checkpoint.ts';
import { openAuditChain, takeChain } from '../../src/store/audit.ts';
import { digestContent, nextLink, startLink, writeContent, writeRowLine } from '../../src/store/audit-row.ts';
import { streamAudit } from '../../src/store/read-audit.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { addCheckpoint, addPartner, addRows, entry, keys, named, NOW, tamper, verify } from './audit-fixture.ts';

/** An audit log that is best-effort, or that an administrator can quietly edit. → A verifier finds an edit, a gap, a truncation. */

let test: TestDatabase;

beforeEach(async () => {
  test = await createTestDatabase();
});
afterEach(() => test.drop());

describe('an untouched trail', () => {
  it('verifies, empty', async () => {
    expect(await verify(test)).toMatchObject({ rows: 0, checkpoints: 0, problems: 0 });
  });

  it('verifies, over several chains and checkpoints', async () => {
    await addRows(test, 10);
    await addRows(test, 5, { chain: 7 });
    await addCheckpoint(test);
    await addRows(test, 4);
    await addCheckpoint(test);
    await addRows(test, 1, { chain: 2 });
    expect(await verify(test)).toMatchObject({ rows: 20, checkpoints: 2, until: 2, found: [] });
  });

  it('tells how far it has come', async () => {
    await addRows(test, 5);
    const told: [number, number][] = [];
    await verify(test, { onProgress: (rows, total) => void told.push([rows, total]) });
    expect(told.at(-1)).toEqual([5, 5]);
  });
});

describe('an edited row', () => {
  it.each([
    `sender_id = 'another.test'`,
    `at = at + interval '1 microsecond'`,
    `remote_address = '10.0.0.1'`,
    `legal_basis = null`,
    `purposes = '{}'`,
    `outcome = 'rjct.filter.invalid'`,
    `query = '[ ]'`,
    `record_count = 0`,
    `records = '{}'`,
    `disclosed = '[]'`,
    `link = sha256('')`,
    `partner_id = gen_random_uuid()`,
  ])('is found and named: %s', async (change) => {
    await addRows(test, 9);
    await tamper(test, `update audit set ${change} where seq = 5`);
    const { found } = await verify(test);
    expect(found.map(({ row }) => row)).toContain('1/5');
    expect(found[0]?.text).toContain('1/5');
  });

  it('is the only one that is named, where nothing else was touched', async () => {
    await addRows(test, 9);
    await tamper(test, `update audit set outcome = 'x' where seq = 5`);
    expect(named((await verify(test)).found)).toEqual(['edited 1/5']);
  });

  it('is found by the checkpoint when the chain after it was calculated anew', async () => {
    await addRows(test, 4);
    await addCheckpoint(test);
    await addRows(test, 4);
    await addCheckpoint(test);
    await tamper(test, `update audit set outcome = 'x' where seq = 6`);
    await rebuildChain();
    expect(named((await verify(test)).found)).toEqual(['rebuilt 1/5']);
  });
});

async function rebuildChain(): Promise<void> {
  let link = startLink(1);
  for await (const rows of streamAudit(test.database.pool, {}))
    for (const row of rows) {
      link = nextLink(link, row.atMs, digestContent(writeContent(row)));
      await tamper(test, `update audit set link = '\\x${link.toString('hex')}' where chain = 1 and seq = ${row.seq}`);
    }
  await tamper(test, `update audit_chain set link = '\\x${link.toString('hex')}' where chain = 1`);
}

describe('removed rows', () => {
  it('are named', async () => {
    await addRows(test, 9);
    await tamper(test, 'delete from audit where seq in (4, 5)');
    const { found } = await verify(test);
    expect(named(found)).toEqual(['missing 1/4']);
    expect(found[0]?.text).toContain('1/4 to 1/5');
  });

  it('are found when the others were numbered anew', async () => {
    await addRows(test, 9);
    await tamper(
      test,
      'delete from audit where seq = 4',
      'update audit set seq = seq - 1 where seq > 4',
      'update audit_chain set seq = 8 where chain = 1',
    );
    expect(named((await verify(test)).found)).toEqual(['edited 1/4']);
  });

  it('at the end are named', async () => {
    await addRows(test, 9);
    await tamper(test, 'delete from audit where seq > 7');
    const { found } = await verify(test);
    expect(named(found)).toEqual(['truncated 1/8']);
    expect(found[0]?.text).toContain('1/8 to 1/9');
  });

  it('at the end are found by the checkpoint when the head was moved back', async () => {
    await addRows(test, 9);
    await addCheckpoint(test);
    await tamper(
      test,
      'delete from audit where seq > 7',
      'update audit_chain set seq = 7, link = (select link from audit where seq = 7) where chain = 1',
    );
    expect(named((await verify(test)).found)).toEqual(['truncated 1/1']);
  });

  it('are found when a whole chain is gone', async () => {
    await addRows(test, 3);
    await addRows(test, 3, { chain: 2 });
    await addCheckpoint(test);
    await tamper(test, 'delete from audit where chain = 2', `update audit_chain set seq = 0, link = sha256('') where chain = 2`);
    expect(named((await verify(test)).found)).toEqual(['truncated 2/1']);
  });
});

describe('an inserted row', () => {
  const copy = (seq: string): string => `insert into audit
    select chain, ${seq}, at, partner_id, sender_id, remote_address, action, registry, 'inserted', transaction_id, correlation_id, legal_basis,
      purposes, field_rule, outcome, query, item_count, record_count, records, disclosed, link from audit where seq = 4`;

  it('is named, between the others', async () => {
    await addRows(test, 9);
    await tamper(
      test,
      'update audit set seq = seq + 101 where seq > 4',
      'update audit set seq = seq - 100 where seq > 100',
      copy('5'),
      'update audit_chain set seq = 10 where chain = 1',
    );
    expect(named((await verify(test)).found)).toEqual(['edited 1/5']);
  });

  it('is named, at the end', async () => {
    await addRows(test, 9);
    await tamper(test, copy('10').replace(', at,', `, at + interval '1 second',`));
    expect(named((await verify(test)).found)).toEqual(['edited 1/10', 'misplaced 1/10']);
  });

  it('is named, in a chain of its own', async () => {
    await addRows(test, 9);
    await tamper(test, copy('1').replace('select chain', 'select 9::smallint'));
    expect(named((await verify(test)).found)).toContain('misplaced 9/1');
  });
});

describe('rows in another order', () => {
  it('are named', async () => {
    await addRows(test, 9);
    await tamper(test, 'update audit set seq = 105 - (seq - 5) where seq in (5, 6)', 'update audit set seq = seq - 99 where seq > 100');
    expect(named((await verify(test)).found)).toEqual(expect.arrayContaining(['edited 1/5', 'edited 1/6']));
  });

  it('are named where a time was changed', async () => {
    await addRows(test, 9);
    await tamper(test, `update audit set at = at + interval '1 hour' where seq = 4`);
    expect(named((await verify(test)).found)).toEqual(['missing 1/4', 'misplaced 1/4']);
  });
});

describe('checkpoints', () => {
  it('that are gone are named', async () => {
    for (let count = 0; count < 4; count += 1) {
      await addRows(test, 2);
      await addCheckpoint(test);
    }
    await tamper(test, 'delete from audit_checkpoint where number in (2, 3)');
    const { found } = await verify(test);
    expect(named(found)).toEqual(['checkpoint']);
    expect(found[0]?.text).toContain('2 to 3');
  });

  it('at the end that are gone are found by whoever has kept one', async () => {
    await addRows(test, 3);
    await addCheckpoint(test);
    await addRows(test, 3);
    const known = await addCheckpoint(test);
    expect(await verify(test, { known: [known] })).toMatchObject({ problems: 0 });
    await tamper(
      test,
      'delete from audit_checkpoint where number = 2',
      'delete from audit where seq > 3',
      'update audit_chain set seq = 3, link = (select link from audit where seq = 3) where chain = 1',
    );
    expect(await verify(test)).toMatchObject({ problems: 0 });
    expect(named((await verify(test, { known: [known] })).found)).toEqual(['checkpoint', 'truncated 1/1']);
  });

  it('signed by the key of somebody else are not believed', async () => {
    await addRows(test, 3);
    await addCheckpoint(test);
    expect((await verify(test, { macKey: Buffer.alloc(32) })).found[0]).toMatchObject({ kind: 'checkpoint' });
  });

  it('are written when there is something new and the last is old enough', async () => {
    const { pool } = test.database;
    expect(await keepCheckpoints(pool, keys, NOW, 1000)).toBeUndefined();
    await addRows(test, 3);
    expect(await keepCheckpoints(pool, keys, NOW, 1000)).toMatchObject({ number: 1 });
    expect(await keepCheckpoints(pool, keys, NOW + 2000, 1000)).toBeUndefined();
    await addRows(test, 3);
    expect(await keepCheckpoints(pool, keys, NOW + 999, 1000)).toBeUndefined();
    expect(await keepCheckpoints(pool, keys, NOW + 1000, 1000)).toMatchObject({ number: 2 });
    expect(await verify(test)).toMatchObject({ rows: 6, checkpoints: 2, problems: 0 });
  });
});

describe('an incremental verification', () => {
  it('reads what came since, in every chain', async () => {
    await addRows(test, 9);
    await addCheckpoint(test);
    expect(await verify(test, { incremental: true })).toMatchObject({ rows: 9, problems: 0, until: 1 });
    await addRows(test, 2, { now: NOW + 60_000 });
    await addRows(test, 3, { chain: 4, now: NOW + 60_000 });
    const next = await verify(test, { incremental: true });
    expect(next).toMatchObject({ rows: 5, since: 1, problems: 0 });
    await tamper(
      test,
      `update audit set outcome = 'x' where chain = 4 and seq = 2`,
      `update audit set outcome = 'x' where chain = 1 and seq = 10`,
    );
    expect(named((await verify(test, { incremental: true })).found).toSorted()).toEqual(['edited 1/10', 'edited 4/2']);
  });

  it('begins at the beginning where the mark was made by somebody else', async () => {
    await addRows(test, 3);
    await addCheckpoint(test);
    await verify(test);
    await tamper(test, `update audit set outcome = 'x' where seq = 2`);
    expect(named((await verify(test, { incremental: true })).found)).toEqual([]);
    await tamper(test, `update audit_verified set mac = sha256('')`);
    expect(named((await verify(test, { incremental: true })).found)).toEqual(['edited 1/2']);
  });

  it('is not marked where something was wrong', async () => {
    await addRows(test, 3);
    await addCheckpoint(test);
    await tamper(test, `update audit set outcome = 'x' where seq = 2`);
    await verify(test);
    expect(await test.database.db.selectFrom('audit_verified').selectAll().execute()).toEqual([]);
  });
});

describe('two writers', () => {
  it('of one chain and of several leave every row linked', async () => {
    const { pool } = test.database;
    const write = async (chain: number): Promise<void> => {
      const writer = openAuditChain(pool, chain);
      for (let count = 0; count < 40; count += 1) await writer.commit(NOW + count, [entry(), entry()]);
    };
    await Promise.all([write(1), write(1), write(1), write(2)]);
    expect(await verify(test)).toMatchObject({ rows: 320, problems: 0 });
  });

  it('of one chain refuse what may not be written, and write the rest, each row linked', async () => {
    const { pool } = test.database;
    const partner = await addPartner(test);
    const claim = { partnerId: partner, claimUntil: NOW / 1000 + 60 };
    const [first, second] = [openAuditChain(pool, 1), openAuditChain(pool, 1)];
    const used = entry(claim);
    expect(await first.commit(NOW, [used, entry(claim)])).toEqual(['written', 'written']);
    expect(await second.commit(NOW, [entry(claim)])).toEqual(['written']);
    // The head that the first one knows is not the head any more, a message id was used, and a partner has changed.
    const stale = entry({ ...claim, partnerRevision: '7' });
    expect(await first.commit(NOW, [entry(claim), { ...used }, stale, entry(claim)])).toEqual(['written', 'duplicate', 'stale', 'written']);
    expect(await first.commit(NOW, [{ ...used }])).toEqual(['duplicate']);
    expect(await first.commit(NOW, [entry(claim)])).toEqual(['written']);
    expect(await verify(test)).toMatchObject({ rows: 6, problems: 0 });
    expect((await pool.query('select from message_seen')).rowCount).toBe(6);
  });

  it('that claim one message id at the same moment write one row of it', async () => {
    const { pool } = test.database;
    const partner = await addPartner(test);
    const claim = { partnerId: partner, claimUntil: NOW / 1000 + 60 };
    const writers = [1, 1, 2].map((chain) => openAuditChain(pool, chain));
    for (const writer of writers) await writer.commit(NOW, [entry(claim)]);
    for (let count = 0; count < 20; count += 1) {
      const shared = [entry(claim), entry(claim)];
      const orders = [shared, shared.toReversed(), shared];
      const verdicts = await Promise.all(writers.map((writer, index) => writer.commit(NOW, [...(orders[index] ?? []), entry(claim)])));
      expect(verdicts.flat().filter((verdict) => verdict === 'written')).toHaveLength(5);
      expect(verdicts.map((of) => of.at(-1))).toEqual(['written', 'written', 'written']);
    }
    expect(await verify(test)).toMatchObject({ rows: 103, problems: 0 });
  });

  it('take chains of their own', async () => {
    const { pool } = test.database;
    const taken = [];
    for (let count = 0; count < 16; count += 1) taken.push(await takeChain(pool));
    expect(new Set(taken).size).toBe(16);
    expect(await takeChain(pool)).toBe(taken[0]);
  });

  it('whose clocks differ leave rows in the order of their chain', async () => {
    await addRows(test, 3, { now: NOW });
    await addRows(test, 3, { now: NOW - 3_600_000 });
    expect(await verify(test)).toMatchObject({ rows: 6, problems: 0 });
  });
});

describe('through the application', () => {
  it.each([`update audit set outcome = 'x'`, 'delete from audit', 'truncate audit', 'truncate audit_rest', 'delete from audit_checkpoint'])(
    'nothing is changed: %s',
    async (statement) => {
      await addRows(test, 3);
      await addCheckpoint(test);
      await expect(test.database.pool.query(statement)).rejects.toThrow(/added to only|permission denied/);
      expect(await verify(test)).toMatchObject({ rows: 3, checkpoints: 1, problems: 0 });
    },
  );

  it('a row that is not accepted leaves no trace in the chain', async () => {
    const { pool } = test.database;
    const stale = entry({ claimUntil: NOW / 1000 + 60 });
    expect(await openAuditChain(pool, 1).commit(NOW, [entry(), stale, entry()])).toEqual(['written', 'stale', 'written']);
    expect(await verify(test)).toMatchObject({ rows: 2, problems: 0 });
  });

  it('a trail without its heads takes no row', async () => {
    await tamper(test, 'delete from audit_chain');
    await expect(openAuditChain(test.database.pool, 1).commit(NOW, [entry()])).rejects.toThrow('lost the head of chain 1');
    await expect(takeChain(test.database.pool)).rejects.toThrow('audit_chain');
  });
});

it('an export has all that it takes to verify it', async () => {
  await addRows(test, 5, { change: { messageId: randomUUID(), outcome: '=1+1 "x"\n' } });
  let link = startLink(1);
  let count = 0;
  for await (const rows of streamAudit(test.database.pool, {}))
    for (const row of rows) {
      const { chain, seq, at, link: written, ...content } = JSON.parse(writeRowLine(row)) as Record<string, string>;
      link = nextLink(link, Date.parse(at ?? ''), digestContent(JSON.stringify(content)));
      expect([chain, seq, written]).toEqual([1, (count += 1), link.toString('base64url')]);
    }
  expect(count).toBe(5);
});
