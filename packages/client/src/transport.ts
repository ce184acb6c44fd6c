import { readJson } from '@dci/protocol';
import { DciAnswerError, DciConnectionError } from './errors.ts';

/**
 * One HTTP exchange with bounds: it ends after so long, reads so many bytes and follows no redirect, because the
 * request carries a secret for one host.
 */
export interface Transport {
  send(url: string, request: RequestInit): Promise<HttpAnswer>;
}

export interface HttpAnswer {
  readonly url: string;
  readonly status: number;
  readonly headers: Headers;
  readonly body: Uint8Array;
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
        const body = await readBounded(response, maxAnswerBytes);
        return { url, status: response.status, headers: response.headers, body };
      } catch (error) {
        if (error instanceof DciAnswerError) throw error;
        throw new DciConnectionError(`no answer from ${url}: ${describe(error)}`, { cause: error });
      }
    },
  };
}

async function readBounded(response: Response, most: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    length += chunk.length;
    // Leaving the loop cancels the rest.
    if (length > most) throw new DciAnswerError(`the answer of ${response.url} is larger than ${most} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
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
