import type { BareReady } from './bare-search.ts';
import type { BoundOrder } from './bound-server.ts';
import { startChild } from './child.ts';
import type { Comparison } from './comparison.ts';
import type { Machine } from './machine.ts';
import { FIRST_WARM_UP_SECONDS, type RoundOptions, runPairs } from './pairs.ts';
import { REGISTRY } from './populace.ts';
import { type Aimed, onScene, type SceneOptions } from './scene.ts';
import { readStatements } from './statements.ts';

/**
 * How near to the floor signed search can come on this machine: the floor against the bound (`bound-server.ts`), and the
 * bound against the server. Between floor and bound are two signatures and a commit; between bound and server is all the rest.
 */
export interface BoundBench {
  readonly options: SceneOptions & RoundOptions;
  readonly machine: Machine;
  /** The bound by the floor: a server that checks nothing has this ratio. */
  readonly bound: Comparison;
  /** The server by the bound. */
  readonly server: Comparison;
}

export async function benchBound(options: SceneOptions & RoundOptions, say: (text: string) => void): Promise<BoundBench> {
  return await onScene(options, say, async (scene) => {
    const { machine, identifiers } = scene;
    const order: BoundOrder = {
      connection: scene.opened.database.connection,
      ...readStatements(REGISTRY),
      signature: options.signature,
    };
    const startBare = (file: string): Promise<BareReady> =>
      scene.closing(startChild<BoundOrder, BareReady>(file), (child) => child.stop()).ask(order);
    const traffic = { ...(await scene.addPartner('required')), batch: 1 };
    const [floor, bound, server] = [await startBare('./floor.js'), await startBare('./bound-server.js'), await scene.startServer()];
    const compareTwo = (names: { floor: string; server: string }, first: Aimed, second: Aimed): Promise<Comparison> =>
      runPairs(
        { names, floor: (round) => scene.fire(round, first), server: (round) => scene.fire(round, second) },
        { name: 'signed', traffic, identifiers, options, warmUpSeconds: FIRST_WARM_UP_SECONDS, say },
      );
    return {
      options,
      machine,
      bound: await compareTwo({ floor: 'floor', server: 'bound' }, floor, bound),
      server: await compareTwo({ floor: 'bound', server: 'server' }, bound, server),
    };
  });
}
