import { gzipSync } from 'node:zlib';
import { SEGMENT_BYTES, SEGMENT_TAG_BYTES } from '@dci/protocol';
import { describe, expect, it } from 'vitest';
import { type ByteStream, DciAnswerError, openExtract, unpackExtract } from '../src/index.ts';
import { type SealedExtract, sealExtract } from './support/sealed-extract.ts';

const SEALED_SEGMENT = SEGMENT_BYTES + SEGMENT_TAG_BYTES;
// 90,000 pseudonyms of 24 random bytes.
const SEVERAL_SEGMENTS = 90_000;

async function* inPieces(bytes: Buffer, length = 65_536): ByteStream {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length);
}

async function gather(stream: ByteStream): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const openAll = (extract: SealedExtract, sealed = extract.sealed): Promise<Buffer> =>
  gather(openExtract(inPieces(sealed), extract.manifest, [extract.decryptionKey]));

describe.each(['ndjson', 'csv'] as const)('an extract as %s', (format) => {
  it.each([0, 1, 1000, SEVERAL_SEGMENTS])('of %i rows is opened and unpacked', async (rows) => {
    const extract = await sealExtract({ rows, format });
    expect(extract.manifest.content.segments).toBe(rows === SEVERAL_SEGMENTS ? Math.ceil(extract.packed.length / SEGMENT_BYTES) : 1);
    expect((await openAll(extract)).equals(extract.packed)).toBe(true);
    const text = await gather(unpackExtract(inPieces(extract.sealed), extract.manifest, [extract.decryptionKey]));
    expect(text.toString()).toBe(extract.text);
  });
});

it('is opened with a key of another kind, and found among several', async () => {
  const extract = await sealExtract({ rows: 10, kind: 'rsa' });
  const other = { ...(await sealExtract({ rows: 0 })).decryptionKey, kid: 'enc-0' };
  expect(
    (await gather(openExtract(inPieces(extract.sealed), extract.manifest, [other, extract.decryptionKey]))).equals(extract.packed),
  ).toBe(true);
});

it.each([1000, SEALED_SEGMENT - 1, SEALED_SEGMENT, SEALED_SEGMENT + 1, 3 * SEALED_SEGMENT])(
  'is opened in whatever pieces it comes: of %i bytes',
  async (length) => {
    const { sealed, manifest, decryptionKey, packed } = await sealExtract({ rows: SEVERAL_SEGMENTS });
    expect((await gather(openExtract(inPieces(sealed, length), manifest, [decryptionKey]))).equals(packed)).toBe(true);
  },
);

describe('refused', async () => {
  const extract = await sealExtract({ rows: SEVERAL_SEGMENTS });
  const { sealed } = extract;
  const [first, second, rest] = [
    sealed.subarray(0, SEALED_SEGMENT),
    sealed.subarray(SEALED_SEGMENT, 2 * SEALED_SEGMENT),
    sealed.subarray(2 * SEALED_SEGMENT),
  ];
  const flipped = Buffer.from(sealed);
  flipped[SEALED_SEGMENT + 5] = (flipped[SEALED_SEGMENT + 5] ?? 0) ^ 1;

  it.each<[string, Buffer]>([
    ['swapped segments', Buffer.concat([second, first, rest])],
    ['a missing segment', Buffer.concat([first, rest])],
    ['a repeated segment', Buffer.concat([first, first, second, rest])],
    ['a missing end', sealed.subarray(0, -1)],
    ['nothing', Buffer.alloc(0)],
    ['something after the end', Buffer.concat([sealed, Buffer.from('x')])],
    ['a changed bit', flipped],
  ])('is a file with %s', async (_, file) => {
    await expect(openAll(extract, file)).rejects.toBeInstanceOf(DciAnswerError);
  });

  it('is a file of which too much comes, before the rest of it is read', async () => {
    let read = 0;
    async function* endless(): ByteStream {
      for (; ; read += 1) yield Buffer.alloc(SEALED_SEGMENT);
    }
    const small = await sealExtract({ rows: 1 });
    await expect(gather(openExtract(endless(), small.manifest, [small.decryptionKey]))).rejects.toBeInstanceOf(DciAnswerError);
    expect(read).toBe(0);
  });

  it('is a key that is another, under the same name or none', async () => {
    const other = (await sealExtract({ rows: 0 })).decryptionKey;
    await expect(gather(openExtract(inPieces(sealed), extract.manifest, [other]))).rejects.toThrow(/key of the extract/);
    await expect(gather(openExtract(inPieces(sealed), extract.manifest, []))).rejects.toThrow(/key of the extract/);
  });

  it.each(['sha256', 'plain.sha256'])('is a manifest whose %s is of another file', async (member) => {
    const zeros = '0'.repeat(64);
    const {
      sealed: file,
      manifest,
      decryptionKey,
    } = await sealExtract({
      rows: 10,
      change: (made) => ({
        ...made,
        content:
          member === 'sha256' ? { ...made.content, sha256: zeros } : { ...made.content, plain: { ...made.content.plain, sha256: zeros } },
      }),
    });
    await expect(gather(openExtract(inPieces(file), manifest, [decryptionKey]))).rejects.toThrow(/another SHA-256/);
  });

  it.each<[string, Buffer]>([
    ['no gzip', Buffer.from('{"sex":"female"}\n')],
    ['half a gzip', gzipSync('{"sex":"female"}\n').subarray(0, -4)],
  ])('is %s, when it is to be unpacked', async (_, packed) => {
    const { sealed: file, manifest, decryptionKey } = await sealExtract({ rows: 1, packed });
    await expect(gather(unpackExtract(inPieces(file), manifest, [decryptionKey]))).rejects.toThrow(/cannot be unpacked/);
  });

  it.each(['ndjson', 'csv'] as const)('is %s of another number of rows', async (format) => {
    const change = (made: SealedExtract['manifest']) => ({
      ...made,
      k_anonymity: { ...made.k_anonymity, records: 21, smallest_class: 21 },
    });
    const { sealed: file, manifest, decryptionKey } = await sealExtract({ rows: 20, format, change });
    await expect(gather(unpackExtract(inPieces(file), manifest, [decryptionKey]))).rejects.toThrow(/20 rows instead of 21/);
  });
});
