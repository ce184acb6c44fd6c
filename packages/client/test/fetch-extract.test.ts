import { type ExtractManifest, generateSigningKey } from '@dci/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createDciClient, DciAnswerError, type DciClient, type DciClientOptions } from '../src/index.ts';
import { type ExtractServer, startExtractServer } from './support/extract-server.ts';
import { CREDENTIALS } from './support/registry.ts';
import { type SealedExtract, sealExtract } from './support/sealed-extract.ts';

let server: ExtractServer;
let extract: SealedExtract;

beforeEach(async () => {
  extract = await sealExtract({ rows: 50_000 });
  const { jws, sealed, manifest, signingKey } = extract;
  server = await startExtractServer({
    manifest: jws,
    content: sealed,
    etag: `"${manifest.content.sha256}"`,
    publishedKeys: [signingKey],
  });
});
afterEach(() => server.close());

function connect(options: Partial<DciClientOptions> = {}): DciClient {
  return createDciClient({
    baseUrl: server.baseUrl,
    senderId: 'partner.example.org',
    receiverId: 'registry.example.org',
    credentials: CREDENTIALS,
    ...options,
  });
}

async function read(from?: number, manifest: ExtractManifest = extract.manifest): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of connect().readExtract(server.url, manifest, from)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

describe('the manifest', () => {
  it('is fetched and verified', async () => {
    expect(await connect().fetchExtractManifest(server.url)).toEqual({ manifest: extract.manifest, jws: extract.jws });
  });

  it('is verified by a key that was published in the meantime', async () => {
    const client = connect({ clock: () => clock });
    let clock = Date.now();
    server.publishedKeys = [generateSigningKey('ES256')];
    await expect(client.fetchExtractManifest(server.url)).rejects.toBeInstanceOf(DciAnswerError);
    server.publishedKeys = [extract.signingKey];
    clock += 11_000;
    expect((await client.fetchExtractManifest(server.url)).manifest).toEqual(extract.manifest);
  });

  it.each<[string, (made: ExtractManifest) => ExtractManifest]>([
    ['made out to another', (made) => ({ ...made, recipient: 'other.example.org' })],
    ['of another registry', (made) => ({ ...made, sender_id: 'other.example.org' })],
  ])('is refused when it is %s', async (_, change) => {
    server.manifest = (await sealExtract({ rows: 1, change, signingKey: extract.signingKey })).jws;
    await expect(connect().fetchExtractManifest(server.url)).rejects.toBeInstanceOf(DciAnswerError);
  });

  it('is refused with a signature that is not of the server', async () => {
    server.manifest = (await sealExtract({ rows: 1 })).jws;
    await expect(connect().fetchExtractManifest(server.url)).rejects.toBeInstanceOf(DciAnswerError);
  });

  it('is not there: the refusal is told', async () => {
    await expect(connect().fetchExtractManifest(`${server.baseUrl}/registry/extracts/e-2`)).rejects.toMatchObject({
      status: 404,
      code: 'err.request.not_found',
    });
  });

  it('is asked for at the server of the token, and nowhere else', async () => {
    await expect(connect().fetchExtractManifest('http://127.0.0.1:9/base/registry/extracts/e-1')).rejects.toThrow(/token/);
    await expect(connect().fetchExtractManifest(`${server.baseUrl}.example.org/registry/extracts/e-1`)).rejects.toThrow(/token/);
  });
});

describe('the content', () => {
  it('is given', async () => {
    expect((await read()).equals(extract.sealed)).toBe(true);
    expect(server.asked).toHaveLength(1);
    expect(server.asked[0]?.range).toBeUndefined();
  });

  it('is given from a place on', async () => {
    expect((await read(1_000_000)).equals(extract.sealed.subarray(1_000_000))).toBe(true);
    expect(server.asked[0]).toMatchObject({ range: 'bytes=1000000-', 'if-range': server.etag });
    expect(await read(extract.sealed.length)).toHaveLength(0);
  });

  it('goes on where the connection broke', async () => {
    server.breaks = [700_000, 0, 100_000];
    expect((await read()).equals(extract.sealed)).toBe(true);
    expect(server.asked).toHaveLength(4);
    for (const headers of server.asked.slice(1)) expect(headers).toMatchObject({ 'if-range': server.etag });
  });

  it('goes on at a server that knows no ranges', async () => {
    server.ranges.known = false;
    server.breaks = [700_000];
    expect((await read()).equals(extract.sealed)).toBe(true);
    expect(server.asked).toHaveLength(2);
  });

  it('goes on after refusals that pass, not after others', async () => {
    server.refusals = [503, 429];
    expect((await read()).equals(extract.sealed)).toBe(true);
    server.refusals = [404];
    await expect(read()).rejects.toMatchObject({ status: 404 });
    expect(server.refusals).toEqual([]);
  });

  it('is given up when nothing comes', async () => {
    server.refusals = Array.from({ length: 9 }, () => 503);
    await expect(read()).rejects.toMatchObject({ status: 503 });
    expect(server.asked).toHaveLength(5);
  });

  it('is fetched with a new token where the old one is refused', async () => {
    const client = connect();
    server.validTokens = new Set(['token-2']);
    expect((await client.fetchExtractManifest(server.url)).manifest).toEqual(extract.manifest);
    await client.readExtract(server.url, extract.manifest)[Symbol.asyncIterator]().next();
    expect(server.asked.map(({ authorization }) => authorization)).toEqual(['Bearer token-2']);
  });

  it.each([0, 1_000_000])('of another version is not given, from byte %i', async (from) => {
    const other = await sealExtract({ rows: 50_000 });
    server.content = other.sealed;
    server.etag = `"${other.manifest.content.sha256}"`;
    await expect(read(from)).rejects.toThrow(/another file/);
  });

  it('of another version is not appended after a broken connection', async () => {
    const other = await sealExtract({ rows: 50_000 });
    server.breaks = [700_000];
    const reading = connect().readExtract(server.url, extract.manifest)[Symbol.asyncIterator]();
    await reading.next();
    server.content = other.sealed;
    server.etag = `"${other.manifest.content.sha256}"`;
    const failure = (async () => {
      while ((await reading.next()).done !== true);
    })();
    await expect(failure).rejects.toThrow(/another file/);
  });

  it('is refused when it is another part than was asked for, or too much', async () => {
    server.ranges.wrong = true;
    await expect(read(5)).rejects.toThrow(/another part/);
    server.ranges.wrong = false;
    server.content = Buffer.concat([extract.sealed, Buffer.from('x')]);
    await expect(read()).rejects.toThrow(/more than/);
  });
});
