import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { type JobBell, openJobBell } from '../../src/services/job-bell.ts';
import { sweepLanes } from '../../src/store/lane-exchange.ts';
import { enqueueJobs, type NewJob } from '../../src/store/lanes.ts';
import { type LaneWorker, type LaneWorkerParts, startLaneWorker } from '../../src/worker/lane-worker.ts';
import type { TaskKind } from '../../src/worker/task-kind.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

let test: TestDatabase;
let bell: JobBell;
let worker: LaneWorker | undefined;

beforeAll(async () => {
  test = await createTestDatabase();
  await test.database.pool.query('create table effect (n integer primary key)');
});
afterAll(() => test.drop());
beforeEach(async () => {
  await test.database.pool.query('truncate job, job_hold, worker, effect');
  bell = openJobBell(test.database, { warn: () => undefined });
});
afterEach(async () => {
  await worker?.close();
  worker = undefined;
  await bell.close();
});

interface Numbered {
  readonly n: number;
}

type NumberedKind = TaskKind<Numbered, number>;

const QUIET = { info: () => undefined, error: () => undefined };

function kindOf(run: NumberedKind['run'], more: Partial<NumberedKind> = {}): NumberedKind {
  return {
    kind: 'k',
    hands: 4,
    cap: 4,
    timeoutMs: 10_000,
    run,
    async record(db, results) {
      for (const n of results)
        await db
          .insertInto('effect' as never)
          .values({ n } as never)
          .execute();
    },
    ...more,
  };
}

function start(kind: NumberedKind, more: Partial<LaneWorkerParts> = {}): LaneWorker {
  worker = startLaneWorker({ database: test.database, bell, kinds: [kind as TaskKind], log: QUIET, ...more });
  return worker;
}

async function write(count: number, more: Partial<NewJob> = {}): Promise<void> {
  await enqueueJobs(
    test.database.db,
    Array.from({ length: count }, (_, n) => ({ kind: 'k', owner: 'o', payload: { n }, ...more })),
  );
  bell.ring();
}

async function read<T extends object>(text: string): Promise<T[]> {
  return (await test.database.pool.query<T>(text)).rows;
}

const effects = async (): Promise<number[]> => (await read<{ n: number }>('select n from effect order by n')).map(({ n }) => n);

async function untilEmpty(): Promise<void> {
  await vi.waitFor(async () => expect(await read(`select id from job where state <> 'dead'`)).toEqual([]), 10_000);
}

it('does every job once and records its result with its end', async () => {
  const ran: number[] = [];
  start(
    kindOf(async ({ payload }) => {
      ran.push(payload.n);
      return { state: 'done', record: payload.n };
    }),
  );
  await write(200);
  await untilEmpty();
  expect(ran.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 200 }, (_, n) => n));
  expect(await effects()).toHaveLength(200);
});

it('keeps the order of a lane, and tries a job that throws again before those behind it', async () => {
  const ran: number[] = [];
  start(
    kindOf(async ({ payload, attempts }) => {
      ran.push(payload.n);
      if (payload.n === 1 && attempts === 0) throw new Error('not yet');
      return { state: 'done', record: payload.n };
    }),
  );
  await write(4, { lane: 'l' });
  await untilEmpty();
  expect(ran).toEqual([0, 1, 1, 2, 3]);
  expect(await effects()).toEqual([0, 1, 2, 3]);
});

it('gives a job up that throws too often, with a last result where its kind has one', async () => {
  await write(1);
  await test.database.pool.query('update job set attempts = 7');
  start(kindOf(() => Promise.reject(new Error('never')), { giveUp: async () => ({ state: 'failed', error: 'hopeless', record: 99 }) }));
  await vi.waitFor(async () => expect(await effects()).toEqual([99]));
  await vi.waitFor(async () => expect(await read('select state, error from job')).toEqual([{ state: 'dead', error: 'hopeless' }]));
});

it('tries again what cannot be recorded, and records the others', async () => {
  await test.database.pool.query('insert into effect values (2)');
  start(kindOf(async ({ payload }) => ({ state: 'done', record: payload.n })));
  await write(4);
  await vi.waitFor(async () => expect(await read('select attempts from job')).toEqual([{ attempts: 1 }]));
  expect(await effects()).toEqual([0, 1, 2, 3]);
  await test.database.pool.query('delete from effect where n = 2');
  await untilEmpty();
  expect(await effects()).toEqual([0, 1, 2, 3]);
});

it('waits for what runs when it is closed, and gives back what does not end', async () => {
  let begun = 0;
  start(
    kindOf(async ({ payload }, signal) => {
      begun += 1;
      if (payload.n === 0) await sleep(100);
      else await new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('no time'))));
      return { state: 'done', record: payload.n };
    }),
    { patienceMs: 500 },
  );
  await write(2);
  await vi.waitFor(() => expect(begun).toBe(2));
  await worker?.close();
  worker = undefined;
  expect(await effects()).toEqual([0]);
  expect(await read('select payload, state, attempts, worker from job')).toEqual([
    { payload: { n: 1 }, state: 'ready', attempts: 0, worker: null },
  ]);
  expect(await read('select id from worker')).toEqual([]);
});

it('takes over the jobs of a worker that is gone', async () => {
  await write(1);
  const gone = randomUUID();
  await sweepLanes(test.database.pool, { worker: gone, leaseMs: 60_000, held: [] });
  await test.database.pool.query(`update job set state = 'running', worker = $1, claims = 1`, [gone]);
  await test.database.pool.query(`update worker set seen_at = now() - interval '1 hour'`);
  start(kindOf(async ({ payload }) => ({ state: 'done', record: payload.n })));
  await vi.waitFor(async () => expect(await effects()).toEqual([0]));
});

it('buries a job over which workers die again and again, without running it', async () => {
  await write(1);
  await test.database.pool.query('update job set claims = 20');
  let ran = 0;
  start(
    kindOf(async () => {
      ran += 1;
      return { state: 'done' };
    }),
  );
  await vi.waitFor(async () => expect(await read('select state from job')).toEqual([{ state: 'dead' }]));
  expect(ran).toBe(0);
});

it('hears of jobs that another process has written', async () => {
  start(kindOf(async ({ payload }) => ({ state: 'done', record: payload.n })));
  await sleep(300);
  const elsewhere = openJobBell(test.database, { warn: () => undefined });
  await enqueueJobs(test.database.db, [{ kind: 'k', owner: 'o', payload: { n: 5 } }]);
  elsewhere.ring();
  await vi.waitFor(async () => expect(await effects()).toEqual([5]));
  await elsewhere.close();
});
