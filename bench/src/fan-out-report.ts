import Table from 'cli-table3';
import type { FanOutBench } from './fan-out.ts';

/** The bench as a table for people. */
export function writeFanOutReport({ options, machine, sizes, ratio }: FanOutBench): string {
  const table = new Table({
    head: ['subscriptions', 'µs an event', 'min–max', 'matches an event'],
    style: { head: [], border: [] },
    colAligns: ['right', 'right', 'right', 'right'],
  });
  for (const { subscriptions, cost, costs, matches } of sizes)
    table.push([subscriptions, cost.toFixed(0), `${Math.min(...costs).toFixed(0)}–${Math.max(...costs).toFixed(0)}`, matches.toFixed(1)]);
  const { cpus, cpu, memoryGiB, loadBefore, node, postgres } = machine;
  return [
    table.toString(),
    `ratio ${ratio.toFixed(2)}: cost at the last number of subscriptions by that at the first; median of ${options.rounds} rounds of ${options.events} events`,
    `${cpus} × ${cpu}, ${memoryGiB} GiB, load ${loadBefore.toFixed(1)} before; Node ${node}; PostgreSQL ${postgres}`,
  ].join('\n');
}
