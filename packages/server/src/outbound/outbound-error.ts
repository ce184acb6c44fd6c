/** Why nothing usable came back from an outgoing request. */
export type OutboundFailure =
  /** The URL is none that this server calls. */
  | 'url_refused'
  /** Its host leads to an address that this server does not call. */
  | 'address_refused'
  /** Its host has no address, or none was told in time. */
  | 'resolution'
  | 'connect'
  /** No TLS, or a certificate that is not one of that host. */
  | 'tls'
  /** Not done within the time allowed for all of it. */
  | 'timeout'
  | 'too_large'
  /** It points elsewhere; nobody goes there. */
  | 'redirect'
  /** What came back is not HTTP. */
  | 'response'
  /** The connection ended before the answer did. */
  | 'connection_lost'
  /** The caller, or our own end, stopped it. */
  | 'aborted';

/** An outgoing request failed. The message names the origin at most, never the path, the query or what was sent. */
export class OutboundError extends Error {
  override readonly name = 'OutboundError';
  readonly reason: OutboundFailure;

  constructor(reason: OutboundFailure, message: string, options: { readonly cause?: unknown } = {}) {
    super(message, options);
    this.reason = reason;
  }
}
