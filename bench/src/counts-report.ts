import Table from 'cli-table3';
import type { CountsBench } from './counts.ts';
import { summariseLatency } from './statistics.ts';

/** The bench as a table for people. */
export function writeCountsReport({ options, machine, fillSeconds, rows }: CountsBench): string {
  const table = new Table({
    head: ['statistics', 'server p50 ms', 'p95', 'plain p50 ms', 'p95', 'plain / server'],
    style: { head: [], border: [] },
    colAligns: ['left', 'right', 'right', 'right', 'right', 'right'],
  });
  for (const { name, server, plain, ratio } of rows) {
    const [ours, others] = [summariseLatency(server), summariseLatency(plain)];
    table.push([name, ours.p50.toFixed(1), ours.p95.toFixed(1), others.p50.toFixed(1), others.p95.toFixed(1), ratio.toFixed(2)]);
  }
  const { cpus, cpu, memoryGiB, loadBefore, node, postgres } = machine;
  const filled = fillSeconds === undefined ? 'were counted before' : `were counted for the first time in ${fillSeconds.toFixed(0)} s`;
  return [
    table.toString(),
    `${options.persons} persons, which ${filled}; ${options.rounds} rounds of ten; the ratio is the median of the rounds`,
    `${cpus} × ${cpu}, ${memoryGiB} GiB, load ${loadBefore.toFixed(1)} before; Node ${node}; PostgreSQL ${postgres}`,
  ].join('\n');
}
