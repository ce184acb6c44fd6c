import { DciRefusal } from './errors.ts';
import { asObject, type HttpAnswer, readJsonObject } from './transport.ts';

/**
 * Reads a refusal from whichever body a server gives it in: an `ERR` acknowledgement, `{error: {code, message}}`, a header
 * with `rjct`, `{errors: [{code, message}]}`, OAuth2's `{error, error_description}`, or nothing but the status.
 *
 * @example
 * if (answer.status >= 400) throw readRefusal(answer);
 */
export function readRefusal(answer: HttpAnswer): DciRefusal {
  const { code, message } = findReason(readJsonObject(answer.body)) ?? {
    code: codeOfStatus(answer.status),
    message: `${answer.url} answered with HTTP status ${answer.status}`,
  };
  return new DciRefusal({ code, message, status: answer.status, retryAfterSeconds: readRetryAfter(answer.headers) });
}

interface Reason {
  readonly code: string;
  readonly message: string;
}

function findReason(body: Readonly<Record<string, unknown>> | undefined): Reason | undefined {
  if (body === undefined) return undefined;
  const errors = Array.isArray(body['errors']) ? body['errors'] : [];
  const acknowledgement = asObject(body['message']);
  const header = asObject(body['header']);
  return (
    readReason(acknowledgement?.['error']) ??
    readReason(body['error']) ??
    makeReason(header?.['status_reason_code'], header?.['status_reason_message']) ??
    readReason(errors[0]) ??
    makeReason(body['error'], body['error_description'])
  );
}

function readReason(value: unknown): Reason | undefined {
  const object = asObject(value);
  return makeReason(object?.['code'], object?.['message']);
}

function makeReason(code: unknown, message: unknown): Reason | undefined {
  if (typeof code !== 'string' || code === '') return undefined;
  return { code, message: typeof message === 'string' && message !== '' ? message : code };
}

const CODES_BY_STATUS: Readonly<Record<number, string>> = {
  401: 'err.request.unauthorized',
  403: 'err.request.forbidden',
  404: 'err.request.not_found',
  408: 'err.request.timeout',
  429: 'err.request.too_many_requests',
};

function codeOfStatus(status: number): string {
  return CODES_BY_STATUS[status] ?? (status >= 500 ? 'err.service.unavailable' : 'err.request.bad');
}

function readRetryAfter(headers: Headers): number | undefined {
  const seconds = headers.get('retry-after');
  return seconds !== null && /^\d{1,9}$/.test(seconds) ? Number(seconds) : undefined;
}
