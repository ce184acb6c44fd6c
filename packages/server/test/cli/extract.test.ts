import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { generateSigningKey, publicJwk, type SigningKey } from '@dci/protocol';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type ExtractServer, startExtractServer } from '../../../client/test/support/extract-server.ts';
import { type SealedExtract, sealExtract } from '../../../client/test/support/sealed-extract.ts';
import { type Finished, runHere } from '../partners/command-line.ts';

let extract: SealedExtract;
let csv: SealedExtract;
let server: ExtractServer;
let folder: string;

beforeAll(async () => {
  [extract, csv] = await Promise.all([sealExtract({ rows: 50_000, kind: 'rsa' }), sealExtract({ rows: 20, format: 'csv' })]);
});
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'dci-extract-'));
  const { jws, sealed, manifest, signingKey } = extract;
  server = await startExtractServer({ manifest: jws, content: sealed, etag: `"${manifest.content.sha256}"`, publishedKeys: [signingKey] });
});
afterEach(async () => {
  rmSync(folder, { recursive: true });
  await server.close();
});

function write(name: string, content: string | Buffer): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

const writeJwks = (key: SigningKey): string => write('jwks.json', JSON.stringify({ keys: [publicJwk(key)] }));

describe('dci extract fetch', () => {
  const out = (): string => join(folder, 'persons.sealed');
  const part = (): string => `${out()}.${extract.manifest.content.sha256.slice(0, 16)}.part`;

  function fetchExtract(...args: string[]): Promise<Finished> {
    const as = ['--sender-id', 'partner.example.org', '--receiver-id', 'registry.example.org', '--token', 'token-1'];
    return runHere({}, ['extract', 'fetch', server.url, '--server', server.baseUrl, ...as, '--out', out(), ...args]);
  }

  it('writes the sealed file and its manifest, for nobody else to read', async () => {
    const { status, out: told, err } = await fetchExtract();
    expect({ status, err }).toEqual({ status: 0, err: '' });
    expect(told.split('\n')).toEqual([
      '50000 rows of social Person from registry.example.org, 2026-01-15T10:30:00Z: sex',
      'k = 10 over sex: 1 classes, the smallest of 50000 rows',
      'about 0 records have no row: those of small classes',
      `${out()}: sealed; its manifest: ${out()}.jws`,
      '',
    ]);
    expect(readFileSync(out()).equals(extract.sealed)).toBe(true);
    expect(readFileSync(`${out()}.jws`, 'utf8')).toBe(`${extract.jws}\n`);
    expect(readdirSync(folder).toSorted()).toEqual(['persons.sealed', 'persons.sealed.jws']);
    expect(statSync(out()).mode & 0o777).toBe(0o600);
  });

  it('goes on where an earlier run was cut off', async () => {
    writeFileSync(part(), extract.sealed.subarray(0, 900_000));
    const { status, out: told } = await fetchExtract('--json');
    expect(status).toBe(0);
    expect(JSON.parse(told)).toMatchObject({ file: out(), manifest_file: `${out()}.jws`, columns: ['sex'], k_anonymity: { k: 10 } });
    expect(server.asked.map(({ range }) => range)).toEqual(['bytes=900000-']);
    expect(readFileSync(out()).equals(extract.sealed)).toBe(true);
    expect(existsSync(part())).toBe(false);
  });

  it('keeps what came where the server is gone, for the next run', async () => {
    server.breaks = [900_000];
    server.refusals = [];
    const gone = Array.from({ length: 9 }, () => 503);
    const first = fetchExtract();
    while (server.asked.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    server.refusals = gone;
    expect(await first).toMatchObject({ status: 1, err: expect.stringMatching(/HTTP 503/) });
    expect(readdirSync(folder)).toEqual([part().slice(folder.length + 1)]);
    expect(extract.sealed.subarray(0, statSync(part()).size).equals(readFileSync(part()))).toBe(true);
    server.refusals = [];
    expect((await fetchExtract()).status).toBe(0);
    expect(readFileSync(out()).equals(extract.sealed)).toBe(true);
  });

  it('takes what an earlier run left of another version for nothing', async () => {
    const other = await sealExtract({ rows: 50_000 });
    writeFileSync(`${out()}.${other.manifest.content.sha256.slice(0, 16)}.part`, other.sealed.subarray(0, 900_000));
    expect((await fetchExtract()).status).toBe(0);
    expect(server.asked.map(({ range }) => range)).toEqual([undefined]);
    expect(readFileSync(out()).equals(extract.sealed)).toBe(true);
  });

  it('removes what does not fit in the end', async () => {
    const changed = Buffer.from(extract.sealed.subarray(0, 900_000));
    changed[0] = (changed[0] ?? 0) ^ 1;
    writeFileSync(part(), changed);
    expect(await fetchExtract()).toMatchObject({ status: 1, err: expect.stringMatching(/was removed/) });
    expect(readdirSync(folder)).toEqual([]);
  });

  it('leaves alone what is there: the same file, or another', async () => {
    write('persons.sealed', extract.sealed);
    expect((await fetchExtract()).status).toBe(0);
    expect(server.asked).toEqual([]);
    write('persons.sealed', 'something else');
    expect(await fetchExtract()).toMatchObject({ status: 1, err: expect.stringMatching(/is another file/) });
    expect(readFileSync(out(), 'utf8')).toBe('something else');
  });

  it('says why the server refuses, and leaves nothing', async () => {
    server.refusals = [404];
    expect(await fetchExtract()).toMatchObject({ status: 1, err: expect.stringMatching(/err\.request\.not_found \(HTTP 404\)/) });
    server.publishedKeys = [generateSigningKey('ES256')];
    expect(await fetchExtract()).toMatchObject({ status: 1, err: expect.stringMatching(/"kid" names no key/) });
    expect(readdirSync(folder).filter((name) => !name.endsWith('.part'))).toEqual([]);
  });

  it.each([
    ['no sender', ['--token', 't']],
    ['no token', ['--sender-id', 'partner.example.org']],
    ['no server', undefined],
  ])('is not called with %s', async (_, args) => {
    const { status } = await runHere({}, [
      'extract',
      'fetch',
      server.url,
      ...(args === undefined ? [] : ['--server', server.baseUrl, ...args]),
    ]);
    expect(status).toBe(2);
  });

  it('sends the token to no other server', async () => {
    expect(await fetchExtract('--server', 'https://registry.example.org/api/v2/dci')).toMatchObject({
      status: 2,
      err: expect.stringMatching(/below --server/),
    });
  });
});

describe('dci extract decrypt', () => {
  /** The files that are there, and the arguments that fit them. */
  function place({ sealed, jws, decryptionKey, signingKey }: SealedExtract): string[] {
    const key = write('private.pem', decryptionKey.key.export({ type: 'pkcs8', format: 'pem' }));
    write('x.sealed.jws', `${jws}\n`);
    return [write('x.sealed', sealed), '--key', key, '--jwks', writeJwks(signingKey)];
  }

  const decrypt = (...args: string[]): Promise<Finished> => runHere({}, ['extract', 'decrypt', ...args]);

  it('writes the rows, beside the sealed file', async () => {
    const args = place(extract);
    const before = readdirSync(folder);
    const { status, out, err } = await decrypt(...args);
    expect({ status, err }).toEqual({ status: 0, err: '' });
    const file = join(folder, `${extract.manifest.extract_id}.ndjson`);
    expect(out).toContain('50000 rows of social Person from registry.example.org');
    expect(out).toContain(`${file}: opened`);
    expect(readFileSync(file, 'utf8')).toBe(extract.text);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder)).toHaveLength(before.length + 1);
  });

  it('writes CSV, says so to a program, and asks the registry for its keys', async () => {
    const [file = '', , key = ''] = place(csv);
    server.publishedKeys = [csv.signingKey];
    const out = join(folder, 'rows.csv');
    const manifest = write('m.jws', csv.jws);
    const finished = await decrypt(file, '--key', key, '--server', server.baseUrl, '--manifest', manifest, '--out', out, '--json');
    expect(finished).toMatchObject({ status: 0, err: '' });
    expect(JSON.parse(finished.out)).toMatchObject({ file: out, gzip: false, format: 'csv', k_anonymity: { records: 20 } });
    expect(readFileSync(out, 'utf8')).toBe(csv.text);
    const again = await decrypt(file, '--key', key, '--jwks', `${server.baseUrl}/.well-known/jwks.json`, '--out', `${out}.2`);
    expect(again.status).toBe(0);
  });

  it('leaves it compressed when asked to', async () => {
    const { status } = await decrypt(...place(csv), '--gzip');
    expect(status).toBe(0);
    expect(gunzipSync(readFileSync(join(folder, `${csv.manifest.extract_id}.csv.gz`))).toString()).toBe(csv.text);
  });

  async function refused(args: readonly string[], message: RegExp, status = 1): Promise<void> {
    const before = readdirSync(folder);
    expect(await decrypt(...args)).toMatchObject({ status, out: '', err: expect.stringMatching(message) });
    expect(readdirSync(folder)).toEqual(before);
  }

  it.each<[string, (file: Buffer) => Buffer, RegExp]>([
    ['is cut off', (file) => file.subarray(0, -1), /bytes instead of/],
    ['goes on', (file) => Buffer.concat([file, file]), /more than/],
    ['is changed at its end', (file) => Buffer.concat([file.subarray(0, -1), Buffer.from([(file.at(-1) ?? 0) ^ 1])]), /segment 1/],
    ['has swapped segments', (file) => Buffer.concat([file.subarray(1_048_592), file.subarray(0, 1_048_592)]), /segment 0/],
  ])('leaves nothing of a file that %s', async (_, change, message) => {
    const args = place(extract);
    write('x.sealed', change(extract.sealed));
    await refused(args, message);
  });

  it('leaves nothing where a key is another', async () => {
    const args = place(extract);
    write('private.pem', csv.decryptionKey.key.export({ type: 'pkcs8', format: 'pem' }));
    await refused(args, /key of the extract/);
  });

  it('believes no manifest that the registry has not signed', async () => {
    const args = place(extract);
    writeJwks(generateSigningKey('ES256'));
    await refused(args, /"kid" names no key/);
    writeJwks({ ...generateSigningKey('ES256'), kid: extract.signingKey.kid });
    await refused(args, /does not fit/);
    write('x.sealed.jws', csv.jws);
    writeJwks(csv.signingKey);
    await refused(args, /key of the extract/);
  });

  it('leaves nothing where rows are missing', async () => {
    const short = await sealExtract({
      rows: 20,
      change: (made) => ({ ...made, k_anonymity: { ...made.k_anonymity, records: 21, smallest_class: 21 } }),
    });
    await refused(place(short), /20 rows instead of 21/);
  });

  it('overwrites nothing', async () => {
    const args = place(csv);
    const out = write('mine.csv', 'mine');
    await refused([...args, '--out', out], /is there already/);
    expect(readFileSync(out, 'utf8')).toBe('mine');
  });

  it('is not called without a key set, a key or a file', async () => {
    const [file = '', , key = '', , jwks = ''] = place(csv);
    await refused([file, '--key', key], /whose signature/, 2);
    await refused([file, '--key', join(folder, 'none.pem'), '--jwks', jwks], /cannot read/, 2);
    await refused([join(folder, 'none'), '--key', key, '--jwks', jwks], /cannot read/, 2);
    await refused([file, '--jwks', jwks], /--key/, 2);
  });
});
