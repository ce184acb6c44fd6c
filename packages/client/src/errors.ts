import type { ErrorCode, ReasonCode } from '@dci/protocol';
import type { AnswerItem } from './question.ts';

/**
 * The server understood and said no: an HTTP error, an `ERR` acknowledgement, a header or all items with `rjct`.
 *
 * Shapes: `code` one of the standard's codes, or what an OAuth2 endpoint calls it (`invalid_client`); `status` the HTTP
 * status; `retryAfterSeconds` as the server asked (429, 503). Source: `Error`, `MsgHeaderStatusReasonCode` and
 * `SearchStatusReasonCode` of the SPDCI OpenAPI 1.0.0; RFC 6749 section 5.2.
 *
 * @example
 * try {
 *   await client.search({ query_type: 'idtype-value', query: { type: 'UIN', value: '847951632' } });
 * } catch (error) {
 *   if (error instanceof DciRefusal && error.code === 'err.request.too_many_requests') await wait(error.retryAfterSeconds);
 *   else throw error;
 * }
 */
export class DciRefusal extends Error {
  override readonly name = 'DciRefusal';
  readonly code: ErrorCode | ReasonCode | (string & {});
  readonly status: number;
  readonly retryAfterSeconds: number | undefined;
  /** The refused items, where the server gave each a reason. */
  readonly items: readonly AnswerItem[];

  constructor(refusal: {
    code: string;
    message: string;
    status: number;
    retryAfterSeconds?: number | undefined;
    items?: readonly AnswerItem[];
  }) {
    super(refusal.message);
    this.code = refusal.code;
    this.status = refusal.status;
    this.retryAfterSeconds = refusal.retryAfterSeconds;
    this.items = refusal.items ?? [];
  }
}

/**
 * Something came back that must not be used: it is not what the protocol says, its signature does not fit, or it answers
 * another message.
 *
 * @example
 * if (error instanceof DciAnswerError) log.error({ reason: error.message }, 'answer not used');
 */
export class DciAnswerError extends Error {
  override readonly name = 'DciAnswerError';
}

/**
 * Nothing came back: no connection, no answer in time. Whether the server read the message is not known; a repeat is a
 * new message with a new `message_id`.
 *
 * @example
 * if (error instanceof DciConnectionError) retryLater();
 */
export class DciConnectionError extends Error {
  override readonly name = 'DciConnectionError';
}
