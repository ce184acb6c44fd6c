import Table from 'cli-table3';
import type { FairnessBench } from './fairness.ts';
import type { Latency } from './statistics.ts';

/** The bench as a table for people. */
export function writeFairnessReport({ options, machine, alone, beside, ratios, ratio, sick }: FairnessBench): string {
  const table = new Table({
    head: ['answers of the healthy', 'p50 ms', 'p95 ms', 'p99 ms', 'max ms'],
    style: { head: [], border: [] },
    colAligns: ['left', 'right', 'right', 'right', 'right'],
  });
  const row = (name: string, { p50, p95, p99, max }: Latency): void =>
    void table.push([name, ...[p50, p95, p99, max].map((value) => value.toFixed(0))]);
  row('all receivers are well', alone);
  row(`${sick.length} are sick`, beside);
  const { cpus, cpu, memoryGiB, loadBefore, node, postgres } = machine;
  return [
    table.toString(),
    `ratio ${ratio.toFixed(2)} (${Math.min(...ratios).toFixed(2)}–${Math.max(...ratios).toFixed(2)}): p95 beside the sick by p95 without, median of ${options.rounds} pairs of rounds of ${options.seconds} s, ${options.rate} searches/s a partner`,
    `sick: ${sick.join(', ')}`,
    `${cpus} × ${cpu}, ${memoryGiB} GiB, load ${loadBefore.toFixed(1)} before; Node ${node}; PostgreSQL ${postgres}`,
  ].join('\n');
}
