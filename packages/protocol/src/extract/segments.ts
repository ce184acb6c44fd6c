import { createCipheriv, createDecipheriv, type KeyObject } from 'node:crypto';
import { invalidEncryption } from '../encryption/jwe.ts';

/**
 * The sealed file of an extract: segments of 1 MiB of the plain file, each encrypted by itself with AES-256-GCM and written
 * as `ciphertext || tag`, one after the other. All are full but the last; an empty file has one empty segment. The nonce of a
 * segment says where it stands and whether it is the last, so that none can be altered, swapped, repeated, left out or cut
 * off unnoticed (the STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizár). A key seals one file only.
 */

/** Bytes of the plain file in every segment but the last. */
export const SEGMENT_BYTES = 1_048_576;

/** Bytes of the tag that follows the ciphertext of each segment. */
export const SEGMENT_TAG_BYTES = 16;

/** Bytes of the key of an extract's content. */
export const CONTENT_KEY_BYTES = 32;

/** Bytes with which every nonce of a file begins: random, one value for a file. */
export const NONCE_PREFIX_BYTES = 7;

const ALGORITHM = 'aes-256-gcm';
const COUNTER_BYTES = 4;
const MOST_SEGMENTS = 2 ** (8 * COUNTER_BYTES);

/** What the segments of one file are sealed with. */
export interface SegmentSeal {
  /** {@link CONTENT_KEY_BYTES} long. */
  readonly key: KeyObject | Uint8Array;
  /** {@link NONCE_PREFIX_BYTES} long. */
  readonly noncePrefix: Uint8Array;
}

/** Where a segment stands in its file. */
export interface SegmentPlace {
  /** Counted from 0. */
  readonly number: number;
  readonly isLast: boolean;
}

/**
 * The nonce of a segment, 12 bytes: the prefix of the file, the number of the segment (4 bytes, the highest first), and 1 for
 * the last segment or 0 for any other.
 *
 * @example
 * segmentNonce(Buffer.alloc(7, 0xaa), { number: 258, isLast: true }).toString('hex'); // 'aaaaaaaaaaaaaa0000010201'
 */
export function segmentNonce(noncePrefix: Uint8Array, { number, isLast }: SegmentPlace): Buffer {
  if (noncePrefix.length !== NONCE_PREFIX_BYTES) throw new RangeError(`The prefix of the nonces has ${NONCE_PREFIX_BYTES} bytes`);
  if (!Number.isInteger(number) || number < 0 || number >= MOST_SEGMENTS)
    throw new RangeError(`A segment has a number from 0 to ${MOST_SEGMENTS - 1}`);
  const nonce = Buffer.alloc(NONCE_PREFIX_BYTES + COUNTER_BYTES + 1);
  nonce.set(noncePrefix);
  nonce.writeUInt32BE(number, NONCE_PREFIX_BYTES);
  nonce[NONCE_PREFIX_BYTES + COUNTER_BYTES] = isLast ? 1 : 0;
  return nonce;
}

/**
 * Seals one segment.
 *
 * @param plain {@link SEGMENT_BYTES} of the plain file, or what is left of it in the last segment
 * @returns `ciphertext || tag`
 * @throws RangeError when the segment is not as long as its place wants it
 *
 * @example
 * const seal = { key: randomBytes(CONTENT_KEY_BYTES), noncePrefix: randomBytes(NONCE_PREFIX_BYTES) };
 * const file = [sealSegment(seal, { number: 0, isLast: false }, first), sealSegment(seal, { number: 1, isLast: true }, rest)];
 */
export function sealSegment({ key, noncePrefix }: SegmentSeal, place: SegmentPlace, plain: Uint8Array): Buffer {
  if (!fits(place, plain.length)) throw new RangeError(`Segment ${place.number} cannot hold ${plain.length} bytes`);
  const cipher = createCipheriv(ALGORITHM, key, segmentNonce(noncePrefix, place), { authTagLength: SEGMENT_TAG_BYTES });
  return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

/**
 * Opens one segment.
 *
 * @param sealed `ciphertext || tag`
 * @returns the bytes of the plain file
 * @throws DciError `err.encryption.invalid` when this is not that segment of the file, or not as it was sealed
 *
 * @example
 * const plain = openSegment(seal, { number: 0, isLast: true }, sealed);
 */
export function openSegment({ key, noncePrefix }: SegmentSeal, place: SegmentPlace, sealed: Uint8Array): Buffer {
  const length = sealed.length - SEGMENT_TAG_BYTES;
  if (!fits(place, length)) throw invalidSegment(place);
  const decipher = createDecipheriv(ALGORITHM, key, segmentNonce(noncePrefix, place), { authTagLength: SEGMENT_TAG_BYTES });
  decipher.setAuthTag(sealed.subarray(length));
  try {
    return Buffer.concat([decipher.update(sealed.subarray(0, length)), decipher.final()]);
  } catch (cause) {
    throw invalidSegment(place, cause);
  }
}

/**
 * How many segments a plain file of so many bytes has.
 *
 * @example
 * countSegments(0); // 1
 * countSegments(1_048_577); // 2
 */
export function countSegments(plainBytes: number): number {
  return Math.max(1, Math.ceil(plainBytes / SEGMENT_BYTES));
}

/**
 * How many bytes the sealed file of a plain file has.
 *
 * @example
 * sealedBytes(1_048_577); // 1_048_609
 */
export function sealedBytes(plainBytes: number): number {
  return plainBytes + countSegments(plainBytes) * SEGMENT_TAG_BYTES;
}

function fits({ number, isLast }: SegmentPlace, length: number): boolean {
  if (!isLast) return length === SEGMENT_BYTES;
  return length <= SEGMENT_BYTES && length >= (number === 0 ? 0 : 1);
}

function invalidSegment({ number }: SegmentPlace, cause?: unknown): Error {
  return invalidEncryption(`segment ${number} of the extract is not the one that was sealed, or the key is another`, '', cause);
}
