import type { BoundBench } from './bound.ts';
import { writeMachine, writeRange, writeRounds, writeSides } from './report.ts';

/** The bench as a table for people. */
export function writeBoundReport({ options, machine, bound, server }: BoundBench): string {
  return [
    writeSides('signed search', [
      ['floor', bound.floor],
      ['bound, beside the floor', bound.server],
      ['bound, beside the server', server.floor],
      ['server', server.server],
    ]),
    `bound by floor ${bound.ratio.toFixed(3)} (${writeRange(bound.ratios, 3)}): what one signature verified, one made and one row committed leave of the floor`,
    `server by bound ${server.ratio.toFixed(3)} (${writeRange(server.ratios, 3)}): what all the rest leaves of that`,
    writeRounds(options),
    writeMachine(machine),
  ].join('\n');
}
