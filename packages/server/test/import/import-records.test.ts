import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { generateSocialPopulation } from '../../src/profiles/population/social-population.ts';
import { type ImportReport, importRecords, type RefusedLine } from '../../src/services/import-records.ts';
import { readNdjson } from '../../src/services/read-ndjson.ts';
import { group, openRegistry, person, reference, type RegistryFixture } from '../records/registry-fixture.ts';
import { schoolProfile } from '../support/school-profile.ts';

let registry: RegistryFixture;
let folder: string;

beforeEach(async () => {
  registry = await openRegistry();
  folder = mkdtempSync(join(tmpdir(), 'dci-import-'));
});

afterEach(async () => {
  rmSync(folder, { recursive: true });
  await registry.close();
});

function population(persons: number): string {
  return [...generateSocialPopulation({ persons, seed: 'import', referenceDate: '2026-01-01' })]
    .map((line) => `${JSON.stringify(line)}\n`)
    .join('');
}

async function* whole(text: string | Buffer): AsyncGenerator<Buffer> {
  yield Buffer.from(text);
}

async function importText(
  text: string | Buffer,
  into: RegistryFixture = registry,
): Promise<{ report: ImportReport; refused: RefusedLine[] }> {
  const refused: RefusedLine[] = [];
  const report = await importRecords(into.database.db, into.profile, readNdjson(whole(text)), { onRefused: (line) => refused.push(line) });
  return { report, refused };
}

describe('an import', () => {
  it('brings in a population, and changes nothing when it is done again', async () => {
    const text = population(2_500);
    const groups = text.split('\n').filter((line) => line.includes('"@type":"Group"')).length;
    const { report, refused } = await importText(text);
    expect(refused).toEqual([]);
    expect(report).toMatchObject({ refused: 0, created: 2_500 + groups, updated: 0, unchanged: 0 });
    const contents = await registry.contents();
    await registry.events();
    expect((await importText(text)).report).toMatchObject({ created: 0, updated: 0, unchanged: 2_500 + groups });
    expect(await registry.events()).toEqual([]);
    expect(await registry.contents()).toEqual(contents);
  });

  it('tells what it refuses by line and reason, and takes everything else', async () => {
    const lines = [
      JSON.stringify(person('p1')),
      '{"@type": "Member", ',
      '',
      JSON.stringify(person('p2', { marital_status: 'happy' })),
      JSON.stringify(group('h1', { member_list: [person('p3'), person('p4', {}, { birth_date: 'then' })] })),
      JSON.stringify(group('h2', { member_list: [reference('nobody')] })),
      JSON.stringify(group('h3', { member_list: [reference('p1'), person('p5')] })),
      '"text"',
    ];
    const { report, refused } = await importText(`${lines.join('\r\n')}\n`);
    expect(refused.toSorted((a, b) => a.line - b.line)).toEqual([
      { line: 2, problems: [{ pointer: '', text: 'is no JSON' }] },
      { line: 4, problems: [{ pointer: '/marital_status', text: 'is not one of the codes S, M, W, A, D, L, U' }] },
      { line: 5, problems: [{ pointer: '/member_list/1/demographic_info/birth_date', text: 'is no date in ISO 8601, e.g. 1985-05-20' }] },
      { line: 6, problems: [{ pointer: '/member_list/0', text: 'refers to a person that is not in the registry' }] },
      { line: 8, problems: [{ pointer: '', text: 'is no object' }] },
    ]);
    expect(report).toEqual({ lines: 7, refused: 5, created: 3, updated: 0, unchanged: 0 });
  });

  it('finds the line that the database refuses, and takes its neighbours', async () => {
    await registry.rows(`alter table record_social_person add constraint no_thirteen check (body not like '%"p13"%')`);
    const lines = Array.from({ length: 40 }, (_, index) => JSON.stringify(person(`p${index}`)));
    const { report, refused } = await importText(lines.join('\n'));
    expect(report).toMatchObject({ lines: 40, refused: 1, created: 39 });
    expect(refused).toMatchObject([{ line: 14, problems: [{ text: expect.stringContaining('was refused by the database') }] }]);
  });

  it('holds no more than a batch in memory: a line is decided long before the last one is read', async () => {
    const decided: number[] = [];
    let written = 0;
    async function* endless(): AsyncGenerator<Buffer> {
      for (; written < 30; written += 1) {
        yield Buffer.from(Array.from({ length: 500 }, (_, index) => `${JSON.stringify(person(`e${written}-${index}`))}\n`).join(''));
      }
    }
    await importRecords(registry.database.db, registry.profile, readNdjson(endless()), {
      onRefused: () => undefined,
      onProgress: () => decided.push(written),
    });
    expect(decided.length).toBeGreaterThanOrEqual(15);
    expect(decided[2]).toBeLessThan(12);
  });

  it('ends in the same state when it was killed on the way and is done again', async () => {
    const file = join(folder, 'population.ndjson');
    writeFileSync(file, population(6_000));
    const script = fileURLToPath(new URL('./import-process.ts', import.meta.url));
    const connection = JSON.stringify(registry.database.connection);
    for (const batches of [1, 3]) {
      const child = spawn(process.execPath, [script, connection, file], { stdio: ['ignore', 'pipe', 'inherit'] });
      let told = 0;
      child.stdout.on('data', (chunk: Buffer) => {
        told += chunk.toString().split('\n').length - 1;
        if (told >= batches) child.kill('SIGKILL');
      });
      expect((await once(child, 'exit'))[1]).toBe('SIGKILL');
    }
    const half = await registry.rows('select count(*)::int as count from record_social_person');
    expect(half[0]?.['count']).toBeGreaterThan(900);
    expect(half[0]?.['count']).toBeLessThan(6_000);
    const groupsWithoutTheirMembers = `select 1 from record_social_group g where a_group_size <> (select count(*) from membership where group_id = g.id)`;
    expect(await registry.rows(groupsWithoutTheirMembers)).toEqual([]);
    await importRecords(registry.database.db, registry.profile, readNdjson(createReadStream(file)), { onRefused: () => undefined });
    const other = await openRegistry();
    await importRecords(other.database.db, other.profile, readNdjson(createReadStream(file)), { onRefused: () => undefined });
    expect(await registry.contents()).toEqual(await other.contents());
    expect(await registry.rows('select count(*)::int as count from change_event')).toEqual(
      await other.rows('select count(*)::int as count from change_event'),
    );
    await other.close();
  });
});

