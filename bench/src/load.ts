import type { JsonWebKey } from 'node:crypto';
import { serveOrders } from './child.ts';
import { checkSamples } from './check-samples.ts';
import { type CpuTime, readCpuTime, subtractCpuTime, type Watched } from './cpu-time.ts';
import { fire } from './fire.ts';
import { type Identifier, type Traffic, writeShots } from './messages.ts';

/** The side that asks, as a process of its own: writes messages, then sends them against the clock, then looks at what came. */

export interface LoadOrder {
  readonly port: number;
  readonly traffic: Traffic;
  readonly identifiers: readonly Identifier[];
  /** Messages written beforehand; when they are used up before the time, the round ends with them. */
  readonly messages: number;
  readonly connections: number;
  readonly seconds: number;
  /** Keys that must have signed the answers; absent: answers are unsigned. */
  readonly answerKeys?: readonly JsonWebKey[] | undefined;
  /** Who answers. */
  readonly watched: Watched;
}

export interface Measured {
  readonly requests: number;
  readonly seconds: number;
  /** Milliseconds, one a request. */
  readonly latencies: readonly number[];
  readonly samples: number;
  /** Used by who answered while the clock ran; absent where that cannot be told. */
  readonly cpu?: CpuTime | undefined;
}

async function measure(order: LoadOrder): Promise<Measured> {
  const shots = writeShots(order.traffic, order.identifiers, order.messages);
  const before = readCpuTime(order.watched);
  const { requests, seconds, latencies, samples } = await fire({ ...order, shots });
  const after = readCpuTime(order.watched);
  checkSamples(samples, order.answerKeys);
  return { requests, seconds, latencies, samples: samples.length, cpu: before && after && subtractCpuTime(after, before) };
}

serveOrders((order) => measure(order as LoadOrder));
