import { createHash, randomBytes } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import { openSegment, SEGMENT_BYTES } from '@dci/protocol';
import { describe, expect, it } from 'vitest';
import { type SealedContent, sealContent } from './seal-content.ts';

const SEAL = { key: Buffer.alloc(32, 1), noncePrefix: Buffer.alloc(7, 2) };

async function seal(texts: readonly string[]): Promise<{ content: SealedContent; segments: Buffer[] }> {
  const segments: Buffer[] = [];
  const content = await sealContent(give(texts), SEAL, async (number, sealed) => {
    expect(number).toBe(segments.length);
    segments.push(sealed);
  });
  return { content, segments };
}

async function* give(texts: readonly string[]): AsyncGenerator<string> {
  yield* texts;
}

function open(segments: readonly Buffer[]): Buffer {
  return Buffer.concat(segments.map((sealed, number) => openSegment(SEAL, { number, isLast: number === segments.length - 1 }, sealed)));
}

describe('what is sealed', () => {
  it('is compressed, cut into segments, and opened again; sizes and digests are those of what was put', async () => {
    const texts = Array.from({ length: 60 }, () => randomBytes(60_000).toString('base64'));
    const { content, segments } = await seal(texts);
    expect(segments.length).toBeGreaterThan(3);
    const plain = open(segments);
    expect(gunzipSync(plain).toString()).toBe(texts.join(''));
    const sealed = Buffer.concat(segments);
    expect(content).toEqual({
      bytes: sealed.length,
      sha256: createHash('sha256').update(sealed).digest('hex'),
      segments: segments.length,
      plain: { bytes: plain.length, sha256: createHash('sha256').update(plain).digest('hex') },
    });
    expect(content.segments).toBe(Math.ceil(content.plain.bytes / SEGMENT_BYTES));
  });

  it('may be nothing', async () => {
    const { content, segments } = await seal(['']);
    expect(content.segments).toBe(1);
    expect(gunzipSync(open(segments)).toString()).toBe('');
  });
});

describe('sealing fails', () => {
  const lost = new Error('lost');

  it('for the reason for which the text fails', async () => {
    async function* fail(): AsyncGenerator<string> {
      yield randomBytes(2_000_000).toString('base64');
      throw lost;
    }
    await expect(sealContent(fail(), SEAL, async () => undefined)).rejects.toBe(lost);
  });

  it('for the reason for which a segment cannot be put, and takes no more text', async () => {
    let taken = 0;
    async function* count(): AsyncGenerator<string> {
      for (; taken < 1_000; taken += 1) yield randomBytes(200_000).toString('base64');
    }
    await expect(sealContent(count(), SEAL, () => Promise.reject(lost))).rejects.toBe(lost);
    expect(taken).toBeLessThan(100);
  });
});
