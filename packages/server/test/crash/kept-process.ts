import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/** `dci serve` that is started again whenever it ends, as a service manager would. */
export interface KeptProcess {
  /** Where it serves; undefined while it does not. */
  base(): string | undefined;
  isReady(): boolean;
  /** As a crash ends it, in whatever it is doing. */
  kill(): void;
  /** Ends it, and starts it no more; its exit status. */
  stop(): Promise<number | null>;
  /** What those have written that ended by themselves though they had begun to serve; there should be none. */
  readonly fallen: readonly string[];
}

const PROGRAM = fileURLToPath(new URL('../../bin/dci.mjs', import.meta.url));
const AGAIN_AFTER_MS = 100;
const PATIENCE_MS = 20_000;

export function keepRunning(role: string, environment: Record<string, string>): KeptProcess {
  let child: ChildProcess | undefined;
  const fallen: string[] = [];
  let ready: { readonly base: string } | undefined;
  const stopping = new AbortController();
  let status: number | null = null;
  // Nothing outlives the test, however that ends.
  const kill = (): void => void child?.kill('SIGKILL');
  process.once('exit', kill);

  async function runOnce(): Promise<void> {
    const said: string[] = [];
    const own = spawn(process.execPath, [PROGRAM, 'serve', '--role', role], {
      env: { PATH: process.env['PATH'], ...environment },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    child = own;
    const ended = once(own, 'exit') as Promise<[number | null]>;
    for await (const line of createInterface(own.stderr)) {
      said.push(line);
      const [isReady, base = ''] = /^dci: (?:serving at (\S+)|working)/.exec(line) ?? [];
      if (isReady !== undefined) ready = { base };
    }
    const wasReady = ready !== undefined;
    ready = undefined;
    [status] = await ended;
    if (wasReady && own.signalCode !== 'SIGKILL' && !stopping.signal.aborted) fallen.push(said.join('\n'));
  }

  const running = (async () => {
    while (!stopping.signal.aborted) {
      await runOnce();
      if (!stopping.signal.aborted) await sleep(AGAIN_AFTER_MS);
    }
  })();

  return {
    base: () => ready?.base,
    isReady: () => ready !== undefined,
    kill,
    async stop() {
      stopping.abort();
      child?.kill('SIGTERM');
      const impatience = setTimeout(kill, PATIENCE_MS);
      await running;
      clearTimeout(impatience);
      process.off('exit', kill);
      return status;
    },
    fallen,
  };
}
