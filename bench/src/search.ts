import type { BareOrder, BareReady } from './bare-search.ts';
import { startChild } from './child.ts';
import type { Comparison } from './comparison.ts';
import type { Machine } from './machine.ts';
import type { Traffic } from './messages.ts';
import { FIRST_WARM_UP_SECONDS, type RoundOptions, runPairs, type Targets } from './pairs.ts';
import { REGISTRY } from './populace.ts';
import { onScene, type SceneOptions } from './scene.ts';
import { readStatements } from './statements.ts';

/** Identifier search: the server against the floor, in pairs of rounds, floor first. */

export interface SearchBenchOptions extends SceneOptions, RoundOptions {}

export interface SearchBench {
  readonly options: SearchBenchOptions;
  readonly machine: Machine;
  /** One identifier a message, signed. */
  readonly signed: Comparison;
  /** The same from a partner that need not sign. */
  readonly unsigned: Comparison;
  /** Fifty identifiers a message, signed. */
  readonly batch: Comparison;
}

const BATCH = 50;

export async function benchSearch(options: SearchBenchOptions, say: (text: string) => void): Promise<SearchBench> {
  return await onScene(options, say, async (scene) => {
    const { machine, identifiers } = scene;
    const partner = await scene.addPartner('required');
    const unsignedPartner = await scene.addPartner('optional');
    const child = scene.closing(startChild<BareOrder, BareReady>('./floor.js'), (floor) => floor.stop());
    const floor = await child.ask({ connection: scene.opened.database.connection, ...readStatements(REGISTRY) });
    const server = await scene.startServer();
    const targets: Targets = {
      names: { floor: 'floor', server: 'server' },
      floor: (order) => scene.fire(order, floor),
      server: (order) => scene.fire(order, server),
    };
    const compareTraffic = (name: string, traffic: Traffic, warmUpSeconds?: number): Promise<Comparison> =>
      runPairs(targets, { name, traffic, identifiers, options, ...(warmUpSeconds === undefined ? {} : { warmUpSeconds }), say });
    return {
      options,
      machine,
      signed: await compareTraffic('signed', { ...partner, batch: 1 }, FIRST_WARM_UP_SECONDS),
      unsigned: await compareTraffic('unsigned', { ...unsignedPartner, batch: 1 }),
      batch: await compareTraffic(`signed, ${BATCH} a message`, { ...partner, batch: BATCH }),
    };
  });
}
