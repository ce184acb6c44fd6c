/**
 * So many pieces of work at a time for each key, first come first served: one who asks much waits for himself, not the
 * others for him.
 */
export interface Lanes {
  run<T>(key: string, work: () => Promise<T>): Promise<T>;
}

interface Lane {
  running: number;
  readonly waiting: (() => void)[];
}

export function createLanes(width: number): Lanes {
  const lanes = new Map<string, Lane>();

  async function enter(key: string): Promise<void> {
    const lane = lanes.get(key) ?? { running: 0, waiting: [] };
    lanes.set(key, lane);
    // Whoever leaves hands over the place.
    if (lane.running >= width) await new Promise<void>((resolve) => lane.waiting.push(resolve));
    else lane.running += 1;
  }

  function leave(key: string): void {
    const lane = lanes.get(key);
    if (lane === undefined) return;
    const next = lane.waiting.shift();
    if (next !== undefined) return next();
    lane.running -= 1;
    if (lane.running === 0) lanes.delete(key);
  }

  return {
    async run(key, work) {
      await enter(key);
      try {
        return await work();
      } finally {
        leave(key);
      }
    },
  };
}
