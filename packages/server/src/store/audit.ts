import type { Pool } from 'pg';
import { type AuditRow, digestContent, writeContent } from './audit-row.ts';

/** What one act discloses, and whether a message id is claimed with it (only what discloses claims one). */
export interface AuditEntry extends Omit<AuditRow, 'records' | 'disclosed'> {
  /** Revision of the partner under which the decision was taken. */
  readonly partnerRevision: string;
  /** Until when a repeat of the message id must be recognised, epoch seconds; absent: the id is not claimed. */
  readonly claimUntil?: number;
  /** Each list of records that leaves: in which entity, and whatever else is to be known of it. */
  readonly disclosed: readonly Disclosure[];
}

export interface Disclosure {
  readonly entity: string;
  /** Ids; members of groups among them. */
  readonly records: readonly string[];
  readonly [detail: string]: unknown;
}

/**
 * - `written`: the row is committed.
 * - `duplicate`: this partner has used the message id before; nothing was written.
 * - `stale`: the partner has changed since the decision (deactivated, say); nothing was written.
 */
export type AuditVerdict = 'written' | 'duplicate' | 'stale';

// One statement, so one commit: the message ids that a batch claims, the check that each partner is still as it was when
// the decision was taken, the rows, each linked to the one before it, and the head of the chain. Whoever writes to the same
// chain waits at the head, so the links are right whatever happens; that each process has a chain of its own spares the wait.
const COLUMNS = `partner_id, sender_id, remote_address, action, registry, message_id, transaction_id, correlation_id,
    legal_basis, purposes, field_rule, outcome, query, item_count, record_count, records, disclosed`;
const COMMIT = `
with batch as materialized (
  select * from json_to_recordset($1::json) as entry (
    n integer, digest text, revision bigint, claim_until double precision,
    partner_id uuid, sender_id text, remote_address text, action text, registry text, message_id text, transaction_id text,
    correlation_id text, legal_basis text, purposes text[], field_rule text, outcome text, query json, item_count integer,
    record_count integer, records uuid[], disclosed json)
), head as materialized (
  select chain, seq, link, greatest(at_ms, $3::bigint) as at_ms from audit_chain where chain = $2 for update
), claimed as (
  insert into message_seen (partner_id, message_id, expires_at)
  select batch.partner_id, batch.message_id, to_timestamp(claim_until)
  from batch join partner on partner.id = batch.partner_id and partner.revision = batch.revision and partner.active
  where claim_until is not null
  on conflict do nothing
  returning partner_id, message_id
), written as (
  insert into audit (chain, seq, at, link, ${COLUMNS})
  select head.chain, head.seq + row_number() over earlier, to_timestamp(head.at_ms / 1000.0),
    audit_links(head.link, int8send(head.at_ms) || decode(digest, 'hex')) over earlier, ${COLUMNS}
  from batch cross join head
  where claim_until is null or (partner_id, message_id) in (select partner_id, message_id from claimed)
  window earlier as (order by n rows unbounded preceding)
  returning seq, link
), moved as (
  update audit_chain set seq = last.seq, link = last.link, at_ms = head.at_ms
  from head, (select seq, link from written order by seq desc limit 1) as last
  where audit_chain.chain = head.chain
)
select (select count(*)::integer from written) as written, array(
  select json_build_array(n, case when partner.id is null then 'stale' else 'duplicate' end)
  from batch left join partner on partner.id = batch.partner_id and partner.revision = batch.revision and partner.active
  where claim_until is not null and (partner_id, message_id) not in (select partner_id, message_id from claimed)) as refused`;

/**
 * Commits a batch of audit rows at the end of a chain. A batch must not claim one message id twice for one partner.
 *
 * @param now epoch milliseconds; a row is never older than the one before it
 * @returns a verdict for each entry, in their order
 */
export async function commitAudit(pool: Pool, chain: number, now: number, entries: readonly AuditEntry[]): Promise<AuditVerdict[]> {
  const batch = `[${entries.map(writeEntry).join(',')}]`;
  const commit = (): Promise<{ rows: Committed[] }> =>
    pool.query<Committed>({ name: 'audit-commit', text: COMMIT, values: [batch, chain, now] });
  // Rows on their way to the rest, while their month was given its partition, are refused there: they go where they belong now.
  const { rows } = await commit().catch((error: unknown) => {
    if (isMisplaced(error)) return commit();
    throw error;
  });
  const { written, refused } = rows[0] ?? { written: 0, refused: [] };
  if (written + refused.length !== entries.length) throw new Error(`the audit trail took ${written} rows of ${entries.length}`);
  const verdicts = new Array<AuditVerdict>(entries.length).fill('written');
  for (const [n, verdict] of refused) verdicts[n] = verdict;
  return verdicts;
}

interface Committed {
  readonly written: number;
  readonly refused: readonly (readonly [number, AuditVerdict])[];
}

const CHECK_VIOLATION = '23514';

function isMisplaced(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === CHECK_VIOLATION && 'table' in error && error.table === 'audit_rest';
}

function writeEntry(entry: AuditEntry, n: number): string {
  const records = entry.disclosed.flatMap((disclosure) => disclosure.records);
  const content = writeContent({ ...entry, records, disclosed: JSON.stringify(entry.disclosed) });
  const claim = entry.claimUntil === undefined ? '' : `"claim_until":${entry.claimUntil},`;
  return `{"n":${n},"digest":"${digestContent(content)}","revision":${entry.partnerRevision},${claim}${content.slice(1)}`;
}

/** The chain that has been taken longest ago: processes share one only when there are more of them than chains. */
export async function takeChain(pool: Pool): Promise<number> {
  const { rows } = await pool.query<{ chain: number }>(
    `update audit_chain set taken_at = clock_timestamp()
     where chain = (select chain from audit_chain order by taken_at nulls first, chain limit 1 for update skip locked)
     returning chain`,
  );
  const chain = rows[0]?.chain;
  if (chain === undefined) throw new Error('the audit trail has no chain: the table audit_chain has lost its rows');
  return chain;
}
