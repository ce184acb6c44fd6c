import type { Pool } from 'pg';
import type { ChainHead } from '../store/audit-checkpoints.ts';
import { findLastDrop } from '../store/audit-checkpoints.ts';
import { type AuditPartition, dropAuditPartitions, inTransaction, listAuditPartitions } from '../store/audit-partitions.ts';
import { findHeadsBefore } from '../store/read-audit.ts';
import { type CheckpointKeys, openCheckpoint, writeCheckpoint } from './audit-checkpoint.ts';
import { verifyAudit } from './verify-audit.ts';

/**
 * Ends the life of audit rows, where the operator has said after how many months: whole partitions, the oldest first, and
 * only of a trail that verifies. A signed statement stays of what is gone, by which the rest goes on being verified.
 */
export async function retireAudit(pool: Pool, keys: CheckpointKeys, months: number, now: number): Promise<readonly string[]> {
  const oldest = new Date(now);
  const keptFrom = Date.UTC(oldest.getUTCFullYear(), oldest.getUTCMonth() - months, 1);
  const over = (await listAuditPartitions(pool)).filter(({ until }) => until.getTime() <= keptFrom);
  const last = over.at(-1);
  if (last === undefined) return [];
  await assertVerifies(pool, keys);
  await inTransaction(pool, async (client) => {
    const { heads, rows } = await findHeadsBefore(client, last.until);
    const drop = await findLastDrop(client);
    const earlier = drop === undefined ? [] : ((await openCheckpoint(drop, keys.macKey)).dropped?.heads ?? []);
    await writeCheckpoint(client, keys, now, {
      before: last.until.toISOString(),
      partitions: over.map(nameOf),
      rows,
      heads: mergeHeads(earlier, heads),
    });
    await dropAuditPartitions(client, over);
  });
  return over.map(nameOf);
}

async function assertVerifies(pool: Pool, { macKey }: CheckpointKeys): Promise<void> {
  let first: string | undefined;
  const { problems } = await verifyAudit(pool, {
    macKey,
    onProblem: ({ text }) => {
      first ??= text;
    },
  });
  if (problems > 0) throw new Error(`the audit trail does not verify, so nothing of it is dropped: ${first}`);
}

function mergeHeads(earlier: readonly ChainHead[], later: readonly ChainHead[]): ChainHead[] {
  const heads = new Map([...earlier, ...later].map((head) => [head.chain, head]));
  return [...heads.values()].toSorted((a, b) => a.chain - b.chain);
}

function nameOf({ name }: AuditPartition): string {
  return name;
}
