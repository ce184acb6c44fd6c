import type { CpuTime } from './cpu-time.ts';
import type { Measured } from './load.ts';
import { type Latency, median, summariseLatency } from './statistics.ts';

/** One round of the floor and the round of the server right after it. */
export interface Pair {
  readonly floor: Measured;
  readonly server: Measured;
}

/** What the pairs say. Rates are requests a second. */
export interface Comparison {
  /** Median over the pairs of server rate by floor rate. */
  readonly ratio: number;
  readonly ratios: readonly number[];
  readonly floor: Side;
  readonly server: Side;
}

export interface Side {
  readonly rate: number;
  readonly rates: readonly number[];
  /** Milliseconds. */
  readonly latency: Latency;
  readonly requests: number;
  /** Answers that were read whole and verified. */
  readonly verified: number;
  /** Microseconds of CPU a request over all rounds; absent where they cannot be told. */
  readonly cpu?: CpuTime | undefined;
}

export function compare(pairs: readonly Pair[]): Comparison {
  const ratios = pairs.map(({ floor, server }) => rateOf(server) / rateOf(floor));
  return {
    ratio: median(ratios),
    ratios,
    floor: summarise(pairs.map((pair) => pair.floor)),
    server: summarise(pairs.map((pair) => pair.server)),
  };
}

function summarise(rounds: readonly Measured[]): Side {
  const rates = rounds.map(rateOf);
  return {
    rate: median(rates),
    rates,
    latency: summariseLatency(rounds.flatMap((round) => round.latencies)),
    requests: rounds.reduce((sum, round) => sum + round.requests, 0),
    verified: rounds.reduce((sum, round) => sum + round.samples, 0),
    cpu: divideCpuTime(rounds),
  };
}

function divideCpuTime(rounds: readonly Measured[]): CpuTime | undefined {
  const used = rounds.map((round) => round.cpu).filter((cpu) => cpu !== undefined);
  if (used.length < rounds.length) return undefined;
  const requests = rounds.reduce((sum, round) => sum + round.requests, 0);
  const each = (part: keyof CpuTime): number => (used.reduce((sum, cpu) => sum + cpu[part], 0) * 1000) / requests;
  return { main: each('main'), threads: each('threads'), database: each('database') };
}

function rateOf({ requests, seconds }: Measured): number {
  return requests / seconds;
}
