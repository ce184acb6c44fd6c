import { createHash, type Hash } from 'node:crypto';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { SEGMENT_BYTES, type SegmentSeal, sealSegment } from '@dci/protocol';

/** What a sealed file is made of: sizes and SHA-256 digests (hexadecimal), of itself and of the gzip file in it. */
export interface SealedContent {
  readonly bytes: number;
  readonly sha256: string;
  readonly segments: number;
  readonly plain: { readonly bytes: number; readonly sha256: string };
}

const CHUNK_BYTES = 65_536;

/**
 * Compresses a text and seals it segment by segment. No more is held than a few segments, however long it is: `put` is waited
 * for.
 */
export async function sealContent(
  texts: AsyncIterable<string>,
  seal: SegmentSeal,
  put: (number: number, sealed: Buffer) => Promise<void>,
): Promise<SealedContent> {
  const sums = { sealed: openSum(), plain: openSum() };
  let number = 0;

  async function write(plain: Buffer, isLast: boolean): Promise<void> {
    const sealed = sealSegment(seal, { number, isLast }, plain);
    sums.plain.add(plain);
    sums.sealed.add(sealed);
    await put(number, sealed);
    number += 1;
  }

  const gzip = createGzip({ chunkSize: CHUNK_BYTES });
  const feeding = pipeline(Readable.from(texts, { objectMode: true }), gzip);
  const reading = (async () => {
    const segment = Buffer.alloc(SEGMENT_BYTES);
    let filled = 0;
    for await (const chunk of gzip as AsyncIterable<Buffer>) {
      for (let taken = 0; taken < chunk.length; ) {
        // One that is full may be the last, so it is written when there is more.
        if (filled === SEGMENT_BYTES) {
          await write(segment, false);
          filled = 0;
        }
        const copied = chunk.copy(segment, filled, taken);
        filled += copied;
        taken += copied;
      }
    }
    await write(segment.subarray(0, filled), true);
  })();
  const [fed, read] = await Promise.allSettled([feeding, reading]);
  // Where reading fails, feeding ends for that reason alone, and the other way round.
  if (read.status === 'rejected' && !isEndedEarly(read.reason)) throw read.reason;
  if (fed.status === 'rejected') throw fed.reason;
  if (read.status === 'rejected') throw read.reason;
  return { ...sums.sealed.end(), segments: number, plain: sums.plain.end() };
}

function isEndedEarly(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ERR_STREAM_PREMATURE_CLOSE';
}

function openSum(): { add(bytes: Buffer): void; end(): { bytes: number; sha256: string } } {
  const hash: Hash = createHash('sha256');
  let bytes = 0;
  return {
    add(added) {
      hash.update(added);
      bytes += added.length;
    },
    end: () => ({ bytes, sha256: hash.digest('hex') }),
  };
}
