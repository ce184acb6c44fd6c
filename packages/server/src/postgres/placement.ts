import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, realpathSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Account, canEnter, chooseAccount } from './account.ts';
import type { EventLog } from './event-log.ts';

/** Where the embedded database of one data folder lies, and whose it is. */
export interface Placement {
  readonly account: Account;
  /** The data folder itself; or, where the account cannot reach that, a folder below `/var/lib/dci`. */
  readonly home: string;
  /** Where programs are copied to that the account cannot run in their place. */
  readonly copies: string;
  /** PostgreSQL's own data folder. */
  readonly cluster: string;
  readonly logFile: string;
}

const REMOTE_PARENT = '/var/lib/dci';
// Holds the path of `home` when that is not the data folder.
const MEMORY = 'postgres-location';

/** Makes the folders that are missing. */
export async function findPlacement(dataDir: string, log: EventLog): Promise<Placement> {
  const folder = makeDataDir(dataDir);
  const remembered = readMemory(folder);
  const home = remembered ?? folder;
  const account = chooseAccount([join(home, 'postgres'), folder]);
  if (remembered !== undefined || account.switchTo === undefined || (await canEnter(account, folder))) return place(account, home);
  return place(account, moveAway(folder, log));
}

function place(account: Account, home: string): Placement {
  const cluster = join(home, 'postgres');
  assertOwner(account, cluster);
  const copies = dirname(home) === REMOTE_PARENT ? REMOTE_PARENT : home;
  return { account, home, copies, cluster, logFile: join(home, 'postgres.log') };
}

// Root keeps secrets there that only root reads, and PostgreSQL's user must pass through it.
function makeDataDir(dataDir: string): string {
  mkdirSync(dataDir, { recursive: true, mode: process.getuid?.() === 0 ? 0o711 : 0o700 });
  return realpathSync(dataDir);
}

function readMemory(folder: string): string | undefined {
  const file = join(folder, MEMORY);
  return existsSync(file) ? readFileSync(file, 'utf8').trim() : undefined;
}

function moveAway(folder: string, log: EventLog): string {
  const home = join(REMOTE_PARENT, identify(folder));
  mkdirSync(home, { recursive: true, mode: 0o755 });
  const draft = join(folder, `${MEMORY}.${process.pid}`);
  writeFileSync(draft, `${home}\n`);
  renameSync(draft, join(folder, MEMORY));
  log.info(`PostgreSQL does not run as root, and other users cannot enter ${folder}: its data is kept in ${home}`);
  return home;
}

/** Not the path alone: a folder that was deleted and made anew must not find the database of its predecessor. */
function identify(folder: string): string {
  const { dev, ino, birthtimeNs } = statSync(folder, { bigint: true });
  return createHash('sha256').update([folder, dev, ino, birthtimeNs].join('\0')).digest('hex').slice(0, 16);
}

function assertOwner(account: Account, cluster: string): void {
  const found = statSync(cluster, { throwIfNoEntry: false });
  if (found === undefined || found.uid === account.uid) return;
  throw new Error(
    found.uid === 0
      ? `${cluster} belongs to root, as whom PostgreSQL does not run: give it to another user (chown -R)`
      : `${cluster} belongs to the user with id ${found.uid}: run this as that user or as root`,
  );
}
