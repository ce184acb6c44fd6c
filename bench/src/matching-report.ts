import Table from 'cli-table3';
import type { MatchingBench } from './matching.ts';

/** The bench as a table for people. */
export function writeMatchingReport({ options, pairs, thresholds, seconds }: MatchingBench): string {
  const table = new Table({
    head: ['what went wrong', 'pairs', ...thresholds.map(({ least }) => `found at ${least}`)],
    style: { head: [], border: [] },
    colAligns: ['left', 'right', ...thresholds.map(() => 'right' as const)],
  });
  for (const [index, { kind, pairs: all }] of (thresholds[0]?.kinds ?? []).entries())
    table.push([kind, all, ...thresholds.map(({ kinds }) => percent(kinds[index]?.recall ?? Number.NaN))]);
  table.push(['recall of all', pairs, ...thresholds.map(({ recall }) => percent(recall))]);
  table.push(['precision', '', ...thresholds.map(({ precision }) => percent(precision))]);
  table.push(['pairs told, wrong ones', '', ...thresholds.map(({ found, right }) => `${found}, ${found - right}`)]);
  return [
    table.toString(),
    `${options.persons} persons, ${options.share * 100} % of them registered twice, seed ${options.seed}; a pair in which two things went wrong counts for both`,
    `dci duplicates took ${seconds.toFixed(0)} s, the making of its index included`,
  ].join('\n');
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
