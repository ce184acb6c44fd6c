import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRateLimiter, type RateDecision, type RateLimiter, rateLimitHeaders } from '../../src/services/rate-limit.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

const MINUTE = { limit: 100, windowSeconds: 60 };
const START = Date.UTC(2026, 10, 3, 12, 0, 10);

let test: TestDatabase;
let clock = START;
const now = (): number => clock;

beforeAll(async () => {
  test = await createTestDatabase();
});
afterAll(() => test.drop());

function openLimiter(): RateLimiter {
  return createRateLimiter(test.database.db, { now });
}

async function countAllowed(limiters: readonly RateLimiter[], subject: string, times: number, points = 1): Promise<number> {
  const decisions: Promise<RateDecision>[] = [];
  for (let call = 0; call < times; call += 1)
    for (const limiter of limiters) decisions.push(Promise.resolve(limiter.consume(subject, points, MINUTE)));
  return (await Promise.all(decisions)).filter((decision) => decision.allowed).length;
}

describe('rate limiter', () => {
  it('allows the limit and not one more', async () => {
    expect(await countAllowed([openLimiter()], 'alone', 150)).toBe(100);
  });

  it('counts one subject apart from another', async () => {
    const limiter = openLimiter();
    expect(await countAllowed([limiter], 'one', 110)).toBe(100);
    expect(await countAllowed([limiter], 'other', 110)).toBe(100);
  });

  it('lets two processes on one database have the limit together, all of it', async () => {
    expect(await countAllowed([openLimiter(), openLimiter()], 'shared', 120)).toBe(100);
  });

  it('never lets processes exceed the limit with requests of several points', async () => {
    const limiters = [openLimiter(), openLimiter(), openLimiter()];
    const allowed = await countAllowed(limiters, 'heavy', 20, 7);
    expect(allowed * 7).toBeLessThanOrEqual(100);
    expect(allowed).toBeGreaterThanOrEqual(12);
  });

  it('answers at once while leased points last, and when the window is known to be spent', async () => {
    const limiter = openLimiter();
    await limiter.consume('fast', 1, MINUTE);
    expect(limiter.consume('fast', 1, MINUTE)).not.toBeInstanceOf(Promise);
    await countAllowed([limiter], 'fast', 120);
    expect(limiter.consume('fast', 1, MINUTE)).toMatchObject({ allowed: false, remaining: 0 });
  });

  it('refuses more points than the limit holds without touching the count', async () => {
    const limiter = openLimiter();
    expect(await limiter.consume('huge', 101, MINUTE)).toMatchObject({ allowed: false, remaining: 100 });
    expect(await limiter.consume('huge', 100, MINUTE)).toMatchObject({ allowed: true, remaining: 0 });
  });

  it('keeps long windows, and leases no more of them than is asked, where told so', async () => {
    const day = { limit: 100, windowSeconds: 86_400, leasesAhead: false };
    expect(await openLimiter().consume('day', 30, day)).toMatchObject({ allowed: true, remaining: 70 });
    // Another process, and the one after a restart.
    expect(await openLimiter().consume('day', 69, day)).toMatchObject({ allowed: true, remaining: 1 });
    clock += 5 * 3_600_000;
    const last = openLimiter();
    expect(await last.consume('minute', 1, MINUTE)).toMatchObject({ allowed: true });
    expect(await last.consume('day', 2, day)).toMatchObject({ allowed: false, remaining: 1 });
    expect(await last.consume('day', 1, day)).toMatchObject({ allowed: true, remaining: 0 });
    clock += 49 * 3_600_000;
  });

  it('begins anew with the next window and forgets old ones', async () => {
    const limiter = openLimiter();
    expect(await countAllowed([limiter], 'later', 110)).toBe(100);
    expect(await limiter.consume('later', 1, MINUTE)).toMatchObject({ allowed: false, resetSeconds: 50 });
    clock += 50_000;
    expect(await limiter.consume('later', 1, MINUTE)).toMatchObject({ allowed: true, remaining: 99, resetSeconds: 60 });
    clock += 3 * 3_600_000;
    await limiter.consume('later', 1, MINUTE);
    const kept = await test.database.db.selectFrom('rate_window').select('subject').execute();
    expect(kept).toEqual([{ subject: 'later/60' }]);
  });

  it('rejects when the count cannot be kept', async () => {
    const other = await createTestDatabase();
    await other.database.pool.query('drop table rate_window');
    const limiter = createRateLimiter(other.database.db, { now });
    await expect(Promise.resolve(limiter.consume('x', 1, MINUTE))).rejects.toThrow();
    await other.drop();
  });
});

describe('rateLimitHeaders', () => {
  const decision = { allowed: true, limit: 100, remaining: 40, resetSeconds: 12, windowSeconds: 60 };

  it('tells the policy and what is left', () => {
    expect(rateLimitHeaders(decision)).toEqual({ 'ratelimit-policy': '"default";q=100;w=60', ratelimit: '"default";r=40;t=12' });
  });

  it('tells a refused caller when to come back', () => {
    expect(rateLimitHeaders({ ...decision, allowed: false }, 'partner')).toMatchObject({
      'ratelimit-policy': '"partner";q=100;w=60',
      'retry-after': '12',
    });
  });
});
