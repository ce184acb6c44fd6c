import { type Command, Option } from 'commander';
import { type Role, ROLES, startApp } from '../app.ts';
import { loadConfig } from './context.ts';
import { addExamples, printNote } from './output.ts';
import { onStopSignal } from './stop-signal.ts';

/** `dci serve`: the server, until it is told to stop. */
export function registerServe(program: Command): void {
  const command = program
    .command('serve')
    .description('Serve the registries over HTTP until stopped (SIGTERM or Ctrl-C: requests under way are answered first)')
    .addOption(
      new Option('--role <role>', 'http: answer requests; worker: do what was promised to be done later').choices(ROLES).default('both'),
    )
    .action(serve);
  addExamples(command, 'dci serve', 'DCI_PORT=9000 DCI_SENDER_ID=social.example.org dci serve', 'dci serve --role worker');
}

const LONG_MS = 3_600_000;

async function serve({ role }: { role: Role }): Promise<void> {
  const stopped = new Promise<void>((resolve) => onStopSignal(() => resolve()));
  const app = await startApp(loadConfig(), { role });
  printNote(
    role === 'worker'
      ? 'dci: working; requests are answered by others (--role http)'
      : `dci: serving at ${app.url}${app.basePath} (API page: ${app.url}${app.basePath}/docs)`,
  );
  // While the database is away a process that only works has nothing open that would keep it alive.
  const staying = setInterval(() => undefined, LONG_MS);
  await stopped;
  clearInterval(staying);
  printNote('dci: stopping; what is under way is ended first');
  await app.close();
}
