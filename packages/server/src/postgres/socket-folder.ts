import { createHash } from 'node:crypto';
import { lstatSync, mkdirSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Account, canEnter, giveTo } from './account.ts';
import type { Placement } from './placement.ts';

// A socket's path may have 107 bytes; PostgreSQL adds `/.s.PGSQL.5432.lock`.
const LONGEST = 80;

/**
 * The folder of the socket, closed to everybody else: who can enter it is let in without a password. The same for every
 * process and every start of one database, so that connections made before a restart can be made again after it.
 */
export async function makeSocketFolder({ account, cluster }: Placement): Promise<string> {
  const name = `dci-${createHash('sha256').update(cluster).digest('hex').slice(0, 12)}`;
  const folder = join(await findParent(account), name);
  try {
    mkdirSync(folder, { mode: 0o700 });
    giveTo(account, folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  assertPrivate(account, folder);
  return folder;
}

export function removeSocketFolder(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    // Somebody is starting the database again, or cleaned up first.
  }
}

async function findParent(account: Account): Promise<string> {
  const parent = tmpdir();
  return parent.length <= LONGEST && (await canEnter(account, parent)) ? parent : '/tmp';
}

function assertPrivate(account: Account, folder: string): void {
  const found = lstatSync(folder);
  // Root may have been interrupted between making the folder and giving it away.
  if (account.switchTo !== undefined && found.uid === 0 && found.isDirectory()) giveTo(account, folder);
  const owner = lstatSync(folder).uid;
  if (found.isDirectory() && owner === account.uid && (found.mode & 0o077) === 0) return;
  throw new Error(`${folder} is not a private folder of the user with id ${account.uid}: remove it, or set TMPDIR to another folder`);
}
