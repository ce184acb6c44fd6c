import { randomUUID } from 'node:crypto';
import { expect, it } from 'vitest';
import { packIds } from './packed-ids.ts';

it('gives ids back, so many at a time', () => {
  const ids = Array.from({ length: 25 }, () => randomUUID() as string);
  const packed = packIds();
  packed.add(ids.slice(0, 7));
  packed.add([]);
  packed.add(ids.slice(7));
  expect(packed.count()).toBe(25);
  const batches = [...packed.batches(10)];
  expect(batches.map(({ length }) => length)).toEqual([10, 10, 5]);
  expect(batches.flat()).toEqual(ids);
});

it('gives one empty batch where there are none', () => {
  expect([...packIds().batches(10)]).toEqual([[]]);
});
