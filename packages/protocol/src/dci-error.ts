import type { ErrorCode, ReasonCode } from './codes.ts';

/**
 * The one error of this project that may be told to a partner. `message` is written for that partner: what was wrong
 * and what to do; never a stack, SQL, or anything of another partner. Everything else that is thrown is told as
 * `err.service.unavailable` or HTTP 500 and stands in the log only.
 *
 * @example
 * throw new DciError('rjct.filter.invalid', 'age is a number', { pointer: '/message/search_request/0/search_criteria/query/value' });
 */
export class DciError extends Error {
  override readonly name = 'DciError';
  readonly code: ErrorCode | ReasonCode;
  /** RFC 6901 pointer to the offending place in the received message; '' is the whole message. */
  readonly pointer: string | undefined;

  constructor(code: ErrorCode | ReasonCode, message: string, options: { pointer?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.pointer = options.pointer;
  }
}
