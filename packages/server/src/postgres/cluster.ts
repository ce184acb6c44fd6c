import { randomBytes } from 'node:crypto';
import {
  appendFileSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { giveTo, runAs } from './account.ts';
import type { Binaries } from './binaries.ts';
import type { Placement } from './placement.ts';
import { renderSettings } from './settings.ts';

export const SUPERUSER = 'dci';

const SETTINGS_FILE = 'dci.conf';
const DRAFT_PREFIX = 'postgres.new-';
const ABANDONED_AFTER_MS = 10 * 60_000;

/** The major version of PostgreSQL that made the data; undefined when there is none yet. */
export function readMajor(cluster: string): number | undefined {
  const file = join(cluster, 'PG_VERSION');
  return existsSync(file) ? Number.parseInt(readFileSync(file, 'utf8'), 10) : undefined;
}

/**
 * Makes the data folder under another name and renames it when it is whole: a first run that was killed leaves nothing
 * that the next one would take for data, and of two first runs at once one's result is kept.
 */
export async function makeCluster(placement: Placement, binaries: Binaries): Promise<void> {
  const draft = join(placement.home, `${DRAFT_PREFIX}${randomBytes(4).toString('hex')}`);
  mkdirSync(draft, { mode: 0o700 });
  giveTo(placement.account, draft);
  try {
    await runInitdb(placement, binaries, draft);
    appendFileSync(join(draft, 'postgresql.conf'), `\ninclude_if_exists = '${SETTINGS_FILE}'\n`, { flush: true });
    renameSync(draft, placement.cluster);
    syncFolder(placement.home);
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    if (readMajor(placement.cluster) === undefined) throw error;
  }
}

/** Removes what first runs that were killed have left behind. */
export function sweepDrafts(home: string): void {
  for (const name of readdirSync(home).filter((entry) => entry.startsWith(DRAFT_PREFIX))) {
    const draft = join(home, name);
    const age = Date.now() - (statSync(draft, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
    if (age > ABANDONED_AFTER_MS) rmSync(draft, { recursive: true, force: true });
  }
}

export function writeSettings({ account, cluster }: Placement): void {
  const file = join(cluster, SETTINGS_FILE);
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, renderSettings(), { mode: 0o600 });
  giveTo(account, draft);
  renameSync(draft, file);
}

// Without this a power cut could bring the old name back, and with it a database that looks unmade.
function syncFolder(folder: string): void {
  const handle = openSync(folder, 'r');
  fsyncSync(handle);
  closeSync(handle);
}

async function runInitdb({ account }: Placement, { folder, major }: Binaries, draft: string): Promise<void> {
  const common = ['-D', draft, '-U', SUPERUSER, '--auth=trust', '--encoding=UTF8', '--data-checksums', '--no-instructions'];
  await runAs(account, join(folder, 'initdb'), [...common, ...localeOptions(major)]);
}

// The built-in provider sorts alike on every system; older versions have only the C library's.
function localeOptions(major: number): string[] {
  return major >= 17 ? ['--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--locale=C'] : ['--locale=C.UTF-8'];
}
