import { fileURLToPath } from 'node:url';
import type { Side } from './comparison.ts';
import type { Machine } from './machine.ts';
import { FIRST_WARM_UP_SECONDS, type RoundOptions, runPairs, type TargetOrder } from './pairs.ts';
import { type Aimed, onScene, type Scene, type SceneOptions } from './scene.ts';
import type { Measured } from './load.ts';

/**
 * What the audit costs the signed search: `dci serve` as it is, against the same program in which one module, the way to
 * the audit trail, was replaced when it was loaded (`without-audit.ts`). The product has no such switch.
 */
export interface AuditBench {
  readonly options: SceneOptions & RoundOptions;
  readonly machine: Machine;
  readonly audited: Side;
  readonly unaudited: Side;
  /** Median over the pairs of the audited rate by the other. */
  readonly ratio: number;
  readonly ratios: readonly number[];
  /** The share of the throughput that the audit takes. */
  readonly cost: number;
}

const WITHOUT_AUDIT = fileURLToPath(new URL('./without-audit.js', import.meta.url));

export async function benchAudit(options: SceneOptions & RoundOptions, say: (text: string) => void): Promise<AuditBench> {
  return await onScene(options, say, async (scene) => {
    const traffic = { ...(await scene.addPartner('required')), batch: 1 };
    // One embedded database has one server; two of them must both take it for another.
    const environment = { ...scene.environment, DCI_DATABASE_URL: writeUrl(scene) };
    const audited = await scene.startServer(environment);
    const unaudited = await scene.startServer({ ...environment, NODE_OPTIONS: `--import=${WITHOUT_AUDIT}` });
    const { ratio, ratios, floor, server } = await runPairs(
      {
        names: { floor: 'without audit', server: 'with audit' },
        floor: (order) => fireCounted(scene, order, unaudited, () => 0),
        server: (order) => fireCounted(scene, order, audited, ({ requests }) => requests),
      },
      { name: 'signed', traffic, identifiers: scene.identifiers, options, warmUpSeconds: FIRST_WARM_UP_SECONDS, say },
    );
    return { options, machine: scene.machine, audited: server, unaudited: floor, ratio, ratios, cost: 1 - ratio };
  });
}

/** A round after which the trail must have as many rows more as it should have. */
async function fireCounted(scene: Scene, order: TargetOrder, at: Aimed, expected: (measured: Measured) => number): Promise<Measured> {
  const before = await countRows(scene);
  const measured = await scene.fire(order, at);
  const added = (await countRows(scene)) - before;
  if (added !== expected(measured)) throw new Error(`${measured.requests} answers left ${added} rows in the audit trail`);
  return measured;
}

async function countRows({ opened }: Scene): Promise<number> {
  const { rows } = await opened.database.pool.query<{ count: string }>(`select sum(seq) as count from audit_chain`);
  return Number(rows[0]?.count);
}

function writeUrl({ opened }: Scene): string {
  const { host = '', user = '', database = '' } = opened.database.connection;
  return `postgresql:///${database}?host=${encodeURIComponent(host)}&user=${encodeURIComponent(user)}`;
}
