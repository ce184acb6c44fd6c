import { execFile, execFileSync } from 'node:child_process';
import { chownSync, statSync } from 'node:fs';
import { promisify } from 'node:util';

/**
 * The user that PostgreSQL runs as: ourselves, unless we are root, as which it refuses to run. All programs of
 * PostgreSQL are started here, with nothing of our environment.
 */
export interface Account {
  /** undefined: the user we are. */
  readonly switchTo: { readonly uid: number; readonly gid: number } | undefined;
  readonly uid: number;
}

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** As root: the owner of the first of `folders` that exists and is not root's, else `postgres`, else `nobody`. */
export function chooseAccount(folders: readonly string[]): Account {
  const uid = process.getuid?.() ?? 0;
  if (uid !== 0) return { switchTo: undefined, uid };
  const chosen = findOwner(folders) ?? findUser('postgres') ?? findUser('nobody');
  if (chosen === undefined) throw new Error('PostgreSQL cannot run as root, and there is no user postgres or nobody to run it as');
  return { switchTo: chosen, uid: chosen.uid };
}

/** The options with which a program runs as `account`. */
export function asAccount(account: Account): { cwd: string; env: NodeJS.ProcessEnv; uid?: number; gid?: number } {
  // The present folder may be closed to that user; programs of PostgreSQL want one they can read.
  return { cwd: '/', env: { PATH, LC_ALL: 'C', TZ: 'UTC' }, ...account.switchTo };
}

/** Runs a program to its end; throws with what it wrote to stderr. */
export async function runAs(account: Account, program: string, args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(program, [...args], { ...asAccount(account), encoding: 'utf8' });
  return stdout;
}

/** Whether `account` can go through `folder` to what lies in it. */
export async function canEnter(account: Account, folder: string): Promise<boolean> {
  return succeeds(runAs(account, '/bin/sh', ['-c', 'test -x "$1"', 'sh', folder]));
}

/** Whether `account` can start `program` (libraries and all). */
export async function canRun(account: Account, program: string): Promise<boolean> {
  return succeeds(runAs(account, program, ['--version']));
}

/** Makes `account` the owner of a file or folder that we made. */
export function giveTo(account: Account, path: string): void {
  if (account.switchTo !== undefined) chownSync(path, account.switchTo.uid, account.switchTo.gid);
}

function findOwner(folders: readonly string[]): { uid: number; gid: number } | undefined {
  for (const folder of folders) {
    const found = statSync(folder, { throwIfNoEntry: false });
    if (found !== undefined && found.uid !== 0) return { uid: found.uid, gid: found.gid };
  }
  return undefined;
}

function findUser(name: string): { uid: number; gid: number } | undefined {
  try {
    const ask = (option: string): number =>
      Number(execFileSync('id', [option, name], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }));
    return { uid: ask('-u'), gid: ask('-g') };
  } catch {
    return undefined;
  }
}

async function succeeds(run: Promise<unknown>): Promise<boolean> {
  return run.then(
    () => true,
    () => false,
  );
}
