import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { asAccount } from './account.ts';
import type { Binaries } from './binaries.ts';
import type { Placement } from './placement.ts';

/** A PostgreSQL that runs on a data folder of ours, whoever started it. */
export interface Postmaster {
  readonly pid: number;
  /** undefined: it has not come so far yet. */
  readonly socketFolder: string | undefined;
}

/** Only a part of the socket's name: nothing listens on the network. */
export const PORT = 5432;

const LARGEST_LOG = 10 * 1_048_576;
const POLL_MS = 50;
// PostgreSQL makes its lock file and fills it in the same breath.
const WRITTEN_WITHIN_MS = 5_000;
// Two starts at once, the last processes of a killed PostgreSQL that have not gone yet, or a stop that took the folder away.
const RACE =
  /lock file "[^"]*" (already exists|is empty)|pre-existing shared memory block|could not create lock file "[^"]*": No such file/;

/** The PostgreSQL of `cluster`, if one runs. A lock file left by one that was killed, or by another process's use of its id, counts for nothing. */
export function findPostmaster(cluster: string): Postmaster | undefined {
  const [pidLine = '', , , , socketFolder = ''] = readText(join(cluster, 'postmaster.pid')).split('\n');
  const pid = Number(pidLine);
  if (!Number.isInteger(pid) || pid <= 1 || !isPostmaster(pid, cluster)) return undefined;
  return { pid, socketFolder: socketFolder === '' ? undefined : socketFolder };
}

/**
 * Takes away a lock file over which PostgreSQL would refuse to start: one whose process id now belongs to some other
 * program, and one that has stayed empty, as a power cut leaves it. One that names any PostgreSQL, or a process that cannot
 * be looked at, stays.
 */
export function removeStaleLock(cluster: string): void {
  const lock = join(cluster, 'postmaster.pid');
  const text = readText(lock);
  const program = basename(readCommand(Number(text.split('\n')[0]))[0] ?? '');
  const isForeign = program !== '' && !/^post(gres|master)/.test(program);
  if (!isForeign && !(text === '' && ageOf(lock) > WRITTEN_WITHIN_MS)) return;
  // Another process may have replaced it since: what is taken away is looked at again, and put back if it is new.
  const taken = `${lock}.${process.pid}`;
  renameSync(lock, taken);
  if (readText(taken) !== text) renameSync(taken, lock);
  else rmSync(taken);
}

/** Why a start came to nothing; `isRace` when it is worth another try. */
export class StartError extends Error {
  override readonly name = 'StartError';
  readonly isRace: boolean;

  constructor(message: string, isRace: boolean) {
    super(message);
    this.isRace = isRace;
  }
}

/**
 * Starts PostgreSQL in a session of its own, so that Ctrl-C on the terminal reaches us and not it, and waits until it has
 * taken the data folder. Throws a `StartError` when it ends before.
 */
export async function startPostmaster(placement: Placement, binaries: Binaries, socketFolder: string): Promise<void> {
  const { account, cluster, logFile } = placement;
  rotate(logFile);
  const output = openSync(logFile, 'a', 0o600);
  const before = statSync(logFile).size;
  const child = spawn(
    join(binaries.folder, 'postgres'),
    ['-D', cluster, '-k', socketFolder, '-p', String(PORT), '-c', 'listen_addresses='],
    {
      ...asAccount(account),
      detached: true,
      stdio: ['ignore', output, output],
    },
  );
  closeSync(output);
  child.unref();
  let failure: Error | undefined;
  child.once('error', (error) => {
    failure = error;
  });
  while (findPostmaster(cluster)?.pid !== child.pid || child.pid === undefined) {
    if (failure !== undefined) throw failure;
    if (child.exitCode !== null || child.signalCode !== null) throw explainExit(logFile, before);
    await sleep(POLL_MS);
  }
}

/** Ends every session, writes everything to disk and waits until the process is gone. */
export async function stopPostmaster(cluster: string): Promise<void> {
  const running = findPostmaster(cluster);
  if (running === undefined) return;
  signal(running.pid, 'SIGINT');
  while (findPostmaster(cluster)?.pid === running.pid) await sleep(POLL_MS);
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Process ids are used again: only a PostgreSQL with this data folder on its command line is meant. */
function isPostmaster(pid: number, cluster: string): boolean {
  const words = readCommand(pid);
  return words[0]?.endsWith('postgres') === true && words.includes(cluster);
}

function readCommand(pid: number): string[] {
  return readText(`/proc/${pid}/cmdline`).split('\0');
}

function explainExit(logFile: string, before: number): StartError {
  const written = readFileSync(logFile).subarray(before).toString('utf8').trim();
  const lines = written.split('\n').slice(-6).join('\n');
  return new StartError(`PostgreSQL did not start; its log ${logFile} ends with\n${lines}`, RACE.test(written));
}

/** Milliseconds since a file was written; 0 where there is none. */
function ageOf(file: string): number {
  return Date.now() - (statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
}

function rotate(logFile: string): void {
  if (existsSync(logFile) && statSync(logFile).size > LARGEST_LOG) renameSync(logFile, `${logFile}.old`);
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
