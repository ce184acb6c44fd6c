import Table from 'cli-table3';
import type { ExtractBench, ExtractRound } from './extract.ts';
import { median } from './statistics.ts';

const GOAL_MB = 300;

/** The bench as a table for people. */
export function writeExtractReport({ options, machine, columns, rows, k, bytes, memoryBefore, rounds, ratio }: ExtractBench): string {
  const middle = (of: (round: ExtractRound) => number): number => median(rounds.map(of));
  const [made, fetched, copied] = [middle((round) => round.made), middle((round) => round.fetched), middle((round) => round.copied)];
  const table = new Table({
    head: ['extract', 'seconds', 'rows/s'],
    style: { head: [], border: [] },
    colAligns: ['left', 'right', 'right'],
  });
  table.push(
    ['made: from the question to the callback', made.toFixed(1), (rows / made).toFixed(0)],
    ['fetched, opened, checked', fetched.toFixed(1), (rows / fetched).toFixed(0)],
    ['COPY of the same columns, gzip', copied.toFixed(1), (options.persons / copied).toFixed(0)],
  );
  const [peak, fetchPeak] = [Math.max(...rounds.map((round) => round.peak)), Math.max(...rounds.map((round) => round.fetchPeak))];
  const { cpus, cpu, memoryGiB, loadBefore, node, postgres } = machine;
  return [
    table.toString(),
    `${options.persons} persons; ${rows} rows of ${columns.join(', ')}, ${k.suppressed ?? 'few'} left out, ${k.classes} classes, k = ${k.k}; ${(bytes / 1e6).toFixed(1)} MB sealed`,
    `made / COPY: ${ratio.toFixed(2)} of its rows a second, median of ${rounds.length} rounds`,
    `memory of the server: ${memoryBefore.toFixed(0)} MB before, ${peak.toFixed(0)} MB at most while it was made (VmHWM), ${fetchPeak.toFixed(0)} MB while it was fetched; the goal is ${GOAL_MB} MB or less: ${tell(peak)}, ${tell(fetchPeak)}`,
    `${cpus} × ${cpu}, ${memoryGiB} GiB, load ${loadBefore.toFixed(1)} before; Node ${node}; PostgreSQL ${postgres}`,
  ].join('\n');
}

function tell(megabytes: number): string {
  return megabytes <= GOAL_MB ? 'met' : 'MISSED';
}
