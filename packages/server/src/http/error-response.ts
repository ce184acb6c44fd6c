import { randomUUID } from 'node:crypto';
import { DciError, type ErrorCode, ERROR_CODES } from '@dci/protocol';
import type { FastifyReply } from 'fastify';
import { type AnswerWriter, STRANGER } from '../services/answer-writer.ts';
import { decideReplyTerms } from '../services/reply-terms.ts';
import type { Partner } from '../store/partners.ts';

/**
 * The one place where a refusal becomes an HTTP answer. What is not a `DciError` tells its sender nothing but that the
 * service failed; the rest stands in the log.
 */

/** A refusal below the protocol (a path, a method, a body): an HTTP status, told with a code of the standard. */
export class HttpRefusal extends Error {
  override readonly name = 'HttpRefusal';
  readonly status: number;
  readonly code: ErrorCode;
  /** What exactly was refused, for `errors[].code`. */
  readonly detail: string;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, code: ErrorCode, detail: string, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.detail = detail;
    this.headers = headers;
  }
}

const STATUS_OF: Readonly<Record<ErrorCode, number>> = {
  'err.request.bad': 400,
  'err.request.unauthorized': 401,
  'err.request.forbidden': 403,
  'err.request.not_found': 404,
  'err.request.timeout': 408,
  'err.version.not_supported': 400,
  'err.request.too_many_requests': 429,
  'err.sender_id.invalid': 401,
  'err.sender_uri.invalid': 400,
  'err.receiver_id.invalid': 400,
  'err.signature.missing': 401,
  'err.signature.invalid': 401,
  'err.encryption.invalid': 400,
  'err.service.unavailable': 503,
};

/** What is told of an error: never more than a `DciError` or `HttpRefusal` says. */
export interface Refusal {
  readonly status: number;
  readonly code: ErrorCode;
  readonly message: string;
  readonly detail: string;
  readonly pointer: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
}

/** Maps what was thrown; undefined: nobody's fault but ours, to be logged whole. */
export function toRefusal(error: unknown): Refusal | undefined {
  if (error instanceof HttpRefusal)
    return {
      status: error.status,
      code: error.code,
      message: error.message,
      detail: error.detail,
      pointer: undefined,
      headers: error.headers,
    };
  if (!(error instanceof DciError)) return undefined;
  const code = ERROR_CODES.find((candidate) => candidate === error.code) ?? 'err.request.bad';
  const status = STATUS_OF[code];
  return { status, code, message: error.message, detail: error.code, pointer: error.pointer, headers: headersOf(status) };
}

export const UNAVAILABLE: Refusal = {
  status: 503,
  code: 'err.service.unavailable',
  message: 'the service cannot answer now; try again later',
  detail: 'err.service.unavailable',
  pointer: undefined,
  headers: { 'retry-after': '5' },
};

export const FAILED: Refusal = {
  status: 500,
  code: 'err.service.unavailable',
  message: 'the service failed to answer; the operator has been told',
  detail: 'err.service.unavailable',
  pointer: undefined,
  headers: {},
};

function headersOf(status: number): Readonly<Record<string, string>> {
  if (status === 401) return { 'www-authenticate': 'Bearer realm="dci", error="invalid_token"' };
  if (status === 429) return { 'retry-after': '60' };
  if (status === 503) return { 'retry-after': '1' };
  return {};
}

/** How a refusal is written. */
export interface RefusalForm {
  /** On `sync/*` every status but 401, 403 and 500 must fit the answer's own schema. */
  readonly sync: boolean;
  readonly action: string;
  /** Undefined: nobody has been recognised. */
  readonly partner: Partner | undefined;
}

export interface RefusalParts {
  readonly answers: AnswerWriter;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

export type RefusalSender = (reply: FastifyReply, refusal: Refusal, form: RefusalForm) => Promise<FastifyReply>;

// Strangers share a signed refusal for so long: asking for signatures must not be a way to keep the server busy.
const SHARED_MS = 1_000;

export function createRefusalSender(parts: RefusalParts): RefusalSender {
  const shared = new Map<string, { readonly until: number; readonly body: Promise<string> }>();

  function writeShared(refusal: Refusal, write: () => Promise<string>): Promise<string> {
    const name = `${refusal.status} ${refusal.message}`;
    const known = shared.get(name);
    if (known !== undefined && parts.now() < known.until) return known.body;
    const body = write();
    shared.set(name, { until: parts.now() + SHARED_MS, body });
    return body;
  }

  return async (reply, refusal, form) => {
    const place = refusal.pointer === undefined || refusal.pointer === '' ? {} : { pointer: refusal.pointer };
    const message = 'pointer' in place ? `${refusal.message} (at ${place.pointer})` : refusal.message;
    const errors = [{ code: refusal.detail, message, ...place }];
    const error = { code: refusal.code, message: message.slice(0, 999) };
    for (const [name, value] of Object.entries(refusal.headers)) if (!reply.hasHeader(name)) reply.header(name, value);
    const enveloped = form.sync && ![401, 403, 500].includes(refusal.status);
    const write = (): Promise<string> => writeEnveloped(parts, form, errors, error);
    const body = !enveloped
      ? writeAcknowledged(parts, errors, error)
      : await (form.partner === undefined ? writeShared(refusal, write) : write());
    return await reply.code(refusal.status).type('application/json; charset=utf-8').send(body);
  };
}

function writeEnveloped(
  { answers }: RefusalParts,
  { action, partner }: RefusalForm,
  errors: readonly object[],
  error: { code: string; message: string },
): Promise<string> {
  const to = partner === undefined ? STRANGER : { partner, terms: decideReplyTerms(partner, undefined) };
  const header = { action, status: 'rjct', reasonMessage: error.message, totalCount: 0, completedCount: 0 } as const;
  return answers.writeRefusal(to, header, { errors, error });
}

function writeAcknowledged({ now }: RefusalParts, errors: readonly object[], error: { code: string; message: string }): string {
  const timestamp = new Date(now()).toISOString();
  return JSON.stringify({ errors, message: { ack_status: 'ERR', timestamp, correlation_id: randomUUID(), error } });
}
