import { describe, expect, it } from 'vitest';
import { createLanes } from './lanes.ts';

describe('lanes', () => {
  it('let so many of one key run at a time, in order, and do not hold up another key', async () => {
    const lanes = createLanes(2);
    const ends: (() => void)[] = [];
    const begun: string[] = [];
    const work = (name: string) => (): Promise<void> => {
      begun.push(name);
      return new Promise((resolve) => ends.push(resolve));
    };
    const running = ['a1', 'a2', 'a3', 'a4'].map((name) => lanes.run('a', work(name)));
    const other = lanes.run('b', work('b1'));
    await new Promise((resolve) => setImmediate(resolve));
    expect(begun).toEqual(['a1', 'a2', 'b1']);
    ends[0]?.();
    await running[0];
    await new Promise((resolve) => setImmediate(resolve));
    expect(begun).toEqual(['a1', 'a2', 'b1', 'a3']);
    for (let index = 1; index < 4; index += 1) ends[index]?.();
    await new Promise((resolve) => setImmediate(resolve));
    ends[4]?.();
    await Promise.all([...running, other]);
    expect(begun).toEqual(['a1', 'a2', 'b1', 'a3', 'a4']);
  });

  it('free the place of work that failed', async () => {
    const lanes = createLanes(1);
    await expect(lanes.run('a', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await lanes.run('a', async () => 'yes')).toBe('yes');
  });
});
