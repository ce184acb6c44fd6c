import type { Db } from '../store/database.ts';
import { deleteRateWindows, leasePoints } from '../store/rate-windows.ts';

/**
 * Limits on how many points a subject — an address, a client, a partner — may spend in a window of time. The count is
 * shared by all processes on the database: each leases blocks of points and spends them without asking again, so the
 * limit is never exceeded and the usual call touches no database. What a process has leased and not spent when the window
 * ends is lost to the others; towards the end of a window only what is asked is leased.
 */
export interface RateLimiter {
  /** Spends `points` (a whole number from 1), all or none. A plain value where no lease was necessary. */
  consume(subject: string, points: number, rule: RateRule): RateDecision | Promise<RateDecision>;
}

export interface RateRule {
  /** Points a window; at least 1. */
  readonly limit: number;
  readonly windowSeconds: number;
  /** `false`: leases what is asked and no more; where a window is so long that what a process leaves unspent would be missed. */
  readonly leasesAhead?: boolean;
}

export interface RateDecision {
  readonly allowed: boolean;
  readonly limit: number;
  readonly remaining: number;
  /** Seconds until the window ends. */
  readonly resetSeconds: number;
  readonly windowSeconds: number;
}

interface Window {
  readonly start: number;
  readonly end: number;
  /** Points taken from the shared count and not spent yet. */
  leased: number;
  /** What all processes are known to have taken; the truth is this or more. */
  used: number;
  leasing: Promise<number> | undefined;
}

const BLOCKS_PER_WINDOW = 20;
const FORGET_EVERY_MS = 60_000;
const PURGE_EVERY_MS = 600_000;

/** `now`: epoch milliseconds. */
export function createRateLimiter(db: Db, { now }: { now: () => number }): RateLimiter {
  const windows = new Map<string, Window>();
  let forgotten = now();
  let purged = 0;

  function findWindow(subject: string, length: number): Window {
    const found = windows.get(subject);
    const time = now();
    if (found !== undefined && time < found.end && time >= found.start) return found;
    if (time - forgotten > FORGET_EVERY_MS) forgetPast(time);
    const start = Math.floor(time / length) * length;
    const made = { start, end: start + length, leased: 0, used: 0, leasing: undefined };
    windows.set(subject, made);
    return made;
  }

  function forgetPast(time: number): void {
    forgotten = time;
    for (const [subject, window] of windows) if (window.end <= time) windows.delete(subject);
  }

  async function lease(subject: string, window: Window, points: number, { limit, leasesAhead = true }: RateRule): Promise<number> {
    if (now() - purged > PURGE_EVERY_MS) {
      purged = now();
      await deleteRateWindows(db, new Date(now()));
    }
    const block = leasesAhead ? Math.max(points, Math.ceil(limit / BLOCKS_PER_WINDOW)) : points;
    const { granted, used } = await leasePoints(db, { subject, windowStart: new Date(window.start), points, block, limit });
    window.leased += granted;
    window.used = Math.max(window.used, used);
    return granted;
  }

  async function leaseAndSpend(subject: string, window: Window, points: number, rule: RateRule): Promise<RateDecision> {
    for (;;) {
      if (window.leasing !== undefined) await window.leasing;
      else {
        window.leasing = lease(subject, window, points - window.leased, rule).finally(() => {
          window.leasing = undefined;
        });
        if ((await window.leasing) === 0) return decide(window, false, rule);
      }
      const decision = spend(window, points, rule);
      if (decision !== undefined) return decision;
    }
  }

  /** Undefined: it takes a lease to tell. */
  function spend(window: Window, points: number, rule: RateRule): RateDecision | undefined {
    if (points <= window.leased) {
      window.leased -= points;
      return decide(window, true, rule);
    }
    return points > window.leased + rule.limit - window.used ? decide(window, false, rule) : undefined;
  }

  function decide(window: Window, allowed: boolean, { limit, windowSeconds }: RateRule): RateDecision {
    const remaining = Math.min(limit, Math.max(0, window.leased + limit - window.used));
    return { allowed, limit, remaining, resetSeconds: Math.max(1, Math.ceil((window.end - now()) / 1000)), windowSeconds };
  }

  return {
    consume(subject, points, rule) {
      const key = `${subject}/${rule.windowSeconds}`;
      const window = findWindow(key, rule.windowSeconds * 1000);
      return spend(window, points, rule) ?? leaseAndSpend(key, window, points, rule);
    },
  };
}

/**
 * The header fields that tell a caller how much is left: `RateLimit-Policy` and `RateLimit` of
 * draft-ietf-httpapi-ratelimit-headers, and `Retry-After` where the call was refused. `policy` names the limit.
 */
export function rateLimitHeaders(decision: RateDecision, policy = 'default'): Record<string, string> {
  const { allowed, limit, remaining, resetSeconds, windowSeconds } = decision;
  return {
    'ratelimit-policy': `"${policy}";q=${limit};w=${windowSeconds}`,
    ratelimit: `"${policy}";r=${remaining};t=${resetSeconds}`,
    ...(allowed ? {} : { 'retry-after': String(resetSeconds) }),
  };
}
