import type { AuditBench } from './audit.ts';
import { writeMachine, writeRange, writeRounds, writeSides } from './report.ts';

/** The bench as a table for people. */
export function writeAuditReport({ options, machine, audited, unaudited, ratio, ratios, cost }: AuditBench): string {
  return [
    writeSides('signed search', [
      ['without audit', unaudited],
      ['with audit', audited],
    ]),
    `ratio ${ratio.toFixed(3)} (${writeRange(ratios, 3)}): the audit costs ${(cost * 100).toFixed(1)} % of the throughput`,
    writeRounds(options),
    writeMachine(machine),
  ].join('\n');
}
