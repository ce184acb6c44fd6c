import Table from 'cli-table3';
import type { AuditBench } from './audit.ts';
import { writeMachine, writeRange, writeSide, writeCpuTime } from './report.ts';

/** The bench as a table for people. */
export function writeAuditReport({ options, machine, audited, unaudited, ratio, ratios, cost }: AuditBench): string {
  const table = new Table({
    head: ['signed search', 'requests/s', 'min–max', 'p50 ms', 'p95 ms', 'p99 ms', 'CPU µs', 'main', 'threads', 'database'],
    style: { head: [], border: [] },
    colAligns: ['left', ...Array<'right'>(9).fill('right')],
  });
  table.push(
    ['without audit', ...writeSide(unaudited), ...writeCpuTime(unaudited)],
    ['with audit', ...writeSide(audited), ...writeCpuTime(audited)],
  );
  return [
    table.toString(),
    `ratio ${ratio.toFixed(3)} (${writeRange(ratios, 3)}): the audit costs ${(cost * 100).toFixed(1)} % of the throughput`,
    `${options.persons} persons; ${options.rounds} pairs of rounds of ${options.seconds} s in turn; ${options.connections} connections; ` +
      `${options.signature} both ways; one process each`,
    writeMachine(machine),
  ].join('\n');
}
