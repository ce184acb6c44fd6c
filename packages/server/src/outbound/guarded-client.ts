import type { IncomingHttpHeaders } from 'node:http';
import { Agent, type Dispatcher, errors } from 'undici';
import { createCheckedConnector, type Resolve, resolveBySystem } from './checked-connector.ts';
import { OutboundError, type OutboundFailure } from './outbound-error.ts';
import { parseOutboundUrl } from './outbound-url.ts';

/**
 * The only HTTP that leaves this server: callbacks, notifications, keys and tokens of others. It calls public hosts over
 * https, at an address that was checked, and follows no redirect; time and size of every answer are bounded. Refuses
 * addresses inside the own network, and URLs that two readers could understand differently. It knows nothing of what may be
 * told to whom.
 */
export interface GuardedClient {
  /** An answer of any status but a redirect. Throws an `OutboundError`. */
  send(request: OutboundRequest): Promise<OutboundResponse>;
  /** Ends what is under way as `aborted`. */
  close(): Promise<void>;
}

export interface OutboundRequest {
  readonly url: string;
  readonly method: 'GET' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** For all of it, from looking up the name to the last byte of the answer. */
  readonly timeoutMs: number;
  /** Largest body of an answer. */
  readonly maxBytes: number;
  readonly signal?: AbortSignal;
}

export interface OutboundResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface GuardedClientSettings {
  readonly allowHttpCallbacks: boolean;
  readonly allowPrivateCallbacks: boolean;
  readonly resolve?: Resolve;
  /** Certificates (PEM) that are trusted in place of those of the system. */
  readonly trustedCertificates?: string;
}

const CONNECTIONS_PER_ORIGIN = 8;
const IDLE_MS = 10_000;
// However busy it is kept, a connection ends after this time: the host may have moved, its certificate may have been revoked.
const CONNECTION_LIFE_MS = 60_000;
const MAX_HEADER_BYTES = 16_384;

export function createGuardedClient(settings: GuardedClientSettings): GuardedClient {
  const { allowHttpCallbacks: allowHttp, allowPrivateCallbacks: allowPrivate, resolve = resolveBySystem, trustedCertificates } = settings;
  const agent = new Agent({
    connect: createCheckedConnector({ allowPrivate, resolve, trustedCertificates }),
    connections: CONNECTIONS_PER_ORIGIN,
    pipelining: 1,
    allowH2: false,
    keepAliveTimeout: IDLE_MS,
    keepAliveMaxTimeout: IDLE_MS,
    clientTtl: CONNECTION_LIFE_MS,
    maxHeaderSize: MAX_HEADER_BYTES,
  });
  return {
    async send(request) {
      const url = parseOutboundUrl(request.url, { allowHttp });
      const timeout = AbortSignal.timeout(request.timeoutMs);
      const signal = request.signal === undefined ? timeout : AbortSignal.any([timeout, request.signal]);
      try {
        const response = await agent.request(describe(url, request, signal));
        return await read(response, url, request.maxBytes);
      } catch (error) {
        throw asOutboundError(error, url, request.signal?.aborted === true ? 'aborted' : timeout.aborted ? 'timeout' : undefined);
      }
    },
    close: () => agent.destroy(),
  };
}

function describe(url: URL, { method, headers, body, timeoutMs }: OutboundRequest, signal: AbortSignal): Dispatcher.RequestOptions {
  return {
    origin: url.origin,
    path: `${url.pathname}${url.search}`,
    method,
    headers: { 'user-agent': 'dci-server', 'accept-encoding': 'identity', ...headers },
    body,
    signal,
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
  };
}

async function read({ statusCode, headers, body }: Dispatcher.ResponseData, url: URL, maxBytes: number): Promise<OutboundResponse> {
  // What is not read to its end is cut off with its connection.
  const cutOff = (reason: OutboundFailure, text: string): OutboundError => {
    body.on('error', () => undefined).destroy();
    return new OutboundError(reason, text);
  };
  if (statusCode >= 300 && statusCode < 400 && statusCode !== 304)
    throw cutOff('redirect', `${url.origin} points elsewhere; redirects are not followed`);
  if (Number(headers['content-length'] ?? 0) > maxBytes) throw cutOff('too_large', tooLarge(url, maxBytes));
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBytes) throw cutOff('too_large', tooLarge(url, maxBytes));
    chunks.push(chunk);
  }
  return { status: statusCode, headers, body: Buffer.concat(chunks, size) };
}

function tooLarge({ origin }: URL, maxBytes: number): string {
  return `${origin} answered with more than ${maxBytes} bytes`;
}

/** `stopped`: why we stopped it ourselves, if we did. */
function asOutboundError(error: unknown, { origin }: URL, stopped: 'aborted' | 'timeout' | undefined): unknown {
  if (error instanceof OutboundError) return error;
  if (stopped === 'aborted') return new OutboundError('aborted', `the request to ${origin} was stopped`, { cause: error });
  if (stopped === 'timeout') return new OutboundError('timeout', `${origin} did not answer in time`, { cause: error });
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const reason = error instanceof errors.HTTPParserError ? 'response' : REASONS.get(code);
  if (reason === undefined) return error;
  return new OutboundError(reason, `${origin}: ${DESCRIPTIONS[reason]}`, { cause: error });
}

const DESCRIPTIONS = {
  timeout: 'it did not answer in time',
  response: 'what it answered is not HTTP',
  connection_lost: 'the connection ended before the answer did',
  aborted: 'this server is stopping',
} satisfies Partial<Record<OutboundFailure, string>>;

const REASONS: ReadonlyMap<string, keyof typeof DESCRIPTIONS> = new Map([
  ['UND_ERR_HEADERS_TIMEOUT', 'timeout'],
  ['UND_ERR_BODY_TIMEOUT', 'timeout'],
  ['UND_ERR_HEADERS_OVERFLOW', 'response'],
  ['UND_ERR_SOCKET', 'connection_lost'],
  ['ECONNRESET', 'connection_lost'],
  ['EPIPE', 'connection_lost'],
  ['UND_ERR_DESTROYED', 'aborted'],
  ['UND_ERR_CLOSED', 'aborted'],
]);
