import { expect, it } from 'vitest';
import { median, percentile, summariseLatency } from './statistics.ts';

it('takes the middle value, or the mean of the middle two', () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 3, 2])).toBe(2.5);
  expect(median([])).toBeNaN();
});

it('takes percentiles by nearest rank', () => {
  const hundred = Array.from({ length: 100 }, (_, index) => index + 1);
  expect(percentile(hundred, 0.5)).toBe(50);
  expect(percentile(hundred, 0.99)).toBe(99);
  expect(percentile([7], 0.01)).toBe(7);
});

it('sorts latencies by size, not by their text', () => {
  expect(summariseLatency([100, 9, 10])).toEqual({ p50: 10, p95: 100, p99: 100, max: 100 });
});
