import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createProgram } from '../../src/cli/main.ts';
import { type CommandLine, openCommandLine } from '../partners/command-line.ts';

let command: CommandLine;

beforeEach(async () => {
  command = await openCommandLine();
});

afterEach(() => command.close());

function listCommands(parent: Command, path: readonly string[] = []): string[][] {
  return parent.commands.flatMap((child) => {
    const here = [...path, child.name()];
    return child.commands.length > 0 ? listCommands(child, here) : [here];
  });
}

describe('every command', () => {
  it.each(listCommands(createProgram()).map((path) => [path.join(' '), path]))('%s shows an example', async (_name, path) => {
    const { status, out } = await command.run(...path, '--help');
    expect(status).toBe(0);
    expect(out).toMatch(/\nExample:\n {2}\$ /);
  });

  it('ends with 2 when it was called in the wrong way', async () => {
    for (const args of [['bogus'], ['migrate', '--wrong'], ['migrate', 'extra'], []]) {
      const { status, out } = await command.run(...args);
      expect([args, status, out]).toEqual([args, 2, '']);
    }
  });

  it('ends with 2 and names every wrong setting', async () => {
    const wrong = await openCommandLine({ DCI_PORT: 'eighty', DCI_LOG_LEVEL: 'fast' });
    const { status, err } = await wrong.run('migrate');
    expect(status).toBe(2);
    expect(err).toContain('DCI_PORT must be a whole number');
    expect(err).toContain('DCI_LOG_LEVEL must be one of');
    await wrong.close();
  });

  it('ends with 1 and one line when the database is not there', async () => {
    const cut = await openCommandLine({ DCI_DATABASE_URL: 'postgres://dci@127.0.0.1:1/dci' });
    const { status, err } = await cut.run('partner', 'list');
    expect({ status, err }).toEqual({ status: 1, err: 'dci: connect ECONNREFUSED 127.0.0.1:1\n' });
    await cut.close();
  });
});

describe('a schema that does not fit', () => {
  it('is refused until it is migrated', async () => {
    await command.test.database.pool.query('drop schema public cascade; create schema public');
    const before = await command.run('partner', 'list');
    expect(before.status).toBe(1);
    expect(before.err).toContain('run "dci migrate" once');
    const migrated = await command.run('migrate', '--json');
    expect([migrated.status, JSON.parse(migrated.out)]).toEqual([0, { applied: expect.arrayContaining(['0001-foundation']) as string[] }]);
    expect((await command.run('migrate')).out).toBe('the database is up to date\n');
    expect((await command.run('partner', 'list')).status).toBe(0);
  });

  it('is refused when a newer version made it, by migrate too', async () => {
    await command.test.database.pool.query(`insert into kysely_migration (name, timestamp) values ('9999-future', '')`);
    for (const args of [['partner', 'list'], ['migrate']]) {
      const { status, err } = await command.run(...args);
      expect([args, status]).toEqual([args, 1]);
      expect(err).toContain('a newer version of this program (9999-future)');
    }
  });
});

describe('dci doctor', () => {
  const examine = async (line: CommandLine): Promise<{ status: number; healthy: boolean; advice: Record<string, string> }> => {
    const { status, out } = await line.run('doctor', '--json');
    const { healthy, findings } = JSON.parse(out) as { healthy: boolean; findings: { check: string; advice?: string }[] };
    const advice = findings.flatMap(({ check, advice: text }) => (text === undefined ? [] : [[check, text] as const]));
    return { status, healthy, advice: Object.fromEntries(advice) };
  };

  it('finds nothing wrong where nothing is', async () => {
    expect(await examine(command)).toEqual({ status: 0, healthy: true, advice: {} });
    const { out } = await command.run('doctor');
    expect(out.split('\n').filter((line) => line !== '' && !line.startsWith('✔'))).toEqual([]);
  });

  it('names the partners who need not sign, which is nothing to correct', async () => {
    expect((await command.run('partner', 'add', '--sender-id', 'lax.test', '--signature', 'optional')).status).toBe(0);
    expect(await examine(command)).toMatchObject({ status: 0, healthy: true });
    expect((await command.run('doctor')).out).toContain('✔ partners: messages without a signature are taken from: lax.test\n');
  });

  it('says what to do about a key and a folder that are open to others', async () => {
    const key = join(command.folder, 'key-encryption.key');
    writeFileSync(key, '', { mode: 0o644 });
    chmodSync(command.folder, 0o777);
    const found = await examine(command);
    expect(found).toMatchObject({ status: 1, healthy: false });
    expect(found.advice).toEqual({
      DCI_DATA_DIR: `others on this machine can write in ${command.folder}: chmod go-w ${command.folder}`,
      DCI_KEY_ENCRYPTION_KEY: `others on this machine can read ${key}: chmod 600 ${key}`,
    });
    expect((await command.run('doctor')).out).toContain('✖ DCI_KEY_ENCRYPTION_KEY: insecure\n    → others on this machine can read');
  });

  it('says what to do about the schema', async () => {
    await command.test.database.pool.query(`delete from kysely_migration`);
    expect((await examine(command)).advice).toEqual({ schema: 'run "dci migrate"' });
  });

  it('says what to do about a database that is not there, and about wrong settings', async () => {
    const cut = await openCommandLine({ DCI_DATABASE_URL: 'postgres://dci@127.0.0.1:1/dci' });
    expect(await examine(cut)).toMatchObject({ status: 1, advice: { database: 'check DCI_DATABASE_URL and that the database runs' } });
    await cut.close();
    const kept = await openCommandLine({ DCI_RETENTION: 'foo=3d' });
    expect(await examine(kept)).toMatchObject({ status: 1, advice: { DCI_RETENTION: 'correct it' } });
    await kept.close();
    const wrong = await openCommandLine({ DCI_PORT: '-1' });
    expect(await examine(wrong)).toMatchObject({ status: 1, advice: { configuration: 'correct these settings' } });
    await wrong.close();
  });
});
