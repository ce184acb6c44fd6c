import { type ChildProcess, fork } from 'node:child_process';

/**
 * Processes of the bench. One is forked from a file of this folder, takes orders one after another and answers each;
 * it ends when the bench does, however that ends.
 */
export interface Child<Order, Outcome> {
  ask(order: Order): Promise<Outcome>;
  stop(): Promise<void>;
}

type Reply<Outcome> = { readonly outcome: Outcome } | { readonly failure: string };

/** In the child: carries out the orders of the bench. */
export function serveOrders(carryOut: (order: unknown) => Promise<object>): void {
  process.on('message', (order) => {
    void carryOut(order).then(
      (outcome) => process.send?.({ outcome }),
      (error: unknown) => process.send?.({ failure: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
    );
  });
  process.on('disconnect', () => process.exit(0));
}

/** In the bench: starts `file`, a module of this folder. */
export function startChild<Order extends object, Outcome>(file: string): Child<Order, Outcome> {
  const process = fork(new URL(file, import.meta.url), { serialization: 'advanced', stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  return {
    ask: (order) => ask<Outcome>(process, file, order),
    stop: () => stopProcess(process),
  };
}

function ask<Outcome>(process: ChildProcess, file: string, order: object): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const ended = (code: number | null): void => reject(new Error(`${file} ended with ${code}`));
    process.once('exit', ended);
    process.once('message', (reply: Reply<Outcome>) => {
      process.off('exit', ended);
      if ('outcome' in reply) resolve(reply.outcome);
      else reject(new Error(reply.failure));
    });
    process.send(order);
  });
}

/** Asks a process to end, and ends it when it does not listen. */
export async function stopProcess(process: ChildProcess): Promise<void> {
  if (process.exitCode !== null || process.signalCode !== null) return;
  const ended = new Promise((resolve) => process.once('exit', resolve));
  process.kill('SIGTERM');
  const patience = setTimeout(() => process.kill('SIGKILL'), 10_000);
  await ended;
  clearTimeout(patience);
}
