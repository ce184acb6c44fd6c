#!/usr/bin/env node
import { fileURLToPath } from 'node:url';
import { BootstrapError, isNewEnough, note, prepare } from '../../../scripts/bootstrap.mjs';
import { runChild } from '../../../scripts/child.mjs';

// The `dci` command of a checkout, for any Node.js: installs and builds what is missing, goes over to the pinned Node.js
// where this one is too old, and hands the arguments to the command line.

async function main(args) {
  try {
    const node = await prepare();
    if (!isNewEnough()) return await runChild(node, [fileURLToPath(import.meta.url), ...args]);
  } catch (error) {
    if (!(error instanceof BootstrapError)) throw error;
    note(error.message);
    return 1;
  }
  const { runCommandLine } = await import('../dist/cli/main.js');
  return runCommandLine(args);
}

process.exitCode = await main(process.argv.slice(2));
