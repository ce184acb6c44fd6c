import { spawnSync } from 'node:child_process';
import { openSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { socialProfile } from '../../src/profiles/social.ts';
import { reconcileProfile } from '../../src/registry/reconcile.ts';
import { type CommandLine, openCommandLine } from '../partners/command-line.ts';
import { group, person, reference } from '../records/registry-fixture.ts';

let dci: CommandLine;

beforeAll(async () => {
  dci = await openCommandLine();
});

afterAll(() => dci.close());

function write(name: string, content: string): string {
  const file = join(dci.folder, name);
  writeFileSync(file, content);
  return file;
}

describe('dci import', () => {
  it('does not change the tables of a database that is not its own', async () => {
    const file = write('one.ndjson', JSON.stringify(person('1')));
    expect(await dci.run('import', '--registry', 'social', file)).toMatchObject({ status: 1, err: expect.stringContaining('dci migrate') });
    await reconcileProfile(dci.test.database, socialProfile);
    expect(await dci.run('import', '--registry', 'sr', file)).toEqual({
      status: 0,
      out: '1 lines: 1 records created, 0 updated, 0 unchanged; 0 lines refused\n',
      err: '',
    });
  });

  it('says what it refused, on stderr and in the report, and ends with 1', async () => {
    const file = write('bad.ndjson', `${JSON.stringify(person('1'))}\n{\n${JSON.stringify(person('2', { marital_status: '?' }))}\n`);
    const report = join(dci.folder, 'refused.ndjson');
    const finished = await dci.run('import', '--registry', 'social', '--report', report, '--json', file);
    expect(finished.status).toBe(1);
    expect(JSON.parse(finished.out)).toEqual({ lines: 3, refused: 2, created: 0, updated: 0, unchanged: 1 });
    expect(finished.err).toBe('line 2: is no JSON\nline 3: /marital_status is not one of the codes S, M, W, A, D, L, U\n');
    expect(
      readFileSync(report, 'utf8')
        .trim()
        .split('\n')
        .map((line) => (JSON.parse(line) as { line: number }).line),
    ).toEqual([2, 3]);
  });

  it('writes no report over what it reads, or where it cannot, and reads nothing then', async () => {
    const text = `${JSON.stringify(person('r1'))}\n{\n`;
    const file = write('kept.ndjson', text);
    const other = join(dci.folder, 'link.ndjson');
    symlinkSync(file, other);
    for (const [report, told] of [
      [file, 'would be lost'],
      [other, 'would be lost'],
      [join(dci.folder, 'nowhere', 'x'), 'cannot be written'],
    ] as const)
      expect(await dci.run('import', '--registry', 'social', '--report', report, file)).toMatchObject({
        status: 2,
        out: '',
        err: expect.stringContaining(told),
      });
    expect(readFileSync(file, 'utf8')).toBe(text);
    expect((await dci.run('record', 'show', '--registry', 'social', 'UIN=r1')).status).toBe(1);
  });

  it('knows what it reads from stdin', () => {
    const text = `${JSON.stringify(person('r2'))}\n`;
    const file = write('redirected.ndjson', text);
    const entry = new URL('../../bin/dci.mjs', import.meta.url).pathname;
    const { status, stderr } = spawnSync(process.execPath, [entry, 'import', '--registry', 'social', '--report', file, '-'], {
      stdio: [openSync(file, 'r'), 'pipe', 'pipe'],
    });
    expect({ status, err: stderr.toString() }).toEqual({ status: 2, err: expect.stringContaining('would be lost') });
    expect(readFileSync(file, 'utf8')).toBe(text);
  });

  it('reads CSV, with a mapping and without', async () => {
    const plain = write('plain.csv', 'UIN,given_name,dob\n10,Ada,1990-02-03\n11,Bo,soon\n');
    expect(await dci.run('import', '--registry', 'social', plain)).toMatchObject({
      status: 1,
      err: expect.stringContaining('line 3: /demographic_info/birth_date'),
    });
    const mapped = write('mapped.txt', 'No,Points\nH1,4.5\n');
    const mapping = write('mapping.json', '{"No": "HHID", "Points": "poverty_score"}');
    const finished = await dci.run('import', '--registry', 'social', '--type', 'Household', '--mapping', mapping, mapped);
    expect(finished).toMatchObject({ status: 0, err: '' });
    const shown = await dci.run('record', 'show', '--registry', 'social', 'HHID=H1');
    expect(JSON.parse(shown.out)).toMatchObject({ poverty_score: 4.5, member_list: [] });
  });

  it.each([
    [['import', '--registry', 'farm', 'x.ndjson'], 'there is no registry farm'],
    [['import', '--registry', 'social', '/nowhere.ndjson'], 'there is no file /nowhere.ndjson'],
    [['import', '--registry', 'social', '--type', 'farm', 'package.json'], 'farm is no record type of social'],
    [['import', '--registry', 'social', '--mapping', '/nowhere.json', 'package.json'], 'cannot be read as JSON'],
    [['record', 'show', '--registry', 'social', '991'], 'names no record'],
    [['record', 'link', '--registry', 'social', 'UIN=1', 'UIN=2'], 'has no members'],
    [['generate'], '--persons or --locations is needed'],
    [['generate', '--persons', '0'], 'a whole number from 1'],
    [['generate', '--persons', '5', '--as-of', '2026-02-30'], 'a date like'],
  ])('%j is told to be wrong', async (args, reason) => {
    expect(await dci.run(...args)).toMatchObject({ status: 2, out: '', err: expect.stringContaining(reason) });
  });
});

describe('dci generate', () => {
  it('writes what dci import reads', async () => {
    const generated = await dci.run('generate', '--persons', '40', '--seed', '7');
    expect(generated.out).toBe((await dci.run('generate', '--persons', '40', '--seed', '7')).out);
    const file = write('generated.ndjson', generated.out);
    expect(await dci.run('import', '--registry', 'social', file)).toMatchObject({ status: 0, err: '' });
  });

  it('writes the locations those persons live in', async () => {
    const { out } = await dci.run('generate', '--locations');
    expect(out.split('\n').slice(0, 3)).toEqual(['code,name,type,parent', 'XZ,Marenda,country,', 'XZ-01,Capital,region,XZ']);
  });
});

describe('dci record', () => {
  it('puts, links, shows, unlinks and deletes', async () => {
    const social = ['--registry', 'social'];
    expect(await dci.run('record', 'put', ...social, write('p.json', JSON.stringify(person('20'))))).toMatchObject({
      status: 0,
      out: 'created: person, version 1\n',
    });
    const household = write('h.json', JSON.stringify(group('H20', { member_list: [reference('20')] })));
    expect(JSON.parse((await dci.run('record', 'put', ...social, '--json', household)).out)).toEqual({
      status: 'created',
      record_type: 'group',
      version: 1,
    });
    expect(await dci.run('record', 'link', ...social, 'HHID=H20', 'NID=20', '--head')).toMatchObject({
      status: 0,
      out: 'linked NID=20 to HHID=H20\n',
    });
    expect(JSON.parse((await dci.run('record', 'show', ...social, 'HHID=H20')).out)).toMatchObject({
      group_size: 1,
      group_head_info: { '@type': 'Member' },
    });
    expect(await dci.run('record', 'unlink', ...social, 'HHID=H20', 'UIN=20')).toMatchObject({ status: 0 });
    expect(await dci.run('record', 'unlink', ...social, 'HHID=H20', 'UIN=20')).toMatchObject({ status: 0, out: 'nothing to change\n' });
    expect(await dci.run('record', 'delete', ...social, 'UIN=20')).toMatchObject({ status: 0 });
    expect(await dci.run('record', 'delete', ...social, 'UIN=20')).toMatchObject({
      status: 1,
      err: expect.stringContaining('UIN=20 is not in the registry'),
    });
    expect(await dci.run('record', 'show', ...social, 'UIN=20')).toMatchObject({ status: 1 });
  });

  it('refuses a bad record with the places that are wrong', async () => {
    const bad = write('bad.json', JSON.stringify(person('21', { shoe: 1 })));
    expect(await dci.run('record', 'put', '--registry', 'social', bad)).toMatchObject({
      status: 1,
      err: expect.stringContaining('/shoe is not a field of this registry'),
    });
    expect(await dci.run('record', 'put', '--registry', 'social', write('no.json', '{'))).toMatchObject({
      status: 1,
      err: expect.stringContaining('is no JSON'),
    });
  });
});

describe('dci profile', () => {
  it('lists, shows and checks', async () => {
    expect((await dci.run('profile', 'list')).out).toMatch(/^social +sr/m);
    expect((await dci.run('profile', 'show', 'social')).out).toMatch(/^poverty_score +decimal +poverty_score +financial/m);
    expect(JSON.parse((await dci.run('profile', 'show', 'social', '--json')).out)).toMatchObject({ registry: 'social' });
    expect(await dci.run('profile', 'check')).toMatchObject({ status: 0, out: 'social: fine\n' });
    expect(await dci.run('profile', 'show', 'farm')).toMatchObject({ status: 2 });
  });
});
