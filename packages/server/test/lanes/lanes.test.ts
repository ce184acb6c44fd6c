import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type ClaimedJob, exchangeJobs, forgetWorker, settleJobs, sweepLanes } from '../../src/store/lane-exchange.ts';
import { enqueueJobs, holdJobs, type NewJob, replayJobs, resumeJobs } from '../../src/store/lanes.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

let test: TestDatabase;
beforeAll(async () => {
  test = await createTestDatabase();
});
afterAll(() => test.drop());

let worker: string;
beforeEach(async () => {
  await test.database.pool.query('truncate job, job_hold, worker');
  worker = randomUUID();
  await sweep();
});

const sweep = (by = worker, held: readonly string[] = []): Promise<number> =>
  sweepLanes(test.database.pool, { worker: by, leaseMs: 60_000, held });

const write = (...jobs: Partial<NewJob>[]): Promise<void> =>
  enqueueJobs(
    test.database.db,
    jobs.map((job, n) => ({ kind: 'k', owner: 'o', payload: { n }, ...job })),
  );

async function claim(free = 10, cap = 10, settled: readonly string[] = [], by = worker): Promise<readonly ClaimedJob[]> {
  for (;;) {
    const { jobs, parked } = await exchangeJobs(test.database.pool, { worker: by, settled, demands: [{ kind: 'k', free, cap }] });
    if (jobs.length > 0 || !parked) return jobs;
  }
}

async function settle(
  given: readonly (ClaimedJob | undefined)[],
  state: 'done' | 'failed' | 'returned' = 'done',
): Promise<readonly string[]> {
  const jobs = given.filter((job) => job !== undefined);
  return [
    ...(await settleJobs(
      test.database.db,
      worker,
      jobs.map((job) => ({ job, state })),
    )),
  ];
}

async function retry(job: ClaimedJob | undefined, runAt: Date): Promise<void> {
  if (job === undefined) throw new Error('there is no job to try again');
  await settleJobs(test.database.db, worker, [{ job, state: 'retry', runAt, error: 'slow' }]);
}

const numbers = (jobs: readonly ClaimedJob[]): unknown[] => jobs.map(({ payload }) => (payload as { n: unknown }).n);

async function states(): Promise<Record<string, number>> {
  const { rows } = await test.database.pool.query<{ state: string; count: string }>('select state, count(*) from job group by state');
  return Object.fromEntries(rows.map(({ state, count }) => [state, Number(count)]));
}

describe('a queue', () => {
  it('gives jobs in the order of their times, each once', async () => {
    const soon = new Date(Date.now() - 1_000);
    await write({}, {}, { runAt: soon });
    expect(numbers(await claim(2))).toEqual([2, 0]);
    expect(numbers(await claim())).toEqual([1]);
    expect(await claim()).toEqual([]);
  });

  it('keeps a job until its time', async () => {
    await write({ runAt: new Date(Date.now() + 60_000) });
    expect(await claim()).toEqual([]);
  });

  it('lets no more of one owner run than its cap, whoever claims', async () => {
    await write({}, {}, {}, { owner: 'p' });
    const first = await claim(10, 2);
    expect(numbers(first).toSorted()).toEqual([0, 1, 3]);
    expect(await claim(10, 2, [], randomUUID())).toEqual([]);
    const done = await settle(first.filter(({ owner }) => owner === 'o').slice(0, 1));
    expect(numbers(await claim(10, 2, done))).toEqual([2]);
  });

  it('keeps the cap exactly while many claim at once', async () => {
    await write(...Array.from({ length: 60 }, () => ({})));
    const claims = await Promise.all(Array.from({ length: 8 }, () => claim(3, 7)));
    expect(claims.flat()).toHaveLength(7);
    expect(new Set(claims.flat().map(({ id }) => id)).size).toBe(7);
  });

  it('serves owners in turn, however much one of them has waiting', async () => {
    await write(...Array.from({ length: 20 }, () => ({})), { owner: 'late' });
    expect((await claim(4, 10)).map(({ owner }) => owner).filter((owner) => owner === 'late')).toEqual(['late']);
  });

  it('is left alone while held, and goes on when resumed or when the time has come', async () => {
    await write({}, { owner: 'p' });
    await holdJobs(test.database.db, { kind: 'k', owner: 'o', reason: 'test' });
    await holdJobs(test.database.db, { kind: 'k', owner: 'p', until: new Date(Date.now() - 1), reason: 'test' });
    expect(numbers(await claim())).toEqual([1]);
    await resumeJobs(test.database.db, { kind: 'k', owner: 'o' });
    expect(numbers(await claim())).toEqual([0]);
  });

  it('is not touched by who does not know its kind', async () => {
    await write({ kind: 'other' });
    expect(await claim()).toEqual([]);
    expect(await states()).toEqual({ ready: 1 });
  });
});

