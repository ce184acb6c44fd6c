import { parentPort, workerData } from 'node:worker_threads';
import { openAuditLog } from '../disclosure/audit-log.ts';
import { decideGrant } from '../disclosure/grant.ts';
import { BUILT_IN_PROFILES, findProfile } from '../profiles/index.ts';
import { planExport } from '../services/async-export.ts';
import { openExtractKeys } from '../services/extract-keys.ts';
import { createExtractMaker } from '../services/make-extract.ts';
import { openDatabase } from '../store/database.ts';
import { type ExtractOrder, type ExtractOutcome, type ExtractThreadSettings, toFailure } from './extract-order.ts';

/** What runs in one of the threads of `extract-threads.ts`: one extract. */

const CONNECTIONS = 3;

const { connection, keys, ...settings } = workerData as ExtractThreadSettings;
const database = openDatabase(connection, { poolSize: CONNECTIONS });
const parts = {
  ...settings,
  database,
  audit: openAuditLog(database.pool, { now: Date.now }),
  ...openExtractKeys(keys),
  now: Date.now,
};

parentPort?.on('message', (order: ExtractOrder) => {
  void perform(order).then((outcome) => parentPort?.postMessage(outcome));
});

async function perform({ signingKey, registry, today, ...order }: ExtractOrder): Promise<ExtractOutcome> {
  try {
    const profile = findProfile(BUILT_IN_PROFILES, registry);
    if (profile === undefined) throw new Error(`there is no registry "${registry}"`);
    const grant = decideGrant(order.partner);
    const plan = planExport(order.item, { partner: order.partner, grant, profile, today });
    // Whoever has no more time for it ends the thread.
    const { signal } = new AbortController();
    await createExtractMaker({ ...parts, activeKey: () => signingKey }).make({ ...order, grant, plan, signal });
    return undefined;
  } catch (error) {
    return toFailure(error);
  }
}
