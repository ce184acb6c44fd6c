// Everything between a fresh clone and a program that runs: dependencies, the pinned Node.js, the build. Plain JavaScript
// that an old Node.js can read too. Does only what is missing, says what it does on stderr, and leaves a tree alone that
// it may not write in.
import { accessSync, constants, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runChild } from './child.mjs';

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

const LEAST_NODE = 24;
const MODULES = join(ROOT, 'node_modules');
const COMMANDS = join(MODULES, '.bin');
const BUILD_STAMP = join(MODULES, '.cache', 'dci-built');

/** What cannot be mended from here; the message says what to do. */
export class BootstrapError extends Error {}

/** Installs and builds what is missing; returns the Node.js to run the program with. */
export async function prepare() {
  // What is built runs without the tools that built it (npm ci --omit=dev).
  await install({ tools: !isBuilt() });
  const node = findNode();
  await build(node);
  return node;
}

/** Installs the dependencies unless `node_modules` is what the lock file says; `tools`: those of the development, too. */
export async function install({ tools = true } = {}) {
  if (isInstalled(tools)) return;
  if (!isWritable(ROOT)) throw new BootstrapError(`the dependencies are not installed, and ${ROOT} cannot be written: run "npm ci" there`);
  note('installing the dependencies (npm ci)');
  // Not with the Node.js in node_modules, which is about to be replaced.
  const env = { ...process.env, PATH: withoutModules(process.env.PATH) };
  const args = ['ci', '--include=dev', '--include=optional', '--no-audit', '--no-fund', '--loglevel=error'];
  const status = await runChild('npm', args, { cwd: ROOT, env, stdio: ['ignore', process.stderr, 'inherit'] });
  if (status !== 0) throw new BootstrapError('npm ci failed');
}

/** The Node.js that runs this, if it is new enough, else the one that npm installed. */
export function findNode() {
  if (isNewEnough()) return process.execPath;
  const pinned = join(MODULES, `node-${process.platform}-${process.arch}`, 'bin', 'node');
  if (existsSync(pinned)) return pinned;
  throw new BootstrapError(
    `Node.js ${LEAST_NODE} or newer is needed (this is ${process.version}), and none comes with npm for this machine`,
  );
}

export function isNewEnough() {
  return Number.parseInt(process.versions.node, 10) >= LEAST_NODE;
}

/** The environment in which the tools of the project and its Node.js come first. */
export function toolEnvironment(node, variables = process.env) {
  return { ...variables, PATH: [COMMANDS, dirname(node), withoutModules(variables.PATH)].join(delimiter) };
}

/** Compiles the sources that are newer than the last build. */
export async function build(node) {
  const packages = listPackages();
  const unbuilt = !isBuilt();
  if (!isWritable(ROOT) || !existsSync(join(COMMANDS, 'tsc'))) {
    if (unbuilt) throw new BootstrapError(`the program is not built, and ${ROOT} cannot be written: run "npm run build" there`);
    return;
  }
  const began = new Date();
  if (!unbuilt && newestSource(packages) <= timeOf(BUILD_STAMP)) return;
  note('building');
  const status = await compile(node, unbuilt ? ['--force'] : []);
  if (status !== 0) throw new BootstrapError('the build failed');
  for (const folder of packages) removeOrphans(folder);
  mkdirSync(dirname(BUILD_STAMP), { recursive: true });
  writeFileSync(BUILD_STAMP, `${began.toISOString()}\n`);
}

function compile(node, args) {
  return runChild('tsc', ['-b', ...args], { cwd: ROOT, env: toolEnvironment(node), stdio: ['ignore', process.stderr, 'inherit'] });
}

function isBuilt() {
  return listPackages().every((folder) => existsSync(join(folder, 'dist')));
}

/** npm writes what it installed into a lock file of its own, last of all. */
function isInstalled(tools) {
  const wanted = readJson(join(ROOT, 'package-lock.json'));
  const installed = readJson(join(MODULES, '.package-lock.json'));
  if (wanted === undefined || installed === undefined) return false;
  return Object.entries(wanted.packages).every(([path, entry]) => {
    if (!path.includes('node_modules/') || entry.optional === true || (entry.dev === true && !tools)) return true;
    const found = installed.packages[path];
    return entry.link === true ? found?.link === true && found.resolved === entry.resolved : found?.version === entry.version;
  });
}

function listPackages() {
  const { references } = readJson(join(ROOT, 'tsconfig.json'));
  return references.map(({ path }) => join(ROOT, path));
}

function newestSource(packages) {
  const files = packages.flatMap((folder) => [join(folder, 'tsconfig.json'), ...listFiles(join(folder, 'src'), '.ts')]);
  const shared = ['tsconfig.json', 'tsconfig.base.json', 'package-lock.json'].map((file) => join(ROOT, file));
  return Math.max(...[...files, ...shared].map(timeOf));
}

/** Outputs of sources that are gone would still be found by an import. */
function removeOrphans(folder) {
  for (const file of listFiles(join(folder, 'dist'), '')) {
    const source = file.replace(join(folder, 'dist'), join(folder, 'src')).replace(/(\.d\.ts|\.js)(\.map)?$/, '.ts');
    if (source.endsWith('.ts') && !existsSync(source)) rmSync(file);
  }
}

function listFiles(folder, ending) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return listFiles(path, ending);
    return path.endsWith(ending) ? [path] : [];
  });
}

function timeOf(file) {
  return existsSync(file) ? statSync(file).mtimeMs : 0;
}

function readJson(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}

function isWritable(folder) {
  try {
    accessSync(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function withoutModules(path = '') {
  return path
    .split(delimiter)
    .filter((folder) => folder !== COMMANDS && !folder.startsWith(MODULES))
    .join(delimiter);
}

export function note(text) {
  process.stderr.write(`dci: ${text}\n`);
}
