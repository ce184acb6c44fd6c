import { expect, it } from 'vitest';
import { compare } from './comparison.ts';
import type { CpuTime } from './cpu-time.ts';

function round(requests: number, latency: number): { requests: number; seconds: number; latencies: number[]; samples: number } {
  return { requests, seconds: 2, latencies: Array.from({ length: requests }, () => latency), samples: 1 };
}

it('forms the ratio pair by pair, so that a slow minute of the machine does not count', () => {
  const { ratio, ratios, floor, server } = compare([
    { floor: round(1000, 1), server: round(500, 2) },
    { floor: round(100, 10), server: round(60, 20) },
    { floor: round(1000, 1), server: round(400, 2) },
  ]);
  expect(ratios).toEqual([0.5, 0.6, 0.4]);
  expect(ratio).toBe(0.5);
  expect(floor).toMatchObject({ rate: 500, rates: [500, 50, 500], requests: 2100, verified: 3, latency: { p50: 1, p99: 10 } });
  expect(server).toMatchObject({ rate: 200, latency: { p50: 2, max: 20 } });
});

it('divides CPU time by all requests of all rounds, and says nothing where a round could not tell', () => {
  const pair = (cpu?: CpuTime) => ({
    floor: { ...round(1000, 1), cpu: { main: 50, threads: 0, database: 20 } },
    server: { ...round(500, 2), cpu },
  });
  const told = compare([pair({ main: 100, threads: 40, database: 30 }), pair({ main: 110, threads: 50, database: 30 })]);
  expect(told.floor.cpu).toEqual({ main: 50, threads: 0, database: 20 });
  expect(told.server.cpu).toEqual({ main: 210, threads: 90, database: 60 });
  expect(compare([pair({ main: 100, threads: 40, database: 30 }), pair()]).server.cpu).toBeUndefined();
});