describe('a registry that is declared by a profile alone', () => {
  it('is imported into like any other', async () => {
    const school = await openRegistry(schoolProfile);
    const pupil = (number: string, grade: unknown) => ({
      '@type': 'Student',
      pupil_number: [{ identifier_type: 'urn:school:pupil', identifier_value: number }],
      grade,
    });
    const lines = [
      {
        '@type': 'Class',
        class_number: [{ identifier_type: 'CLASS', identifier_value: '5b' }],
        room: '12',
        pupils: [pupil('1', 5), pupil('2', '5')],
        speaker: pupil('2', 5),
      },
      pupil('3', 14),
      { full_name: 'Nobody' },
      { '@type': 'Member' },
    ];
    const { report, refused } = await importText(lines.map((line) => JSON.stringify(line)).join('\n'), school);
    expect(report).toEqual({ lines: 4, refused: 3, created: 3, updated: 0, unchanged: 0 });
    expect(refused.map(({ line }) => line)).toEqual([2, 3, 4]);
    const [found] = await school.rows('select a_room, a_headcount::int from record_school_class');
    expect(found).toEqual({ a_room: '12', a_headcount: 2 });
    expect((await school.show({ recordType: 'class', type: 'CLASS', value: '5b' }))?.document).toMatchObject({
      '@type': 'SchoolClass',
      pupils: [{ '@type': 'Pupil' }, { '@type': 'Pupil' }],
      speaker: { pupil_number: [{ identifier_type: 'PUPIL', identifier_value: '2' }] },
    });
    await school.close();
  });
});