describe('a lane', () => {
  const lane = 'l';

  it('runs one job at a time, in the order in which they were written', async () => {
    await write({ lane }, { lane }, { lane });
    const order: unknown[] = [];
    let settled: readonly string[] = [];
    for (let n = 0; n < 3; n += 1) {
      const jobs = await claim(10, 10, settled);
      order.push(numbers(jobs));
      settled = await settle(jobs);
    }
    expect(order).toEqual([[0], [1], [2]]);
    expect(await claim(10, 10, settled)).toEqual([]);
    expect(await states()).toEqual({});
  });

  it('is held by a job that must be tried again; other lanes are not', async () => {
    await write({ lane }, { lane }, { lane: 'm' });
    const [head, other] = await claim();
    await retry(head, new Date(Date.now() + 60_000));
    const settled = await settle([other]);
    expect(await claim(10, 10, settled)).toEqual([]);
    await test.database.pool.query(`update job set run_at = now() where attempts = 1`);
    const [again] = await claim();
    expect([again?.payload, again?.attempts]).toEqual([{ n: 0 }, 1]);
  });

  it('goes on behind a dead letter, which comes first again when replayed', async () => {
    await write({ lane }, { lane }, { lane });
    const dead = await settle(await claim(), 'failed');
    const second = await claim(10, 10, dead);
    expect(numbers(second)).toEqual([1]);
    expect(await states()).toEqual({ dead: 1, running: 1, waiting: 1 });
    expect(await replayJobs(test.database.db, 'k', { ids: dead })).toBe(1);
    expect(await claim()).toEqual([]);
    expect(numbers(await claim(10, 10, await settle(second)))).toEqual([0]);
  });

  it('waits while held, and goes on in order when resumed', async () => {
    await holdJobs(test.database.db, { kind: 'k', owner: 'o', lane, reason: 'suspended' });
    await write({ lane }, { lane }, {});
    expect(numbers(await claim())).toEqual([2]);
    expect(await states()).toEqual({ running: 1, waiting: 2 });
    await resumeJobs(test.database.db, { kind: 'k', owner: 'o', lane });
    expect(numbers(await claim())).toEqual([0]);
  });

  it('goes on by itself when the time of its hold has come', async () => {
    await holdJobs(test.database.db, { kind: 'k', owner: 'o', lane, until: new Date(Date.now() + 60_000), reason: 'slow' });
    await write({ lane });
    expect(await claim()).toEqual([]);
    await test.database.pool.query('update job_hold set until = now()');
    await sweep();
    expect(numbers(await claim())).toEqual([0]);
  });

  it('does not keep others of its queue back, however long it is', async () => {
    await write(...Array.from({ length: 3_000 }, () => ({ lane })), { lane: 'm' });
    expect(numbers(await claim(2, 2))).toEqual([0]);
    expect(numbers(await claim(2, 2))).toEqual([3_000]);
  });
});

describe('a worker', () => {
  it('that is gone leaves its jobs to others, and can settle them no more', async () => {
    await write({});
    const mine = await claim();
    await test.database.pool.query(`update worker set seen_at = now() - interval '1 hour'`);
    const other = randomUUID();
    expect(await sweep(other)).toBe(1);
    const [taken] = await claim(10, 10, [], other);
    expect([taken?.attempts, taken?.claims]).toEqual([0, 2]);
    expect(await settle(mine)).toEqual([]);
    expect(await states()).toEqual({ running: 1 });
  });

  it('that died after settling has its jobs cleared away, and those behind them go on', async () => {
    await write({ lane: 'l' }, { lane: 'l' });
    await settle(await claim());
    expect(await claim()).toEqual([]);
    await forgetWorker(test.database.pool, worker);
    worker = randomUUID();
    await sweep();
    expect(numbers(await claim())).toEqual([1]);
  });

  it('that was never told of its claim does not keep it', async () => {
    await write({ lane: 'l' }, { lane: 'l' });
    await claim();
    expect(await sweep()).toBe(1);
    const [again] = await claim();
    expect(await sweep(worker, [again?.id ?? ''])).toBe(0);
    expect(await states()).toMatchObject({ running: 1 });
  });

  it('whose clearing away was lost in a crash of the database clears away again', async () => {
    await write({ lane: 'l' }, { lane: 'l' });
    await settle(await claim());
    expect(await sweep()).toBe(0);
    expect(numbers(await claim())).toEqual([1]);
  });

  it('may give back what it has not tried', async () => {
    await write({});
    await settle(await claim(), 'returned');
    const [again] = await claim();
    expect(again?.attempts).toBe(0);
  });
});
