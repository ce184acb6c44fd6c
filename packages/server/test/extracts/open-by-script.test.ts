import { spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateSigningKey, importDecryptionKey, importPrivateKey, publicJwk, type SigningKey } from '@dci/protocol';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type SealedExtract, sealExtract } from '../../../client/test/support/sealed-extract.ts';
import { runHere } from '../partners/command-line.ts';
import { makeCounted, putCounted } from '../statistics/counted-population.ts';
import { startRecordingReceiver } from '../support/recording-receiver.ts';
import { startTestApp } from '../support/test-app.ts';
import { addResearcher, askExport, fetchBytes, LOCAL_CALLBACKS } from './extract-fixture.ts';

/** The script that docs/extracts.md shows, on sealed files: it shares no code with this project. */

const TOOLS = ['bash', 'openssl', 'python3', 'base64', 'gzip'];
const missing = TOOLS.filter((tool) => spawnSync(tool, [tool === 'openssl' ? 'version' : '--version']).status !== 0);
if (missing.length > 0) console.warn(`skipped: extracts opened by openssl, there is no ${missing.join(', no ')}`);

const page = readFileSync(new URL('../../../../docs/extracts.md', import.meta.url), 'utf8');
const [, SCRIPT] = /```bash\n(#!\/usr\/bin\/env bash\n.*?)```/s.exec(page) ?? [];

