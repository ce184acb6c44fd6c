import Table from 'cli-table3';
import type { NotifyBench } from './notify.ts';
import { writeMachine } from './report.ts';
import type { Latency } from './statistics.ts';

/** The bench as a table for people. */
export function writeNotifyReport({
  options,
  machine,
  events,
  rate,
  told,
  messages,
  repeated,
  lost,
  disordered,
  latency,
  parts,
  cpu,
}: NotifyBench): string {
  const table = new Table({
    head: ['milliseconds', 'p50', 'p95', 'p99', 'max'],
    style: { head: [], border: [] },
    colAligns: ['left', ...Array<'right'>(4).fill('right')],
  });
  table.push(
    ['commit to arrival', ...writeLatency(latency)],
    ['  commit to composed', ...writeLatency(parts.composed)],
    ['  composed to sent', ...writeLatency(parts.sent)],
    ['  sent to arrived', ...writeLatency(parts.arrived)],
  );
  return [
    table.toString(),
    `${events} events at ${rate.toFixed(0)}/s (asked for: ${options.rate}/s), ${options.subscribers} subscribers: ${told} told in ${messages} messages; ` +
      `lost ${lost}, out of order ${disordered}, told again ${repeated}`,
    ...(cpu === undefined
      ? []
      : [
          `CPU of a record told, µs: main thread ${cpu.main.toFixed(0)}, other threads ${cpu.threads.toFixed(0)}, database ${cpu.database.toFixed(0)}`,
        ]),
    writeMachine(machine),
  ].join('\n');
}

function writeLatency({ p50, p95, p99, max }: Latency): string[] {
  return [p50, p95, p99, max].map((value) => value.toFixed(0));
}
