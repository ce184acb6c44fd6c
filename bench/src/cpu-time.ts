import { readdirSync, readFileSync } from 'node:fs';

/** Whose use of the CPU is measured: a process, and the PostgreSQL that works for it. */
export interface Watched {
  readonly process: number;
  readonly postmaster: number;
}

/** CPU time since each process began, user and system, in milliseconds. */
export interface CpuTime {
  /** The main thread of the process: its JavaScript. */
  readonly main: number;
  /** Its other threads: signatures, the collector of garbage, the compiler. */
  readonly threads: number;
  /** PostgreSQL: all its processes. */
  readonly database: number;
}

/** Reads the counters of the kernel; `undefined` where it does not keep them in `/proc`, as Linux does. */
export function readCpuTime({ process, postmaster }: Watched): CpuTime | undefined {
  const whole = readTimes(`/proc/${process}/stat`);
  const main = readTimes(`/proc/${process}/task/${process}/stat`);
  if (whole === undefined || main === undefined) return undefined;
  return { main: main.own, threads: whole.own - main.own, database: readFamily(postmaster) };
}

/**
 * What was used between two readings. The counters go in ticks of 10 ms, and that of the process is not read at the
 * instant at which that of its main thread is: threads that did nothing would seem to have given a tick back.
 */
export function subtractCpuTime(after: CpuTime, before: CpuTime): CpuTime {
  return {
    main: after.main - before.main,
    threads: Math.max(0, after.threads - before.threads),
    database: after.database - before.database,
  };
}

/** A process with its children, those that have ended among them. */
function readFamily(parent: number): number {
  const members = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => readTimes(`/proc/${name}/stat`) ?? [])
    .filter((member) => member.pid === parent || member.parent === parent);
  return members.reduce((sum, { own, ended }) => sum + own + ended, 0);
}

interface Times {
  readonly pid: number;
  readonly parent: number;
  readonly own: number;
  /** Of its children that have ended and been waited for. */
  readonly ended: number;
}

// USER_HZ, the unit of these counters, is 100 on every platform that Node runs on.
const TICK_MS = 10;

/** proc_pid_stat(5); the program's name, in parentheses, may hold anything. */
function readTimes(path: string): Times | undefined {
  const text = readText(path);
  if (text === undefined) return undefined;
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const ticks = (place: number): number => Number(fields[place]) * TICK_MS;
  return { pid: Number.parseInt(text, 10), parent: Number(fields[1]), own: ticks(11) + ticks(12), ended: ticks(13) + ticks(14) };
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

/** The process that is the parent of `pid`: of a backend, the postmaster. */
export function findParent(pid: number): number | undefined {
  return readTimes(`/proc/${pid}/stat`)?.parent;
}
