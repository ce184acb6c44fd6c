import { runCommandLine } from '../../src/cli/main.ts';

// `dci` in a process of its own, to be killed by a test.
process.exitCode = await runCommandLine(process.argv.slice(2));
