import Table from 'cli-table3';
import type { Comparison, Side } from './comparison.ts';
import type { Machine } from './machine.ts';
import type { SearchBench } from './search.ts';

/** The bench as a table for people. */
export function writeReport({ options, machine, signed, unsigned, batch }: SearchBench): string {
  const table = new Table({
    head: [
      'search by identifier',
      'requests/s',
      'min–max',
      'p50 ms',
      'p95 ms',
      'p99 ms',
      'ratio',
      'min–max',
      'CPU µs',
      'main',
      'threads',
      'database',
    ],
    style: { head: [], border: [] },
    colAligns: ['left', ...Array<'right'>(11).fill('right')],
  });
  table.push(...writeRows('signed', signed), ...writeRows('unsigned', unsigned), ...writeRows('signed, 50 a message', batch));
  return [
    table.toString(),
    `${options.persons} persons; ${options.rounds} pairs of rounds of ${options.seconds} s, floor and server in turn; ` +
      `${options.connections} connections; ${options.signature} both ways; one process each`,
    writeMachine(machine),
  ].join('\n');
}

export function writeMachine({ cpus, cpu, memoryGiB, loadBefore, node, postgres, settings }: Machine): string {
  const set = Object.entries(settings).map(([name, value]) => `${name} ${value}`);
  return `${cpus} × ${cpu}, ${memoryGiB} GiB, load ${loadBefore.toFixed(1)} before; Node ${node}; PostgreSQL ${postgres}, ${set.join(', ')}`;
}

function writeRows(name: string, { floor, server, ratio, ratios }: Comparison): string[][] {
  return [
    [`${name}: floor`, ...writeSide(floor), '', '', ...writeCpuTime(floor)],
    [`${name}: server`, ...writeSide(server), ratio.toFixed(3), writeRange(ratios, 3), ...writeCpuTime(server)],
  ];
}

export function writeSide({ rate, rates, latency }: Side): string[] {
  return [rate.toFixed(0), writeRange(rates, 0), latency.p50.toFixed(1), latency.p95.toFixed(1), latency.p99.toFixed(1)];
}

/** A request's, in all and by who used it. */
export function writeCpuTime({ cpu }: Side): string[] {
  if (cpu === undefined) return ['', '', '', ''];
  const { main, threads, database } = cpu;
  return [main + threads + database, main, threads, database].map((value) => value.toFixed(0));
}

export function writeRange(values: readonly number[], digits: number): string {
  return `${Math.min(...values).toFixed(digits)}–${Math.max(...values).toFixed(digits)}`;
}
