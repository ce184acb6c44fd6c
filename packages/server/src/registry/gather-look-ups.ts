import { compileLookUp, compileLookUps, type LookUpPlan, lookUpKey } from './look-up.ts';
import type { CompiledQuery } from './plan.ts';
import type { Row } from './reader.ts';

/**
 * Look-ups of one moment share a statement, whichever messages they come from: what arrives in one turn of the event loop
 * is asked together, so that a busy server asks less often than it is asked.
 */
export interface LookUps {
  /** The rows of `compileLookUp(plan)`. */
  find(plan: LookUpPlan): Promise<readonly Row[]>;
}

interface Waiting {
  readonly plan: LookUpPlan;
  readonly resolve: (rows: readonly Row[]) => void;
  readonly reject: (error: unknown) => void;
}

const LARGEST_STATEMENT = 1_000;

export function gatherLookUps(send: (query: CompiledQuery) => Promise<readonly Row[]>): LookUps {
  let waiting: Waiting[] = [];

  function sendAll(): void {
    const groups = Map.groupBy(waiting, ({ plan }) => lookUpKey(plan));
    waiting = [];
    for (const group of groups.values())
      for (let from = 0; from < group.length; from += LARGEST_STATEMENT) void sendGroup(send, group.slice(from, from + LARGEST_STATEMENT));
  }

  return {
    find: (plan) =>
      new Promise((resolve, reject) => {
        if (waiting.length === 0) setImmediate(sendAll);
        waiting.push({ plan, resolve, reject });
      }),
  };
}

async function sendGroup(send: (query: CompiledQuery) => Promise<readonly Row[]>, group: readonly Waiting[]): Promise<void> {
  try {
    const [first, ...others] = group;
    if (first === undefined) return;
    if (others.length === 0) return first.resolve(await send(compileLookUp(first.plan)));
    const rows = await send(compileLookUps([first.plan, ...others.map(({ plan }) => plan)]));
    const byPlace = Map.groupBy(rows, ([place]) => place);
    for (const [index, { resolve }] of group.entries()) resolve((byPlace.get(String(index + 1)) ?? []).map(([, ...row]) => row));
  } catch (error) {
    for (const { reject } of group) reject(error);
  }
}
