import type { FastifyReply } from 'fastify';
import { WriteRefused } from '../registry/write-operations.ts';
import type { PutRefusalReason } from '../registry/put-units.ts';
import { WriteKeyError } from '../services/write-records.ts';
import type { Refusal } from './error-response.ts';

/** Refusals of the interfaces that are no DCI messages, as problem details: https://www.rfc-editor.org/rfc/rfc9457 */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  /** Faults of the request, by JSON pointer. */
  readonly errors?: readonly { readonly pointer: string; readonly detail: string }[];
  /** Place in the request's list of the operation that is refused. */
  readonly operation?: number;
  readonly current_version?: number;
}

type ProblemKind = readonly [name: string, status: number, title: string];

const OF_RECORD: Readonly<Record<PutRefusalReason, ProblemKind>> = {
  invalid: ['record-invalid', 422, 'The operation does not fit the registry'],
  reference: ['reference-invalid', 422, 'Identifiers mean no record, or several'],
  exists: ['record-exists', 409, 'The record is in the registry already'],
  missing: ['record-missing', 404, 'The record is not in the registry'],
  version: ['version-conflict', 409, 'The record has another version'],
};

const OF_KEY: Readonly<Record<WriteKeyError['reason'], ProblemKind>> = {
  'key-invalid': ['key-invalid', 400, 'The Idempotency-Key is none'],
  'key-reused': ['key-reused', 409, 'The Idempotency-Key belongs to another request'],
};

const OF_STATUS: Readonly<Record<number, ProblemKind>> = {
  400: ['request-invalid', 400, 'The request cannot be understood'],
  401: ['unauthorized', 401, 'No valid access token'],
  403: ['forbidden', 403, 'Not open to this partner'],
  404: ['not-found', 404, 'There is no such thing'],
  408: ['timeout', 408, 'The request did not arrive in time'],
  413: ['too-large', 413, 'The request is too large'],
  415: ['media-type', 415, 'Send application/json'],
  429: ['limit-spent', 429, 'The limit is spent'],
  500: ['failed', 500, 'The service failed'],
  503: ['unavailable', 503, 'The service cannot answer now'],
};

export const PROBLEM_TYPES = [...Object.values(OF_RECORD), ...Object.values(OF_KEY), ...Object.values(OF_STATUS)].map(([name]) =>
  toType(name),
);

/** What was thrown, told; undefined: no fault of a request to write. */
export function describeWriteProblem(error: unknown): Problem | undefined {
  if (error instanceof WriteKeyError)
    return make(
      OF_KEY[error.reason],
      error.reason === 'key-invalid'
        ? 'a key has 1 to 255 visible characters'
        : 'this key was sent with another request in the last 24 hours; each request needs a key of its own',
    );
  if (!(error instanceof WriteRefused)) return undefined;
  const { index, refusal } = error;
  const errors = refusal.problems.map(({ pointer, text }) => ({ pointer: `/operations/${index}${pointer}`, detail: text }));
  return {
    ...make(OF_RECORD[refusal.reason], `operation ${index} is refused, and so nothing was written`),
    operation: index,
    errors,
    ...(refusal.currentVersion === undefined ? {} : { current_version: refusal.currentVersion }),
  };
}

/** A refusal of the gate, or of a body that cannot be read. */
export function toProblem({ status, message, pointer }: Refusal): Problem {
  const kind = OF_STATUS[status] ?? ['refused', status, 'The request is refused'];
  return { ...make(kind, message), ...(pointer === undefined ? {} : { errors: [{ pointer, detail: message }] }) };
}

export async function sendProblem(reply: FastifyReply, problem: Problem): Promise<FastifyReply> {
  return await reply.code(problem.status).type('application/problem+json; charset=utf-8').send(JSON.stringify(problem));
}

function make([name, status, title]: ProblemKind, detail: string): Problem {
  return { type: toType(name), title, status, detail };
}

function toType(name: string): string {
  return `urn:dci:problem:${name}`;
}
