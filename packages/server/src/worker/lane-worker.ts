import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { JobBell } from '../services/job-bell.ts';
import type { Database } from '../store/database.ts';
import { type ClaimedJob, exchangeJobs, forgetWorker, sweepLanes } from '../store/lane-exchange.ts';
import { runJob } from './run-job.ts';
import { type EndedJob, settleEnded } from './settle-ended.ts';
import type { TaskKind } from './task-kind.ts';

/**
 * Does the jobs of this process's kinds: claims as many as it has hands free, runs them side by side, settles what has
 * ended, many in one commit, and claims again. Called by the bell; looks by itself every second.
 */
export interface LaneWorker {
  /** What an operator should know; undefined: all is well. */
  findTrouble(): string | undefined;
  /** Claims nothing more and waits for what runs; what takes longer than `patienceMs` is given back to be done by others. */
  close(): Promise<void>;
}

export interface LaneWorkerParts {
  readonly database: Database;
  readonly bell: JobBell;
  readonly kinds: readonly TaskKind[];
  readonly log: { info(fields: object, text: string): void; error(fields: object, text: string): void };
  /** After so long without a sign of life a worker's jobs are done by others. */
  readonly leaseMs?: number;
  readonly patienceMs?: number;
}

const LEASE_MS = 15_000;
const PATIENCE_MS = 10_000;
const LOOK_EVERY_MS = 1_000;
const AGAIN_AFTER_MS = 1_000;
const LARGEST_SETTLEMENT = 500;
const RETURNED = { state: 'returned' } as const;

export function startLaneWorker(parts: LaneWorkerParts): LaneWorker {
  const { database, kinds, log, leaseMs = LEASE_MS } = parts;
  const worker = randomUUID();
  const byName = new Map(kinds.map((kind) => [kind.kind, kind]));
  const running = new Map<ClaimedJob, { readonly kind: TaskKind; readonly abort: AbortController }>();
  const settled: string[] = [];
  let ended: EndedJob[] = [];
  let looping: Promise<void> | undefined;
  let wanted = false;
  let closing = false;
  let swept = Number.NEGATIVE_INFINITY;
  let trouble: string | undefined;

  function look(): void {
    wanted = true;
    looping ??= loop().finally(() => {
      looping = undefined;
      if (wanted && !closing) look();
    });
  }

  async function loop(): Promise<void> {
    while (wanted) {
      wanted = false;
      try {
        await turn();
        trouble = undefined;
      } catch (error) {
        if (trouble === undefined) log.error({ err: error }, 'jobs cannot be taken or settled; trying again');
        trouble = 'jobs cannot be taken or settled; see the log';
        if (closing) return;
        await sleep(AGAIN_AFTER_MS);
        wanted = true;
      }
    }
  }

  async function turn(): Promise<void> {
    if (!closing && performance.now() - swept > leaseMs / 5) {
      const held = [...running.keys(), ...ended.map(({ job }) => job)].map(({ id }) => id);
      const returned = await sweepLanes(database.pool, { worker, leaseMs, held });
      if (returned > 0) log.info({ jobs: returned }, 'jobs of workers that are gone, or that were lost, are taken over');
      swept = performance.now();
    }
    if (ended.length > 0) {
      const batch = ended.slice(0, LARGEST_SETTLEMENT);
      settled.push(...(await settleEnded({ db: database.db, worker, log }, batch)));
      ended = ended.slice(batch.length);
      if (ended.length > 0) wanted = true;
    }
    const demands = closing ? [] : kinds.map((kind) => ({ kind: kind.kind, free: kind.hands - countRunning(kind), cap: kind.cap }));
    const cleared = settled.slice();
    if (cleared.length === 0 && !demands.some(({ free }) => free > 0)) return;
    const { jobs, parked } = await exchangeJobs(database.pool, { worker, settled: cleared, demands });
    settled.splice(0, cleared.length);
    for (const job of jobs) start(job);
    if (parked) wanted = true;
  }

  function countRunning(kind: TaskKind): number {
    let count = 0;
    for (const entry of running.values()) if (entry.kind === kind) count += 1;
    return count;
  }

  function start(job: ClaimedJob): void {
    const kind = byName.get(job.kind);
    if (kind === undefined) throw new Error(`a job of the unknown kind "${job.kind}" was claimed`);
    const abort = new AbortController();
    running.set(job, { kind, abort });
    const signal = AbortSignal.any([abort.signal, AbortSignal.timeout(kind.timeoutMs)]);
    void runJob(kind, job, signal, log).then((outcome) => {
      // Given back meanwhile: somebody else's now.
      if (!running.delete(job)) return;
      ended.push({ job, kind, outcome: closing && abort.signal.aborted && outcome.state === 'retry' ? RETURNED : outcome });
      look();
    });
  }

  const timer = setInterval(look, LOOK_EVERY_MS);
  timer.unref();
  parts.bell.onRing(look);
  look();

  return {
    findTrouble: () => trouble,
    async close() {
      closing = true;
      clearInterval(timer);
      await looping;
      const deadline = performance.now() + (parts.patienceMs ?? PATIENCE_MS);
      while (running.size > 0 && performance.now() < deadline) await sleep(10);
      for (const { abort } of running.values()) abort.abort();
      await sleep(running.size > 0 ? 100 : 0);
      for (const [job, { kind }] of running) ended.push({ job, kind, outcome: RETURNED });
      running.clear();
      await looping;
      wanted = true;
      await loop();
      await forgetWorker(database.pool, worker).catch((error: unknown) => log.error({ err: error }, 'the worker could not be forgotten'));
    },
  };
}
