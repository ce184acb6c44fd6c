import type { Pool, PoolClient } from 'pg';

/**
 * The audit trail lies in one partition a month (UTC), made ahead. A row of a month without one goes to `audit_rest`, so
 * that no answer is ever held up or lost for want of a partition; the next round gives the months found there their own.
 */
export interface AuditPartition {
  readonly name: string;
  readonly from: Date;
  readonly until: Date;
}

const MONTHS_AHEAD = 2;
// Whoever reads the trail for long must not have all writers wait behind us.
const PATIENCE = '3s';

/** Makes the partitions of the month of `now` (epoch milliseconds) and the next ones. Returns the names of those that were made. */
export async function makeAuditPartitions(pool: Pool, now: number): Promise<string[]> {
  return await inTransaction(pool, async (client) => {
    const made = await adoptRest(client);
    for (let month = 0; month <= MONTHS_AHEAD; month += 1) {
      const from = startOfMonth(new Date(now), month);
      const until = startOfMonth(from, 1);
      if (overlaps(await listPartitions(client), from, until)) continue;
      const name = partitionName(from);
      await client.query(`create table ${name} (like audit including defaults including constraints)`);
      await attach(client, { name, from, until });
      made.push(name);
    }
    return made;
  });
}

/** The partitions, the oldest first; without `audit_rest`. */
export async function listAuditPartitions(pool: Pool): Promise<AuditPartition[]> {
  return await listPartitions(pool);
}

/** Takes partitions away with all their rows; `client` is in a transaction. Only `retire-audit.ts` may, which signs for it. */
export async function dropAuditPartitions(client: PoolClient, partitions: readonly AuditPartition[]): Promise<void> {
  await client.query(`set local lock_timeout = '${PATIENCE}'`);
  for (const { name } of partitions) await client.query(`drop table ${name}`);
}

/** Moves what waits in the lists of the indexes by record to its place, so that no commit has to. */
export async function tidyAuditIndexes(pool: Pool): Promise<void> {
  await pool.query(
    `select gin_clean_pending_list(index.oid)
     from pg_inherits join pg_class index on index.oid = inhrelid
     where inhparent = 'audit_of_record'::regclass and index.relkind = 'i'`,
  );
}

/** Runs `work` in a transaction on one connection. */
export async function inTransaction<T>(pool: Pool, work: (client: PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  try {
    await client.query('begin');
    const result = await work(client);
    await client.query('commit');
    return result;
  } catch (error) {
    await client.query('rollback');
    throw error;
  } finally {
    client.release();
  }
}

// The table of the rest becomes the partition of the months it holds, as it is: no row is moved.
async function adoptRest(client: PoolClient): Promise<string[]> {
  await client.query(`set local lock_timeout = '${PATIENCE}'`);
  const { rows } = await client.query<{ first: Date | null; last: Date | null }>(
    'select min(at) as first, max(at) as last from audit_rest',
  );
  const { first, last } = rows[0] ?? { first: null, last: null };
  if (first === null || last === null) return [];
  await client.query('lock table audit in access exclusive mode');
  const from = startOfMonth(first, 0);
  const until = startOfMonth(last, 1);
  if (overlaps(await listPartitions(client), from, until))
    throw new Error(
      `audit_rest holds rows from ${first.toISOString()} to ${last.toISOString()}, between which other months have partitions: a clock was wrong`,
    );
  const name = partitionName(from);
  await client.query('alter table audit detach partition audit_rest');
  await client.query(`alter table audit_rest rename to ${name}`);
  await client.query(`alter table audit attach partition ${name} for values from ('${from.toISOString()}') to ('${until.toISOString()}')`);
  await client.query('create table audit_rest partition of audit default');
  await keepWhole(client, 'audit_rest');
  return [name];
}

async function attach(client: PoolClient, { name, from, until }: AuditPartition): Promise<void> {
  await client.query(`alter table audit attach partition ${name} for values from ('${from.toISOString()}') to ('${until.toISOString()}')`);
  await keepWhole(client, name);
}

// Triggers on rows come from the parent; this one and the rights do not.
async function keepWhole(client: PoolClient, name: string): Promise<void> {
  await client.query(`create trigger audit_is_kept_whole before truncate on ${name} for each statement execute function audit_is_kept()`);
  await client.query(`revoke update, delete, truncate on ${name} from public, current_user`);
}

async function listPartitions(client: Pick<Pool, 'query'>): Promise<AuditPartition[]> {
  const { rows } = await client.query<{ name: string; bounds: string }>(
    `select child.relname as name, pg_get_expr(child.relpartbound, child.oid) as bounds
     from pg_inherits join pg_class child on child.oid = inhrelid
     where inhparent = 'audit'::regclass and child.relname <> 'audit_rest'`,
  );
  const partitions = rows.map(({ name, bounds }) => {
    const [, from = '', until = ''] = /FROM \('([^']+)'\) TO \('([^']+)'\)/.exec(bounds) ?? [];
    return { name, from: new Date(from), until: new Date(until) };
  });
  return partitions.toSorted((a, b) => a.from.getTime() - b.from.getTime());
}

function overlaps(partitions: readonly AuditPartition[], from: Date, until: Date): boolean {
  return partitions.some((partition) => partition.from < until && from < partition.until);
}

function startOfMonth(date: Date, ahead: number): Date {
  return new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + ahead, 1));
}

function partitionName(from: Date): string {
  return `audit_${from.toISOString().slice(0, 7).replace('-', '_')}`;
}
