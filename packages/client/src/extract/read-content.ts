import { setTimeout as wait } from 'node:timers/promises';
import type { ExtractManifest } from '@dci/protocol';
import { DciAnswerError, DciConnectionError, DciRefusal } from '../errors.ts';
import { readRefusal } from '../refusal.ts';
import { gatherBody, type HttpStream } from '../transport.ts';

/** Opens the answer to a GET with these headers. */
export type OpenContent = (headers: Readonly<Record<string, string>>) => Promise<HttpStream>;

// Attempts one after the other that bring nothing.
const MOST_ATTEMPTS = 5;
const LONGEST_PAUSE_SECONDS = 60;
const TEMPORARY = new Set([408, 425, 429, 500, 502, 503, 504]);
const LARGEST_REFUSAL_BYTES = 65_536;

/**
 * The bytes of a sealed file from `from` to its end. Where the connection breaks it is taken up again behind the last byte
 * that came; bytes of another file than that of the manifest are never given.
 */
export async function* readContent(
  open: OpenContent,
  { bytes, sha256 }: ExtractManifest['content'],
  from: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  let position = from;
  for (let attempts = 1; position < bytes; attempts += 1) {
    const before = position;
    try {
      for await (const chunk of readOnce(open, { bytes, sha256, position })) {
        position += chunk.length;
        yield chunk;
      }
      return;
    } catch (error) {
      if (position > before) attempts = 1;
      if (attempts >= MOST_ATTEMPTS || !isTemporary(error)) throw error;
      await wait(pauseOf(error, attempts) * 1000);
    }
  }
}

function isTemporary(error: unknown): boolean {
  return error instanceof DciConnectionError || (error instanceof DciRefusal && TEMPORARY.has(error.status));
}

function pauseOf(error: unknown, attempts: number): number {
  const asked = error instanceof DciRefusal ? error.retryAfterSeconds : undefined;
  return Math.min(asked ?? 2 ** (attempts - 2), LONGEST_PAUSE_SECONDS);
}

interface Wanted {
  readonly bytes: number;
  readonly sha256: string;
  readonly position: number;
}

async function* readOnce(open: OpenContent, wanted: Wanted): AsyncGenerator<Uint8Array> {
  const { bytes, sha256, position } = wanted;
  const etag = `"${sha256}"`;
  const answer = await open({
    accept: 'application/octet-stream',
    'accept-encoding': 'identity',
    ...(position === 0 ? {} : { range: `bytes=${position}-`, 'if-range': etag }),
  });
  if (answer.status !== 200 && answer.status !== 206)
    throw readRefusal({ ...answer, body: await gatherBody(answer, LARGEST_REFUSAL_BYTES) });
  await assertFits(answer, etag, wanted);
  // Whoever does not know ranges sends the file from its beginning.
  let skipped = answer.status === 200 ? position : 0;
  let missing = bytes - position;
  for await (const chunk of answer.body) {
    const rest = chunk.subarray(Math.min(skipped, chunk.length));
    skipped -= chunk.length - rest.length;
    missing -= rest.length;
    if (missing < 0) throw new DciAnswerError(`${answer.url} sends more than the ${bytes} bytes of the manifest`);
    if (rest.length > 0) yield rest;
  }
  if (missing > 0) throw new DciConnectionError(`the answer of ${answer.url} ended ${missing} bytes too early`);
}

async function assertFits(answer: HttpStream, etag: string, { bytes, position }: Wanted): Promise<void> {
  const { url, status, headers } = answer;
  const isOther = headers.get('etag') !== etag;
  const range = `bytes ${position}-${bytes - 1}/${bytes}`;
  if (!isOther && (status === 200 || headers.get('content-range') === range)) return;
  await answer.cancel();
  throw new DciAnswerError(
    isOther ? `${url} gives another file than that of the manifest` : `${url} gives another part than was asked for`,
  );
}
