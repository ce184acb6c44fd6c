import type { Config } from '../config.ts';
import { type CheckpointKeys, checkpointSigner, digestCheckpoint, keepCheckpoints } from '../services/audit-checkpoint.ts';
import type { Profile } from '../profiles/profile.ts';
import { keepCounts } from '../registry/counting/keep-counts.ts';
import { keepMatchIndex } from '../registry/matching/keep-match-index.ts';
import { destroyEndedKeys } from '../services/own-key-life.ts';
import type { PublishedKeys } from '../services/published-keys.ts';
import { retireAudit } from '../services/retire-audit.ts';
import { tendSubscriptions } from '../services/tend-subscriptions.ts';
import { makeAuditPartitions, tidyAuditIndexes } from '../store/audit-partitions.ts';
import type { Database } from '../store/database.ts';
import { forgetContents } from '../store/deliveries.ts';
import { purgeKind, RETENTION_KINDS, type RetentionKind } from '../store/retention.ts';
import type { PeriodicTask } from './ticker.ts';

export interface PeriodicTaskParts {
  readonly config: Pick<Config, 'retention' | 'auditRetentionMonths'>;
  readonly database: Database;
  readonly profiles: readonly Profile[];
  readonly checkpointKeys: CheckpointKeys;
  readonly publishedKeys: Pick<PublishedKeys, 'refreshDue'>;
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly log: { info(fields: object, text: string): void };
}

const CHECKPOINT_EVERY_MS = 300_000;
/** Carrying on what was there before takes long; other tasks come in between. */
const FOLLOWING_MS = 20_000;

/** What is done every so often, in this order. */
export function listPeriodicTasks(parts: PeriodicTaskParts): PeriodicTask[] {
  const { config, database, profiles, checkpointKeys, publishedKeys, now, log } = parts;
  return [
    {
      name: 'make audit partitions',
      run: async (pool) => {
        await makeAuditPartitions(pool, now());
      },
    },
    {
      name: 'sign audit checkpoint',
      run: async (pool) => {
        const checkpoint = await keepCheckpoints(pool, checkpointKeys, now(), CHECKPOINT_EVERY_MS);
        // In the log, which is kept elsewhere, so that the last ones cannot be taken away unnoticed.
        if (checkpoint !== undefined)
          log.info(
            { number: checkpoint.number, digest: digestCheckpoint(checkpoint), kid: checkpointSigner(checkpoint.jws) },
            'signed an audit checkpoint',
          );
      },
    },
    { name: 'tidy audit indexes', run: tidyAuditIndexes },
    ...(config.auditRetentionMonths === undefined ? [] : [retireTask(config.auditRetentionMonths, checkpointKeys, now, log)]),
    { name: 'destroy ended keys', run: (pool) => destroyEndedKeys(pool, now()) },
    { name: 'refresh published keys', run: publishedKeys.refreshDue },
    { name: 'tend subscriptions', run: () => tendSubscriptions(database.db) },
    { name: 'keep the counts', run: () => keepCounts(database, profiles, now, FOLLOWING_MS) },
    { name: 'forget what is made anew', run: () => forgetContents(database.db) },
    { name: 'keep the match index', run: () => keepMatchIndex(database, profiles, { mostMs: FOLLOWING_MS }) },
    ...RETENTION_KINDS.map((kind) => purgeTask(kind, config.retention, now)),
  ];
}

function purgeTask(kind: RetentionKind, retention: Config['retention'], now: () => number): PeriodicTask {
  return {
    name: `purge ${kind.name}`,
    run: async (pool) => {
      await purgeKind(pool, kind, retention, now());
    },
  };
}

function retireTask(months: number, keys: CheckpointKeys, now: () => number, log: PeriodicTaskParts['log']): PeriodicTask {
  return {
    name: 'drop audit partitions',
    run: async (pool) => {
      const dropped = await retireAudit(pool, keys, months, now());
      if (dropped.length > 0) log.info({ partitions: dropped }, 'dropped audit partitions whose time was over');
    },
  };
}
