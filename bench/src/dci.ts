import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { stopProcess } from './child.ts';

/** The command line of the server, run as anybody would run it. */

const ENTRY = fileURLToPath(new URL('../../packages/server/bin/dci.mjs', import.meta.url));

/** Settings of `dci` in the bench: what the caller of the bench has set for a server of its own does not reach it. */
export function makeEnvironment(settings: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('DCI_'));
  return { ...Object.fromEntries(inherited), ...settings };
}

/** Runs one command; resolves to what it printed, throws with what it said when it fails. */
export async function runDci(environment: NodeJS.ProcessEnv, ...args: string[]): Promise<string> {
  const command = spawn(process.execPath, [ENTRY, ...args], { env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
  return await readOutput(command, args);
}

/** Runs `dci producer | dci consumer`. */
export async function pipeDci(environment: NodeJS.ProcessEnv, producer: readonly string[], consumer: readonly string[]): Promise<void> {
  const source = spawn(process.execPath, [ENTRY, ...producer], { env: environment, stdio: ['ignore', 'pipe', 'inherit'] });
  const sink = spawn(process.execPath, [ENTRY, ...consumer], { env: environment, stdio: [source.stdout, 'ignore', 'inherit'] });
  // The pipe is the consumer's now; held here as well it would never end.
  source.stdout.destroy();
  await Promise.all([assertFine(source, producer), assertFine(sink, consumer)]);
}

export interface ServerProcess {
  readonly port: number;
  readonly pid: number;
  stop(): Promise<void>;
}

const STARTED = /serving at http:\/\/127\.0\.0\.1:(\d+)/;

/** Starts `dci serve` on a free port and waits until it serves. */
export async function startServer(environment: NodeJS.ProcessEnv): Promise<ServerProcess> {
  const server = spawn(process.execPath, [ENTRY, 'serve'], { env: { ...environment, DCI_PORT: '0' }, stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  const port = await new Promise<number>((resolve, reject) => {
    server.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString('utf8');
      const found = STARTED.exec(said)?.[1];
      if (found !== undefined) resolve(Number(found));
    });
    server.on('exit', () => reject(new Error(`dci serve ended:\n${said}`)));
    server.on('error', reject);
  });
  if (server.pid === undefined) throw new Error('dci serve has no process');
  return { port, pid: server.pid, stop: () => stopProcess(server) };
}

async function readOutput(command: ChildProcess, args: readonly string[]): Promise<string> {
  let printed = '';
  let said = '';
  command.stdout?.on('data', (chunk: Buffer) => {
    printed += chunk.toString('utf8');
  });
  command.stderr?.on('data', (chunk: Buffer) => {
    said += chunk.toString('utf8');
  });
  const status = await endOf(command);
  if (status !== 0) throw new Error(`dci ${args.join(' ')} failed:\n${said}`);
  return printed;
}

async function assertFine(command: ChildProcess, args: readonly string[]): Promise<void> {
  const status = await endOf(command);
  if (status !== 0) throw new Error(`dci ${args.join(' ')} failed with ${status}`);
}

function endOf(command: ChildProcess): Promise<number | null> {
  return new Promise((resolve, reject) => {
    command.once('close', resolve);
    command.once('error', reject);
  });
}
