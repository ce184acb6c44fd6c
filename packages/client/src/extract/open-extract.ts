import { createHash, type Hash } from 'node:crypto';
import { pipeline } from 'node:stream/promises';
import { PassThrough, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import {
  DciError,
  type DecryptionKey,
  type ExtractManifest,
  openSegment,
  SEGMENT_BYTES,
  SEGMENT_TAG_BYTES,
  type SegmentSeal,
  unwrapContentKey,
} from '@dci/protocol';
import { DciAnswerError } from '../errors.ts';
import { createRowCounter } from './row-counter.ts';

/** Bytes of a file, or of a part of it. */
export type ByteStream = AsyncIterable<Uint8Array>;

const SEALED_SEGMENT_BYTES = SEGMENT_BYTES + SEGMENT_TAG_BYTES;

/**
 * Opens the sealed file of an extract: gives the gzip file in it, a segment at a time, in a few megabytes of memory whatever
 * its size. Each segment is authentic when it is given; whether the file is whole, and the one of the manifest, is known at
 * the end, so use nothing that was given by a stream that fails.
 *
 * @param manifest a verified one, see `verifyExtractManifest`
 * @param keys private keys of the recipient, under the ids by which the registry knows them
 * @throws DciAnswerError when the file is not that of the manifest, or is encrypted to another key
 *
 * @example
 * const manifest = await verifyExtractManifest(jws, (kid) => keys.get(kid));
 * await pipeline(openExtract(createReadStream('extract.sealed'), manifest, [key]), createWriteStream('extract.ndjson.gz'));
 */
export async function* openExtract(
  sealed: ByteStream,
  manifest: ExtractManifest,
  keys: readonly DecryptionKey[],
): AsyncGenerator<Buffer, void, undefined> {
  const { content, encryption } = manifest;
  const seal = { key: await findContentKey(manifest, keys), noncePrefix: Buffer.from(encryption.nonce_prefix, 'base64url') };
  const plainHash = createHash('sha256');
  let plainBytes = 0;
  for await (const plain of openSegments(sealed, content, seal)) {
    plainHash.update(plain);
    plainBytes += plain.length;
    yield plain;
  }
  if (plainBytes !== content.plain.bytes) throw notOfManifest(`what is in it has ${plainBytes} bytes instead of ${content.plain.bytes}`);
  assertHash('what is in it', plainHash, content.plain.sha256);
}

/**
 * The rows of an extract, as NDJSON or CSV text: as {@link openExtract}, unpacked, the rows counted.
 *
 * @throws DciAnswerError as `openExtract`, and when there are more or fewer rows than the manifest says
 *
 * @example
 * for await (const text of unpackExtract(createReadStream('extract.sealed'), manifest, [key])) process.stdout.write(text);
 */
export async function* unpackExtract(
  sealed: ByteStream,
  manifest: ExtractManifest,
  keys: readonly DecryptionKey[],
): AsyncGenerator<Buffer, void, undefined> {
  const rows = createRowCounter(manifest.format);
  const unpacked = new PassThrough();
  const unpacking = pipeline(Readable.from(openExtract(sealed, manifest, keys), { objectMode: false }), createGunzip(), unpacked);
  // It is waited for below; until then it is nobody's.
  unpacking.catch(() => undefined);
  try {
    for await (const text of unpacked as AsyncIterable<Buffer>) {
      rows.take(text);
      yield text;
    }
    await unpacking;
  } catch (error) {
    throw error instanceof DciAnswerError ? error : notOfManifest('it cannot be unpacked', error);
  }
  const { records } = manifest.k_anonymity;
  if (rows.count() !== records) throw notOfManifest(`it has ${rows.count()} rows instead of ${records}`);
}

async function findContentKey({ encryption }: ExtractManifest, keys: readonly DecryptionKey[]): Promise<Buffer> {
  try {
    return await unwrapContentKey(encryption.key, (kid) => keys.find((key) => key.kid === kid));
  } catch (error) {
    if (!(error instanceof DciError)) throw error;
    throw new DciAnswerError(`the key of the extract cannot be decrypted: ${error.message}`, { cause: error });
  }
}

async function* openSegments(sealed: ByteStream, content: ExtractManifest['content'], seal: SegmentSeal): AsyncGenerator<Buffer> {
  const hash = createHash('sha256');
  let number = 0;
  for await (const segment of cut(sealed, content.bytes, hash)) {
    if (number === content.segments) throw notOfManifest('it has too many segments');
    yield open(seal, number, number === content.segments - 1, segment);
    number += 1;
  }
  assertHash('it', hash, content.sha256);
}

/** Pieces of the length of a sealed segment; of exactly so many bytes, or it is refused. */
async function* cut(sealed: ByteStream, wanted: number, hash: Hash): AsyncGenerator<Buffer> {
  let held: Uint8Array[] = [];
  let heldBytes = 0;
  let bytes = 0;
  for await (const chunk of sealed) {
    bytes += chunk.length;
    if (bytes > wanted) throw notOfManifest(`it has more than ${wanted} bytes`);
    hash.update(chunk);
    held.push(chunk);
    heldBytes += chunk.length;
    if (heldBytes < SEALED_SEGMENT_BYTES) continue;
    let all = Buffer.concat(held);
    for (; all.length >= SEALED_SEGMENT_BYTES; all = all.subarray(SEALED_SEGMENT_BYTES)) yield all.subarray(0, SEALED_SEGMENT_BYTES);
    held = all.length === 0 ? [] : [all];
    heldBytes = all.length;
  }
  if (bytes !== wanted) throw notOfManifest(`it has ${bytes} bytes instead of ${wanted}`);
  if (heldBytes > 0) yield Buffer.concat(held);
}

function open(seal: SegmentSeal, number: number, isLast: boolean, segment: Buffer): Buffer {
  try {
    return openSegment(seal, { number, isLast }, segment);
  } catch (error) {
    throw notOfManifest(`segment ${number} cannot be opened`, error);
  }
}

function assertHash(what: string, hash: Hash, wanted: string): void {
  if (hash.digest('hex') !== wanted) throw notOfManifest(`${what} has another SHA-256`);
}

function notOfManifest(text: string, cause?: unknown): DciAnswerError {
  return new DciAnswerError(`the file is not the extract of its manifest: ${text}`, { cause });
}
