import { OutboundError } from '../outbound/outbound-error.ts';

/**
 * What follows from an attempt: it has arrived, is tried again, or never will be. Eight attempts in 27.6 hours; what the
 * receiver says is wrong with the message itself (4xx) is believed after three.
 */
export type Verdict =
  | { readonly state: 'delivered' }
  | { readonly state: 'dead' }
  | {
      readonly state: 'pending';
      readonly nextAt: Date;
      /** The receiver is in trouble, not this message. */
      readonly trouble: boolean;
      /** So long the receiver wants no call at all. */
      readonly pauseUntil?: Date | undefined;
    };

/** What came back: a status and a body, or why nothing did. */
export type Reply =
  | { readonly status: number; readonly retryAfter?: string | undefined; readonly ackStatus?: string | undefined }
  | OutboundError;

/** Seconds from one attempt to the next. */
const DELAYS = [5, 300, 1_800, 7_200, 18_000, 36_000, 36_000];
const ATTEMPTS_AT_REFUSALS = 3;
const JITTER = 0.1;
const LONGEST_RETRY_AFTER_SECONDS = 86_400;
/** Of the statuses from 400 to 499 those that do not say that the message is wrong. */
const TRANSIENT_REFUSALS: ReadonlySet<number> = new Set([408, 425, 429]);
/** The URL will not become one that is called. */
const HOPELESS: ReadonlySet<string> = new Set(['url_refused']);

/**
 * @param attempts how many have been made, this one included
 * @param now epoch milliseconds
 * @param random from 0 to 1
 */
export function judgeReply(reply: Reply, attempts: number, now: number, random: () => number = Math.random): Verdict {
  if (reply instanceof OutboundError && HOPELESS.has(reply.reason)) return { state: 'dead' };
  if (!(reply instanceof OutboundError) && isSuccess(reply)) return { state: 'delivered' };
  const status = reply instanceof OutboundError ? undefined : reply.status;
  const isRefusal = status !== undefined && status >= 400 && status < 500 && !TRANSIENT_REFUSALS.has(status);
  const delay = isRefusal && attempts >= ATTEMPTS_AT_REFUSALS ? undefined : DELAYS[attempts - 1];
  if (status === 410 || delay === undefined) return { state: 'dead' };
  const pause = reply instanceof OutboundError ? undefined : readRetryAfter(reply.retryAfter, now);
  const wait = delay * 1_000 * (1 - JITTER + 2 * JITTER * random());
  const trouble = status === undefined || status >= 500 || status === 429;
  return {
    state: 'pending',
    nextAt: new Date(Math.max(now + wait, pause ?? 0)),
    trouble,
    ...(pause === undefined ? {} : { pauseUntil: new Date(pause) }),
  };
}

function isSuccess({ status, ackStatus }: Exclude<Reply, OutboundError>): boolean {
  return status >= 200 && status < 300 && ackStatus !== 'ERR';
}

/** RFC 9110 section 10.2.3: seconds, or a date. Epoch milliseconds; undefined where it says nothing, or nothing sensible. */
function readRetryAfter(text: string | undefined, now: number): number | undefined {
  if (text === undefined) return undefined;
  const at = /^\d{1,9}$/.test(text.trim()) ? now + Number(text) * 1_000 : Date.parse(text);
  if (!(at > now)) return undefined;
  return Math.min(at, now + LONGEST_RETRY_AFTER_SECONDS * 1_000);
}
