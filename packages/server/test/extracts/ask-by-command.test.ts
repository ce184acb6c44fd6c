import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { holdJobs, resumeJobs } from '../../src/store/lanes.ts';
import { type Finished, runHere } from '../partners/command-line.ts';
import { makeCounted } from '../statistics/counted-population.ts';
import { addResearcher, type Json, openExtractWorld, type Researcher } from './extract-fixture.ts';

/** A researcher that nobody can call, and nothing but `dci`: asks, waits, fetches, opens. */
let world: Awaited<ReturnType<typeof openExtractWorld>>;
let researcher: Researcher;
let folder: string;

beforeAll(async () => {
  world = await openExtractWorld(makeCounted(400));
  researcher = await addResearcher(world, 'university.test', { notifyUri: '' });
  folder = mkdtempSync(join(tmpdir(), 'dci-ask-'));
}, 90_000);
afterAll(async () => {
  rmSync(folder, { recursive: true });
  await world.close();
});

function write(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

function as({ senderId, token, key }: Researcher): string[] {
  const file = write(`${senderId}.pem`, key.key.export({ type: 'pkcs8', format: 'pem' }).toString());
  const connection = ['--server', world.test.base, '--sender-id', senderId, '--token', token];
  return [...connection, '--key', file, '--key-id', key.kid, '--registry', 'social'];
}

const extract = (...args: string[]): Promise<Finished> => runHere({}, ['extract', ...args]);

describe('dci extract ask', () => {
  it('waits until it is made, and prints where it is fetched and opened', async () => {
    const asked = await extract('ask', ...as(researcher), '--dimensions', 'sex', '--record-type', 'SRPerson', '--format', 'csv');
    expect(asked).toMatchObject({ status: 0, err: expect.stringMatching(/^\d+ rows, \d+ bytes; fetch it before /) });
    expect(asked.out).toMatch(new RegExp(`^${world.test.base}/registry/extracts/[0-9a-f-]{36}\n$`));
    const sealed = join(folder, 'persons.sealed');
    const connection = as(researcher).slice(0, 6);
    expect((await extract('fetch', asked.out.trim(), ...connection, '--out', sealed)).status).toBe(0);
    const own = write('own.jwk', JSON.stringify(researcher.decryptionKey.key.export({ format: 'jwk' })));
    const rows = join(folder, 'persons.csv');
    const opened = await extract('decrypt', sealed, '--key', own, '--jwks', `${world.test.base}/.well-known/jwks.json`, '--out', rows);
    expect(opened).toMatchObject({ status: 0 });
    const [head, ...lines] = readFileSync(rows, 'utf8').trimEnd().split('\r\n');
    expect(head?.split(',')).toContain('sex');
    expect(lines).toHaveLength(Number(/^\d+/.exec(asked.err)?.[0]));
  });

  it('takes a condition from a file, and tells a program what was made', async () => {
    const condition = { expression1: { attribute_name: 'sex', operator: 'eq', attribute_value: 'female' } };
    const criteria = write('women.json', JSON.stringify({ query_type: 'predicate', query: [condition], dimensions: ['region'] }));
    const made: Json[] = [];
    for (const what of [
      ['--dimensions', 'region,sex'],
      ['--criteria', criteria],
    ]) {
      const { status, out } = await extract('ask', ...as(researcher), '--json', ...what);
      expect(status).toBe(0);
      made.push(JSON.parse(out) as Json);
    }
    const [all, women] = made;
    expect(women).toMatchObject({ extract_id: expect.any(String), expires_at: expect.any(String), sha256: expect.any(String) });
    expect(Number(women?.['records'])).toBeGreaterThan(0);
    expect(Number(women?.['records'])).toBeLessThan(Number(all?.['records']));
  });

  it('need not wait: who asks later, or again, finds it', async () => {
    const { db, pool } = world.test.database;
    const { rows } = await pool.query<{ id: string }>('select id from partner where sender_id = $1', [researcher.senderId]);
    const held = { kind: 'export', owner: rows[0]?.id ?? '' };
    await holdJobs(db, { ...held, until: undefined, reason: 'test' });
    const asked = await extract('ask', ...as(researcher), '--dimensions', 'sex', '--no-wait');
    expect(asked).toMatchObject({ status: 0, out: expect.stringMatching(/^[0-9a-f-]{36}\n$/) });
    const transaction = asked.out.trim();
    const tooSoon = await extract('wait', transaction, ...as(researcher), '--timeout', '1');
    expect(tooSoon).toMatchObject({
      status: 1,
      out: '',
      err: expect.stringContaining(`still being made; see "dci extract wait ${transaction}" later`),
    });
    await db.transaction().execute((open) => resumeJobs(open, held));
    expect(await extract('wait', transaction, ...as(researcher))).toMatchObject({
      status: 0,
      out: expect.stringContaining('/registry/extracts/'),
    });
  });

  it('says why none is made', async () => {
    const refused = await extract('ask', ...as(researcher), '--dimensions', 'given_name');
    expect(refused).toMatchObject({
      status: 1,
      out: '',
      err: expect.stringMatching(/refused with rjct\.filter\.invalid: .* counted by region, district/),
    });
    const keyless = await world.test.addPartner('keyless.test', { scopes: ['registry/search', 'registry/export'], fields: 'research' });
    expect(await extract('ask', ...as({ ...keyless, decryptionKey: researcher.decryptionKey }), '--dimensions', 'sex')).toMatchObject({
      status: 1,
      err: expect.stringContaining('err.encryption.invalid'),
    });
  });

  it('finds no request of anybody else', async () => {
    const other = await addResearcher(world, 'other.test', { notifyUri: '' });
    const { out } = await extract('ask', ...as(researcher), '--dimensions', 'sex', '--no-wait');
    for (const transaction of [out.trim(), randomUUID()])
      expect(await extract('wait', transaction, ...as(other))).toMatchObject({
        status: 1,
        out: '',
        err: expect.stringContaining('no such request of yours is known'),
      });
  });

  it.each([
    ['without columns', [], '--dimensions'],
    ['with a file of several', ['--criteria', 'LIST'], 'an extract is asked for by itself'],
    ['with a format that there is not', ['--dimensions', 'sex', '--format', 'xlsx'], 'csv'],
  ])('is not called %s', async (_name, args, told) => {
    const list = write('list.json', '[{"dimensions": ["sex"]}, {"dimensions": ["region"]}]');
    const given = args.map((text) => (text === 'LIST' ? list : text));
    expect(await extract('ask', ...as(researcher), ...given)).toMatchObject({ status: 2, err: expect.stringContaining(told) });
  });
});
