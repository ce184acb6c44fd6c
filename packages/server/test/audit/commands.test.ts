import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { socialProfile } from '../../src/profiles/social.ts';
import { reconcileProfile } from '../../src/registry/reconcile.ts';
import { putRecords } from '../../src/registry/write.ts';
import { type CommandLine, openCommandLine } from '../partners/command-line.ts';
import { memberDocument } from '../support/persons.ts';
import { addRows, NOW, tamper } from './audit-fixture.ts';

let command: CommandLine;

beforeEach(async () => {
  command = await openCommandLine();
});
afterEach(() => command.close());

const UIN = '910000001';

async function addPerson(): Promise<string> {
  await reconcileProfile(command.test.database, socialProfile);
  await putRecords(command.test.database.db, socialProfile, [memberDocument(UIN, 'Given1', 1)]);
  const row = await command.test.database.db
    .selectFrom('identifier')
    .select('record_id')
    .where('value', '=', UIN)
    .executeTakeFirstOrThrow();
  return row.record_id;
}

describe('dci audit verify', () => {
  it('ends with 0 where all is as it was written, and with 1 where it is not, and names the row', async () => {
    await addRows(command.test, 6);
    const fine = await command.run('audit', 'verify');
    expect([fine.status, fine.out]).toEqual([0, '6 rows and 0 checkpoints: all as they were written\n']);
    await tamper(command.test, `update audit set record_count = 7 where seq = 4`);
    const found = await command.run('audit', 'verify');
    expect(found.status).toBe(1);
    expect(found.out).toContain('edited: row 1/4 (2026-11-24T12:00:00.003Z, mis.test, message ');
    const json = await command.run('audit', 'verify', '--json');
    expect([json.status, JSON.parse(json.out)]).toMatchObject([1, { rows: 6, problems: 1, found: [{ kind: 'edited', row: '1/4' }] }]);
  });

  it('knows checkpoints that were kept elsewhere', async () => {
    await addRows(command.test, 3);
    const checkpoint = await command.run('audit', 'checkpoint');
    expect([checkpoint.status, checkpoint.out]).toEqual([0, expect.stringMatching(/^[\w-]+\.[\w-]+\.[\w-]+\n$/)]);
    const file = join(command.folder, 'known.jws');
    writeFileSync(file, checkpoint.out);
    const args = ['audit', 'verify', '--known', file];
    expect((await command.run(...args)).status).toBe(0);
    expect((await command.run(...args, '--incremental')).out).toBe(
      '0 rows and 1 checkpoints since checkpoint 1 up to checkpoint 1: all as they were written\n',
    );
    await tamper(command.test, 'delete from audit_checkpoint');
    const gone = await command.run(...args);
    expect([gone.status, gone.out]).toEqual([1, expect.stringContaining('kept elsewhere, is missing')]);
    expect((await command.run('audit', 'verify', '--known', 'nowhere.jws')).status).toBe(2);
  });
});

describe('dci audit export', () => {
  it('writes NDJSON, whole or by time and partner', async () => {
    await addRows(command.test, 3);
    await addRows(command.test, 3, { now: NOW + 86_400_000, change: { senderId: 'other.test' } });
    const { status, out } = await command.run('audit', 'export');
    const rows = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect([status, rows.map(({ chain, seq }) => [chain, seq])]).toEqual([0, [1, 2, 3, 4, 5, 6].map((seq) => [1, seq])]);
    const stored = await command.test.database.db.selectFrom('audit').selectAll().orderBy('seq').execute();
    expect(rows.map(({ message_id: id, records, disclosed, query }) => ({ id, records, disclosed, query }))).toEqual(
      stored.map(({ message_id: id, records, disclosed, query }) => ({ id, records, disclosed, query })),
    );
    const count = async (...args: string[]): Promise<number> => (await command.run('audit', 'export', ...args)).out.split('\n').length - 1;
    expect(await count('--partner', 'other.test')).toBe(3);
    expect(await count('--since', '2026-11-25')).toBe(3);
    expect(await count('--until', '2026-11-24T12:00:00.500Z')).toBe(3);
    expect((await command.run('audit', 'export', '--since', 'yesterday')).status).toBe(2);
  });

  it('writes CSV that comes back, and no formulas', async () => {
    await addRows(command.test, 2, { change: { messageId: '=cmd()', transactionId: 'a,"b"\nc' } });
    const file = join(command.folder, 'audit.csv');
    const { status } = await command.run('audit', 'export', '--format', 'csv', '--output', file);
    const rows = parse(readFileSync(file), { columns: true }) as Record<string, string>[];
    expect([status, rows.length]).toEqual([0, 2]);
    expect(rows[1]).toMatchObject({
      chain: '1',
      seq: '2',
      sender_id: 'mis.test',
      message_id: `'=cmd()`,
      transaction_id: 'a,"b"\nc',
      record_count: '1',
    });
  });
});

describe('dci audit list', () => {
  it('shows the newest first', async () => {
    await addRows(command.test, 5);
    const { out } = await command.run('audit', 'list', '--most', '2', '--json');
    expect((JSON.parse(out) as { seq: number }[]).map(({ seq }) => seq)).toEqual([5, 4]);
    expect((await command.run('audit', 'list', '--outcome', 'answered')).out).toContain('1/5');
    expect((await command.run('audit', 'list', '--most', '0')).status).toBe(2);
  });
});

describe('dci audit person', () => {
  it('shows who saw somebody, also after the record was erased', async () => {
    const id = await addPerson();
    await addRows(command.test, 1, { change: { disclosed: [{ entity: 'SRPerson', records: [id] }] } });
    await addRows(command.test, 2, { change: { senderId: 'other.test' } });
    const args = ['audit', 'person', '--registry', 'social', '--id', `UIN:${UIN}`, '--json'];
    const senders = async (): Promise<unknown[]> =>
      (JSON.parse((await command.run(...args)).out) as { sender_id: string }[]).map(({ sender_id: sender }) => sender);
    expect(await senders()).toEqual(['mis.test']);
    const erased = await command.run('record', 'erase', '--registry', 'social', '--reason', 'his request', `UIN=${UIN}`);
    expect([erased.status, erased.out]).toEqual([0, expect.stringContaining(id)]);
    expect((await command.run('record', 'show', '--registry', 'social', `UIN=${UIN}`)).status).toBe(1);
    expect(await senders()).toEqual(['operator', 'mis.test']);
    expect((await command.run('audit', 'verify')).status).toBe(0);
    expect((await command.run('audit', 'person', '--registry', 'social', '--id', 'UIN:nobody')).status).toBe(1);
  });
});
