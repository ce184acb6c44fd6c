import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build, ROOT, toolEnvironment } from './bootstrap.mjs';
import { captureChild, runChild } from './child.mjs';
import { writeOutline } from './import-outline.mjs';

// `npm test`: everything that must hold before a change lands. Each check is one step and says how it went; one that
// fails does not keep the others from running. Arguments (`npm test -- search`) choose test files and leave the rest out.

const SOURCES = ['packages/protocol/src', 'packages/client/src', 'packages/server/src', 'bench/src', 'docs/src'];

// Nothing else of the environment may decide how a test ends.
const PASSED_ON =
  /^(PATH|HOME|USER|LOGNAME|SHELL|TMPDIR|LANG|LC_\w+|TERM|COLORTERM|NO_COLOR|FORCE_COLOR|CI|npm_config_\w+|DCI_SPEC_DIR|DCI_TEST_POSTGRES|DCI_CRASH_KILLS|DCI_CRASH_SEED)$/;

/** Runs the steps; returns the exit status. */
export async function runTests(node, args) {
  const folder = mkdtempSync(join(tmpdir(), 'dci-check-'));
  try {
    const variables = Object.fromEntries(Object.entries(process.env).filter(([name]) => PASSED_ON.test(name)));
    const place = { node, folder, env: toolEnvironment(node, variables) };
    const totals = [await runStep(BUILD, place)];
    if (args.length === 0) for (const step of CHECKS) totals.push(await runStep(step, place));
    totals.push(await runVitest(args, place));
    return conclude(totals);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const BUILD = {
  name: 'types of the program (tsc -b)',
  run: async ({ node }) => ({
    failure: await build(node).then(
      () => undefined,
      (error) => error.message,
    ),
  }),
};

const CHECKS = [
  { name: 'types of the tests (tsc)', run: runTool('tsc', ['-p', 'tsconfig.test.json']) },
  { name: 'lint (oxlint, type-aware)', run: runTool('oxlint', ['--type-aware', '--deny-warnings']) },
  { name: 'format (biome)', run: runTool('biome', ['format']) },
  { name: 'direction of imports (dependency-cruiser)', run: checkImports },
  { name: 'unused files, exports, dependencies (knip)', run: runTool('knip', ['--no-progress', '--no-config-hints']) },
  { name: 'reference pages are up to date (docs)', run: runTool('node', ['docs/dist/main.js', '--check']) },
];

async function runStep({ name, run }, place) {
  const { failure } = await run(place);
  print(`${failure === undefined ? '✔' : '✖'} ${name}`);
  if (failure !== undefined) print(failure.trimEnd().replace(/^/gm, '    '));
  return failure === undefined ? { passed: 1, failed: 0, skipped: [] } : { passed: 0, failed: 1, skipped: [] };
}

function runTool(tool, args) {
  return async ({ env }) => judge(await captureChild(tool, args, { cwd: ROOT, env }));
}

async function checkImports({ env, folder }) {
  const outline = join(folder, 'outline');
  writeOutline(ROOT, SOURCES, outline);
  const config = join(ROOT, '.dependency-cruiser.mjs');
  return judge(await captureChild('depcruise', ['--config', config, 'packages', 'bench', 'docs'], { cwd: outline, env }));
}

function judge({ status, output }) {
  return { failure: status === 0 ? undefined : output || `exit status ${status}` };
}

async function runVitest(args, { env, folder }) {
  const summaryFile = join(folder, 'summary.json');
  const reporters = ['--reporter=default', `--reporter=${join(ROOT, 'scripts', 'vitest-reporter.mjs')}`];
  const status = await runChild('vitest', ['run', ...reporters, ...args], { cwd: ROOT, env: { ...env, TEST_SUMMARY_FILE: summaryFile } });
  const summary = readSummary(summaryFile);
  if (status === 0 || summary.failed > 0) return summary;
  print(`✖ vitest ended with status ${status}`);
  return { ...summary, failed: 1 };
}

function readSummary(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return { passed: 0, failed: 0, skipped: [] };
  }
}

function conclude(totals) {
  const add = (count) => totals.reduce((sum, total) => sum + count(total), 0);
  const skipped = totals.flatMap((total) => total.skipped);
  const failed = add((total) => total.failed);
  for (const { name, reason } of skipped) print(`skipped: ${name}${reason === undefined ? '' : `: ${reason}`}`);
  print(`${add((total) => total.passed)} passed, ${failed} failed, ${skipped.length} skipped`);
  return failed === 0 ? 0 : 1;
}

function print(text) {
  process.stdout.write(`${text}\n`);
}
