import Table from 'cli-table3';
import type { Comparison, Side } from './comparison.ts';
import type { Machine } from './machine.ts';
import type { RoundOptions } from './pairs.ts';
import type { SceneOptions } from './scene.ts';
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
  return [table.toString(), writeRounds(options), writeMachine(machine)].join('\n');
}

/** Sides that were measured in turn, with what a request of theirs takes. */
export function writeSides(title: string, sides: readonly (readonly [name: string, side: Side])[]): string {
  const table = new Table({
    head: [title, 'requests/s', 'min–max', 'p50 ms', 'p95 ms', 'p99 ms', 'CPU µs', 'main', 'threads', 'database'],
    style: { head: [], border: [] },
    colAligns: ['left', ...Array<'right'>(9).fill('right')],
  });
  table.push(...sides.map(([name, side]) => [name, ...writeSide(side), ...writeCpuTime(side)]));
  return table.toString();
}

export function writeRounds({ persons, rounds, seconds, connections, signature }: SceneOptions & RoundOptions): string {
  return (
    `${persons} persons; ${rounds} pairs of rounds of ${seconds} s in turn; ${connections} connections; ` +
    `${signature} both ways; one process each`
  );
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
