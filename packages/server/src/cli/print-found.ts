import { EXIT, printJson, printLine, printNote, printTable } from './output.ts';
import type { Found } from './search-pages.ts';
import { tabulateRecords, toPrintable } from './tabulate-records.ts';

/** Prints what was found; a refused item makes the command fail. `facts` go into the JSON beside it. */
export function printFound(found: Found, json: boolean, facts: Readonly<Record<string, unknown>> = {}): void {
  if (found.items.some((item) => item.refusal !== undefined)) process.exitCode = EXIT.failed;
  if (json) {
    printJson({
      ...facts,
      signed_by: found.signedBy ?? null,
      items: found.items.map(({ refusal, totalCount, records }) =>
        refusal === undefined ? { total_count: totalCount, records } : { refusal },
      ),
    });
    return;
  }
  const records = found.items.flatMap((item) => item.records);
  for (const { headings, rows } of tabulateRecords(records)) {
    printTable(headings, rows);
    printLine();
  }
  const total = found.items.reduce((sum, item) => sum + item.totalCount, 0);
  printLine(
    `${records.length} of ${total} records; ${found.signedBy === undefined ? 'answer NOT verified' : `answer signed by ${found.signedBy}`}`,
  );
  for (const [index, { refusal }] of found.items.entries())
    if (refusal !== undefined) printNote(`item ${index + 1} refused with ${refusal.code}: ${toPrintable(refusal.message)}`);
}
