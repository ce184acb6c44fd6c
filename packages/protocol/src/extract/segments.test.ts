import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import {
  CONTENT_KEY_BYTES,
  countSegments,
  NONCE_PREFIX_BYTES,
  openSegment,
  SEGMENT_BYTES,
  SEGMENT_TAG_BYTES,
  type SegmentSeal,
  sealedBytes,
  sealSegment,
  segmentNonce,
} from './segments.ts';

const MIB = 1_048_576;
const SEALED = SEGMENT_BYTES + SEGMENT_TAG_BYTES;
const seal: SegmentSeal = { key: randomBytes(CONTENT_KEY_BYTES), noncePrefix: randomBytes(NONCE_PREFIX_BYTES) };
const REFUSED = expect.objectContaining({ code: 'err.encryption.invalid' });

function sealFile(plain: Buffer): Buffer[] {
  const count = countSegments(plain.length);
  return Array.from({ length: count }, (_, number) =>
    sealSegment(seal, { number, isLast: number === count - 1 }, plain.subarray(number * SEGMENT_BYTES, (number + 1) * SEGMENT_BYTES)),
  );
}

/** As a reader does who has nothing but the file: what ends it is the last segment. */
function openFile(file: Uint8Array, opened: SegmentSeal = seal): Buffer {
  const count = Math.max(1, Math.ceil(file.length / SEALED));
  return Buffer.concat(
    Array.from({ length: count }, (_, number) =>
      openSegment(opened, { number, isLast: number === count - 1 }, file.subarray(number * SEALED, (number + 1) * SEALED)),
    ),
  );
}

function thrownBy(act: () => unknown): unknown {
  try {
    return act();
  } catch (error) {
    return error;
  }
}

describe('a sealed file', () => {
  it.each([
    [0, 1],
    [1, 1],
    [MIB - 1, 1],
    [MIB, 1],
    [MIB + 1, 2],
    [3.5 * MIB, 4],
  ])('of %i bytes has %i segments and is opened again', (length, segments) => {
    const plain = randomBytes(length);
    const file = Buffer.concat(sealFile(plain));
    expect(countSegments(length)).toBe(segments);
    expect(file.length).toBe(sealedBytes(length));
    expect(openFile(file).equals(plain)).toBe(true);
  });

  it('shows nothing of what is in it', () => {
    const file = Buffer.concat(sealFile(Buffer.alloc(2 * MIB, 'Amina')));
    expect(file.includes('Amina')).toBe(false);
    // Equal segments do not look equal.
    expect(file.subarray(0, SEALED).equals(file.subarray(SEALED))).toBe(false);
  });
});

describe('refused', () => {
  const plain = randomBytes(3 * MIB + 500);
  const [first, second, third, last] = sealFile(plain) as [Buffer, Buffer, Buffer, Buffer];

  it.each<[string, Buffer[]]>([
    ['swapped segments', [second, first, third, last]],
    ['a missing first segment', [second, third, last]],
    ['a missing segment in the middle', [first, third, last]],
    ['a missing last segment', [first, second, third]],
    ['nothing at all', []],
    ['a repeated segment', [first, second, second, third, last]],
    ['a repeated last segment', [first, second, third, last, last]],
    ['a last segment without its end', [first, second, third, last.subarray(0, -1)]],
    ['less than a tag', [first, second, third, last.subarray(0, SEGMENT_TAG_BYTES - 1)]],
    ['bytes after the end', [first, second, third, last, Buffer.from('x')]],
    ['bytes missing in the middle', [first, second.subarray(1), third, last]],
  ])('%s', (_, file) => {
    expect(thrownBy(() => openFile(Buffer.concat(file)))).toEqual(REFUSED);
  });

  it.each([0, 1000, SEGMENT_BYTES, SEALED - 1, SEALED, 3 * SEALED + 499, 3 * SEALED + 515])('a bit that was changed at byte %i', (at) => {
    const file = Buffer.concat([first, second, third, last]);
    file[at] = (file[at] ?? 0) ^ 1;
    expect(thrownBy(() => openFile(file))).toEqual(REFUSED);
  });

  it('another key', () => {
    expect(thrownBy(() => openFile(first, { ...seal, key: randomBytes(CONTENT_KEY_BYTES) }))).toEqual(REFUSED);
  });

  it('another prefix of the nonces', () => {
    const file = Buffer.concat([first, second, third, last]);
    expect(thrownBy(() => openFile(file, { ...seal, noncePrefix: randomBytes(NONCE_PREFIX_BYTES) }))).toEqual(REFUSED);
  });

  it('an empty segment at the end of a file that is full', () => {
    expect(thrownBy(() => sealSegment(seal, { number: 1, isLast: true }, Buffer.alloc(0)))).toBeInstanceOf(RangeError);
    expect(thrownBy(() => openSegment(seal, { number: 1, isLast: true }, Buffer.alloc(SEGMENT_TAG_BYTES)))).toEqual(REFUSED);
  });

  it.each([
    ['too long', { number: 0, isLast: true }, SEGMENT_BYTES + 1],
    ['too short where more follows', { number: 0, isLast: false }, SEGMENT_BYTES - 1],
    ['beyond the last number', { number: 2 ** 32, isLast: true }, 1],
    ['before the first number', { number: -1, isLast: true }, 1],
  ])('to seal what is %s', (_, place, length) => {
    expect(thrownBy(() => sealSegment(seal, place, Buffer.alloc(length)))).toBeInstanceOf(RangeError);
  });
});

it('gives each place a nonce of its own', () => {
  const prefix = Buffer.from('01020304050607', 'hex');
  expect(segmentNonce(prefix, { number: 0, isLast: false }).toString('hex')).toBe('010203040506070000000000');
  expect(segmentNonce(prefix, { number: 2 ** 32 - 1, isLast: true }).toString('hex')).toBe('01020304050607ffffffff01');
});