const RSA = (): SigningKey => importPrivateKey(generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' }));
const PSS = (): SigningKey =>
  importPrivateKey(generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' }), { algorithm: 'PS256' });

describe.skipIf(missing.length > 0)('the script of docs/extracts.md', () => {
  let folder: string;
  let extract: SealedExtract;

  beforeAll(async () => {
    extract = await sealExtract({ rows: 90_000, kind: 'rsa' });
    expect(extract.manifest.content.segments).toBeGreaterThan(2);
  });
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'dci-script-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  interface Files extends Pick<SealedExtract, 'sealed' | 'jws' | 'signingKey' | 'decryptionKey'> {
    readonly keys?: readonly SigningKey[];
  }

  function run({ sealed, jws, signingKey, decryptionKey, keys = [generateSigningKey('EdDSA'), signingKey] }: Files) {
    const write = (name: string, content: string | Buffer): string => {
      writeFileSync(join(folder, name), content);
      return join(folder, name);
    };
    const { status, stdout, stderr } = spawnSync(
      'bash',
      [
        write('open-extract.sh', SCRIPT ?? ''),
        write('x.sealed', sealed),
        write('x.jws', `${jws}\n`),
        write('private.pem', decryptionKey.key.export({ type: 'pkcs8', format: 'pem' })),
        write('jwks.json', JSON.stringify({ keys: keys.map(publicJwk) })),
        join(folder, 'rows'),
      ],
      { env: { ...process.env, TMPDIR: folder } },
    );
    return { status, out: stdout.toString(), err: stderr.toString() };
  }

  const rows = (): string => readFileSync(join(folder, 'rows'), 'utf8');

  it.each<[string, () => SigningKey]>([
    ['ES256', () => generateSigningKey('ES256')],
    ['EdDSA', () => generateSigningKey('EdDSA')],
    ['RS256', RSA],
    ['PS256', PSS],
  ])('opens an extract that is signed by %s', async (_, makeKey) => {
    const signed = await sealExtract({ rows: 12, kind: 'rsa', signingKey: makeKey() });
    expect(run(signed)).toEqual({
      status: 0,
      out: `${join(folder, 'rows')}: 12 rows of social Person from registry.example.org for partner.example.org, k = 10\n`,
      err: '',
    });
    expect(rows()).toBe(signed.text);
  });

  it('opens one of several segments, and one without rows', async () => {
    expect(run(extract)).toMatchObject({ status: 0, err: '' });
    expect(rows() === extract.text).toBe(true);
    const empty = await sealExtract({ rows: 0, kind: 'rsa' });
    expect(run(empty)).toMatchObject({ status: 0, err: '' });
    expect(rows()).toBe('');
  });

  it('counts the rows of CSV without its header', async () => {
    const csv = await sealExtract({ rows: 12, kind: 'rsa', format: 'csv', text: 'sex\r\nfemale\r\nmale\r\n', records: 2 });
    expect(run(csv)).toMatchObject({ status: 0, out: expect.stringContaining('2 rows'), err: '' });
    expect(rows()).toBe('sex\r\nfemale\r\nmale\r\n');
  });

  function refused(files: Files, message: RegExp): void {
    expect(run(files)).toMatchObject({ status: 1, out: '', err: expect.stringMatching(message) });
    expect(existsSync(join(folder, 'rows'))).toBe(false);
    // Nothing of what was opened stays.
    expect(readdirSync(folder).toSorted()).toEqual(['jwks.json', 'open-extract.sh', 'private.pem', 'x.jws', 'x.sealed']);
  }

  it('refuses a file that was cut off or altered, in a tag too', () => {
    refused({ ...extract, sealed: extract.sealed.subarray(0, -1) }, /another size/);
    for (const at of [0, 1_048_576, extract.sealed.length - 1]) {
      const altered = Buffer.from(extract.sealed);
      altered[at] = (altered[at] ?? 0) ^ 1;
      refused({ ...extract, sealed: altered }, /sealed file has another SHA-256/);
    }
  });

  it('refuses a manifest that the registry has not signed', () => {
    const [header = '', payload = '', signature = ''] = extract.jws.split('.');
    const other = Buffer.from(JSON.stringify({ ...extract.manifest, recipient: 'somebody.example.org' })).toString('base64url');
    refused({ ...extract, jws: `${header}.${other}.${signature}` }, /does not fit/);
    refused({ ...extract, jws: `${header}.${payload}.${Buffer.alloc(64, 1).toString('base64url')}` }, /does not fit/);
    refused({ ...extract, keys: [generateSigningKey('ES256')] }, /no key of the registry/);
    refused({ ...extract, keys: [{ ...generateSigningKey('ES256'), kid: extract.signingKey.kid }] }, /does not fit/);
  });

  it('refuses another private key', async () => {
    refused({ ...extract, decryptionKey: (await sealExtract({ rows: 0, kind: 'rsa' })).decryptionKey }, /another key/);
  });

  it('refuses what is in it where that is not as the manifest says', async () => {
    const zeros = '0'.repeat(64);
    const hash = await sealExtract({
      rows: 12,
      kind: 'rsa',
      change: (made) => ({ ...made, content: { ...made.content, plain: { ...made.content.plain, sha256: zeros } } }),
    });
    refused(hash, /what is in it has another SHA-256/);
    refused(await sealExtract({ rows: 12, kind: 'rsa', records: 13 }), /12 rows instead of 13/);
  });

  it('opens what a registry has made, and dci was told to fetch, and gives the same rows as dci', async () => {
    const test = await startTestApp({}, LOCAL_CALLBACKS);
    const receiver = await startRecordingReceiver(test.base);
    try {
      await putCounted(test.database, makeCounted(400));
      const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
      const own = importDecryptionKey(privateKey.export({ format: 'jwk' }));
      const researcher = await addResearcher({ test, receiver }, 'university.test', {}, own);
      const { extract: made } = await askExport({ test, receiver }, researcher, { dimensions: ['sex'] });
      if (made === undefined) throw new Error('no extract was made');
      const files = ['x.sealed', 'x.sealed.jws', 'private.pem', 'jwks.json', 'by-script', 'by-dci'].map((name) => join(folder, name));
      const [sealed = '', manifest = '', key = '', jwks = '', byScript = '', byDci = ''] = files;
      writeFileSync(key, privateKey.export({ type: 'pkcs8', format: 'pem' }));
      writeFileSync(jwks, Buffer.from(await (await fetchBytes(`${test.base}/.well-known/jwks.json`, undefined)).arrayBuffer()));
      const as = ['--server', test.base, '--sender-id', 'university.test', '--token', researcher.token];
      expect(await runHere({}, ['extract', 'fetch', made.url, ...as, '--out', sealed])).toMatchObject({ status: 0, err: '' });
      writeFileSync(join(folder, 'open-extract.sh'), SCRIPT ?? '');
      const script = spawnSync('bash', [join(folder, 'open-extract.sh'), sealed, manifest, key, jwks, byScript]);
      expect({ status: script.status, err: script.stderr.toString() }).toEqual({ status: 0, err: '' });
      const decrypted = await runHere({}, ['extract', 'decrypt', sealed, '--key', key, '--jwks', jwks, '--out', byDci]);
      expect(decrypted).toMatchObject({ status: 0, err: '' });
      const text = readFileSync(byScript, 'utf8');
      expect(text.split('\n')).toHaveLength(made.records + 1);
      expect(made.records).toBeGreaterThan(100);
      expect(readFileSync(byDci, 'utf8')).toBe(text);
    } finally {
      await test.close();
      await receiver.close();
    }
  });
});
