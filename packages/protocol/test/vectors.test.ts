import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  type CallbackEnvelope,
  DciError,
  type Envelope,
  parseCallbackEnvelope,
  parseEncryptedMessage,
  parseEnvelope,
  parseExistsRequest,
  parseExistsResponse,
  parseExportRequest,
  parseExportResponse,
  parseMatchRequest,
  parseMatchResponse,
  parseNotifyRequest,
  parseSearchRequest,
  parseSearchResponse,
  parseStatisticsRequest,
  parseStatisticsResponse,
  parseSubscribeRequest,
  parseSubscribeResponse,
  parseTxnStatusRequest,
  parseTxnStatusResponse,
  parseUnsubscribeRequest,
  parseUnsubscribeResponse,
} from '../src/index.ts';

interface Vector {
  readonly description: string;
  readonly path: string;
  readonly envelope: unknown;
  readonly expected?: { readonly code: string; readonly pointer: string };
}

const folder = join(import.meta.dirname, '../vectors');

function load(kind: 'valid' | 'invalid'): [string, Vector][] {
  const names = readdirSync(join(folder, kind)).filter((name) => name.endsWith('.json'));
  return names.map((name) => [name, JSON.parse(readFileSync(join(folder, kind, name), 'utf8'))]);
}

const REQUESTS: Readonly<Record<string, (message: unknown, header: Envelope['header']) => unknown>> = {
  '/registry/search': parseSearchRequest,
  '/registry/sync/statistics': parseStatisticsRequest,
  '/registry/sync/exists': parseExistsRequest,
  '/registry/sync/match': parseMatchRequest,
  '/registry/export': parseExportRequest,
  '/registry/subscribe': (message, header) => parseSubscribeRequest(message, header.message_ts),
  '/registry/unsubscribe': parseUnsubscribeRequest,
  '/registry/txn/status': parseTxnStatusRequest,
};
const CALLBACKS: Readonly<Record<string, (message: unknown) => unknown>> = {
  '/registry/on-search': parseSearchResponse,
  // Sent as the answer of sync/statistics.
  '/registry/on-statistics': parseStatisticsResponse,
  '/registry/sync/on-exists': parseExistsResponse,
  '/registry/sync/on-match': parseMatchResponse,
  '/registry/on-export': parseExportResponse,
  '/registry/on-subscribe': parseSubscribeResponse,
  '/registry/on-unsubscribe': parseUnsubscribeResponse,
  '/registry/notify': parseNotifyRequest,
  '/registry/txn/on-status': parseTxnStatusResponse,
};

function read({ path, envelope }: Vector): Envelope | CallbackEnvelope {
  const parseRequest = REQUESTS[path];
  if (parseRequest !== undefined) {
    const request = parseEnvelope(envelope);
    if (request.header.is_msg_encrypted) parseEncryptedMessage(request.message);
    else parseRequest(request.message, request.header);
    return request;
  }
  const parseCallback = CALLBACKS[path];
  if (parseCallback === undefined) throw new Error(`no reader for ${path}`);
  const callback = parseCallbackEnvelope(envelope);
  if (callback.message !== undefined) parseCallback(callback.message);
  return callback;
}

function refusalOf(vector: Vector): unknown {
  try {
    return read(vector);
  } catch (error) {
    return error;
  }
}

/** Texts long enough to be nobody's but the sender's. */
function textsOf(value: unknown): string[] {
  if (typeof value === 'string') return value.length > 12 ? [value] : [];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsOf) : [];
}

describe('valid vectors', () => {
  it.each(load('valid'))('%s is read, and its envelope is left as it was', (_name, vector) => {
    expect(read(vector)).toBe(vector.envelope);
  });
});

describe('invalid vectors', () => {
  it.each(load('invalid'))('%s is refused at its place', (_name, vector) => {
    const refusal = refusalOf(vector);
    expect(refusal).toBeInstanceOf(DciError);
    const { code, pointer, message } = refusal as DciError;
    expect({ code, pointer }).toEqual(vector.expected);
    for (const text of textsOf(vector.envelope)) expect(message).not.toContain(text);
  });
});
