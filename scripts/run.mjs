#!/usr/bin/env node
import { join } from 'node:path';
import { BootstrapError, findNode, install, note, prepare, ROOT, toolEnvironment } from './bootstrap.mjs';
import { runChild } from './child.mjs';
import { runTests } from './test.mjs';

// What `npm start`, `npm test` and the other scripts of package.json do. Each installs and builds by itself what is
// missing; results go to stdout, all that is said about installing and building to stderr.

const COMMANDS = {
  start: (args) => runProgram('packages/server/bin/dci.mjs', ['serve', ...args]),
  demo: (args) => runProgram('packages/server/bin/dci.mjs', ['demo', ...args]),
  bench: (args) => runProgram('bench/dist/main.js', args),
  docs: (args) => runProgram('docs/dist/main.js', args),
  build: async () => void (await prepare()),
  format: (args) => runTool('biome', ['format', '--write', ...args]),
  test: async (args) => {
    await install();
    return runTests(findNode(), args);
  },
};

async function runProgram(script, args) {
  const node = await prepare();
  return runChild(node, [join(ROOT, script), ...args], { env: toolEnvironment(node) });
}

async function runTool(tool, args) {
  await install();
  return runChild(tool, args, { cwd: ROOT, env: toolEnvironment(findNode()) });
}

async function main([name, ...args]) {
  const command = Object.hasOwn(COMMANDS, name ?? '') ? COMMANDS[name] : undefined;
  if (command === undefined) {
    note(`unknown command ${name ?? ''}; there are ${Object.keys(COMMANDS).join(', ')}`);
    return 2;
  }
  try {
    return (await command(args[0] === '--' ? args.slice(1) : args)) ?? 0;
  } catch (error) {
    if (!(error instanceof BootstrapError)) throw error;
    note(error.message);
    return 1;
  }
}

process.exitCode = await main(process.argv.slice(2));
