import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { TestDatabase } from '../support/database.ts';
import { SERVER_ID } from '../support/test-app.ts';

/** `dci serve` in a process of its own, on a test's database, to be killed. */
export interface ServerProcess {
  /** Empty where it only works. */
  readonly base: string;
  /** As a crash ends it: at once. */
  kill(): Promise<void>;
  /** As an operator ends it; its exit status. */
  stop(): Promise<number | null>;
}

const PROGRAM = fileURLToPath(new URL('./server-process.ts', import.meta.url));

export async function startServer({ connection }: TestDatabase, dataDir: string, role: string): Promise<ServerProcess> {
  const { host, user, database } = connection;
  const child = spawn(process.execPath, [PROGRAM, 'serve', '--role', role], {
    env: {
      PATH: process.env['PATH'],
      DCI_DATABASE_URL: `postgresql:///${database}?host=${host}&user=${user}`,
      DCI_DATA_DIR: dataDir,
      DCI_PORT: '0',
      DCI_SENDER_ID: SERVER_ID,
      DCI_LOG_LEVEL: 'silent',
      DCI_ALLOW_HTTP_CALLBACKS: 'true',
      DCI_ALLOW_PRIVATE_CALLBACKS: 'true',
    },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  // Nothing outlives the test, however that ends.
  const kill = (): void => void child.kill('SIGKILL');
  process.once('exit', kill);
  const ended = once(child, 'exit') as Promise<[number | null]>;
  const end = async (signal: NodeJS.Signals): Promise<number | null> => {
    child.kill(signal);
    const [status] = await ended;
    process.off('exit', kill);
    return status;
  };
  return {
    base: await readBase(child),
    kill: async () => void (await end('SIGKILL')),
    stop: () => end('SIGTERM'),
  };
}

async function readBase(child: ChildProcess): Promise<string> {
  if (child.stderr === null) throw new Error('no stderr');
  const said: string[] = [];
  for await (const line of createInterface(child.stderr)) {
    said.push(line);
    const found = /^dci: (?:serving at (\S+)|working)/.exec(line);
    if (found !== null) return found[1] ?? '';
  }
  throw new Error(`the server did not start:\n${said.join('\n')}`);
}
