import type { Command } from 'commander';
import { startApp } from '../app.ts';
import { loadConfig } from './context.ts';
import { addExamples, printNote } from './output.ts';
import { onStopSignal } from './stop-signal.ts';

/** `dci serve`: the server, until it is told to stop. */
export function registerServe(program: Command): void {
  const command = program
    .command('serve')
    .description('Serve the registries over HTTP until stopped (SIGTERM or Ctrl-C: requests under way are answered first)')
    .action(serve);
  addExamples(command, 'dci serve', 'DCI_PORT=9000 DCI_SENDER_ID=social.example.org dci serve');
}

async function serve(): Promise<void> {
  const stopped = new Promise<void>((resolve) => onStopSignal(() => resolve()));
  const app = await startApp(loadConfig());
  printNote(`dci: serving at ${app.url}${app.basePath} (API page: ${app.url}${app.basePath}/docs)`);
  await stopped;
  printNote('dci: stopping; requests under way are answered first');
  await app.close();
}
