import { readJson } from '@dci/protocol';
import { DciAnswerError, DciConnectionError } from './errors.ts';

/**
 * One HTTP exchange with bounds: it ends after so long, reads so many bytes and follows no redirect, because the
 * request carries a secret for one host.
 */
export interface Transport {
  send(url: string, request: RequestInit): Promise<HttpAnswer>;
  /** The same for what may be large: ends when nothing comes for so long. The body is read to its end, or cancelled. */
  open(url: string, request: RequestInit): Promise<HttpStream>;
}

export interface HttpAnswer {
  readonly url: string;
  readonly status: number;
  readonly headers: Headers;
  readonly body: Uint8Array;
}

export interface HttpStream extends Omit<HttpAnswer, 'body'> {
  readonly body: AsyncIterable<Uint8Array>;
  cancel(): Promise<void>;
}

export interface TransportSettings {
  readonly fetch: typeof globalThis.fetch;
  readonly timeoutMs: number;
  readonly maxAnswerBytes: number;
}

export function createTransport({ fetch, timeoutMs, maxAnswerBytes }: TransportSettings): Transport {
  return {
    async send(url, request) {
      try {
        const response = await fetch(url, { ...request, redirect: 'manual', signal: AbortSignal.timeout(timeoutMs) });
        const body = await gatherBody({ url, body: bodyOf(response) }, maxAnswerBytes);
        return { url, status: response.status, headers: response.headers, body };
      } catch (error) {
        if (error instanceof DciAnswerError) throw error;
        throw noAnswer(url, error);
      }
    },
    async open(url, request) {
      const silence = watchSilence(timeoutMs);
      try {
        const response = await fetch(url, { ...request, redirect: 'manual', signal: silence.signal });
        const cancel = async (): Promise<void> => {
          silence.end();
          await response.body?.cancel();
        };
        return { url, status: response.status, headers: response.headers, body: readChunks(url, response, silence), cancel };
      } catch (error) {
        silence.end();
        throw noAnswer(url, error);
      }
    },
  };
}

async function* readChunks(url: string, response: Response, silence: Silence): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of bodyOf(response)) {
      // However long the reader takes is not the server's silence.
      silence.end();
      yield chunk;
      silence.begin();
    }
  } catch (error) {
    throw noAnswer(url, error);
  } finally {
    silence.end();
  }
}

interface Silence {
  readonly signal: AbortSignal;
  begin(): void;
  end(): void;
}

/** Aborts when it lasts too long; begins at once. */
function watchSilence(timeoutMs: number): Silence {
  const controller = new AbortController();
  const abort = (): void => controller.abort(new Error(`nothing came for ${timeoutMs / 1000} s`));
  let timer = setTimeout(abort, timeoutMs);
  return {
    signal: controller.signal,
    begin() {
      timer = setTimeout(abort, timeoutMs);
    },
    end: () => clearTimeout(timer),
  };
}

/** The whole of a body that is small. */
export async function gatherBody({ url, body }: Pick<HttpStream, 'url' | 'body'>, most: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    length += chunk.length;
    // Leaving the loop cancels the rest.
    if (length > most) throw new DciAnswerError(`the answer of ${url} is larger than ${most} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

async function* bodyOf(response: Response): AsyncGenerator<Uint8Array> {
  if (response.body !== null) yield* response.body as AsyncIterable<Uint8Array>;
}

function noAnswer(url: string, error: unknown): DciConnectionError {
  return new DciConnectionError(`no answer from ${url}: ${describe(error)}`, { cause: error });
}

/** The JSON object in an answer, or undefined where there is none. */
export function readJsonObject(body: Uint8Array): Readonly<Record<string, unknown>> | undefined {
  try {
    return asObject(readJson(body).value);
  } catch {
    return undefined;
  }
}

export function asObject(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined;
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // fetch says "fetch failed" and keeps the reason to itself.
  return error.cause instanceof Error ? error.cause.message || error.message : error.message;
}
