import { compare, type Comparison, type Pair } from './comparison.ts';
import type { LoadOrder, Measured } from './load.ts';
import type { Identifier, Traffic } from './messages.ts';

/** Two that answer the same messages, in turn, round by round. */

export type TargetOrder = Omit<LoadOrder, 'port' | 'answerKeys' | 'watched'>;

/** What is measured, and what it is measured against; named as they are told of. */
export interface Targets {
  readonly names: { readonly floor: string; readonly server: string };
  floor(order: TargetOrder): Promise<Measured>;
  server(order: TargetOrder): Promise<Measured>;
}

export interface Row {
  readonly name: string;
  readonly traffic: Traffic;
  readonly identifiers: readonly Identifier[];
  readonly options: RoundOptions;
  readonly warmUpSeconds?: number;
  readonly say: (text: string) => void;
}

export interface RoundOptions {
  /** Length of a round. */
  readonly seconds: number;
  readonly rounds: number;
  readonly connections: number;
}

// Until the compilers of both have seen their code often enough; later rows only need their own paths warm.
export const FIRST_WARM_UP_SECONDS = 10;
const WARM_UP_SECONDS = 3;
// A round may turn out faster than the last one; messages that are left over are only wasted.
const SPARE = 1.5;
// More than any server here answers before the first rate is known.
const FIRST_GUESS = 6_000;

export async function runPairs(
  targets: Targets,
  { name, traffic, identifiers, options, warmUpSeconds = WARM_UP_SECONDS, say }: Row,
): Promise<Comparison> {
  const { connections, rounds, seconds } = options;
  const { names } = targets;
  const order = (rate: number, length: number): TargetOrder => ({
    traffic,
    identifiers,
    connections,
    seconds: length,
    messages: Math.ceil(rate * length * SPARE) + connections,
  });
  const guess = FIRST_GUESS / traffic.batch;
  say(`${name}: warming up`);
  let floor = await targets.floor(order(guess, warmUpSeconds));
  let server = await targets.server(order(guess, warmUpSeconds));
  const pairs: Pair[] = [];
  while (pairs.length < rounds) {
    floor = await targets.floor(order(rateOf(floor), seconds));
    server = await targets.server(order(rateOf(server), seconds));
    pairs.push({ floor, server });
    say(
      `${name}: round ${pairs.length} of ${rounds}, ${names.floor} ${rateOf(floor).toFixed(0)}/s, ${names.server} ${rateOf(server).toFixed(0)}/s`,
    );
  }
  return compare(pairs);
}

function rateOf({ requests, seconds }: Measured): number {
  return requests / seconds;
}
