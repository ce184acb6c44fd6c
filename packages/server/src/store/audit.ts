import type { Pool } from 'pg';

/** One row of the audit trail, and whether the message id is claimed with it (only what discloses claims one). */
export interface AuditEntry {
  readonly partnerId: string;
  /** Revision of the partner under which the decision was taken. */
  readonly partnerRevision: string;
  readonly senderId: string;
  readonly remoteAddress: string;
  readonly action: string;
  readonly registry: string;
  readonly messageId: string;
  /** Until when a repeat of the message id must be recognised, epoch seconds; absent: the id is not claimed. */
  readonly claimUntil?: number;
  readonly transactionId?: string;
  readonly correlationId?: string;
  readonly legalBasis?: string;
  readonly purposes: readonly string[];
  readonly fieldRule?: string;
  /** `answered`, or the code of the refusal. */
  readonly outcome: string;
  /** JSON text; identifying values are hashed. */
  readonly query?: string;
  readonly itemCount: number;
  readonly recordCount: number;
  /** JSON text: which records, in which entity, under which rule. */
  readonly disclosed: string;
}

/**
 * - `written`: the row is committed.
 * - `duplicate`: this partner has used the message id before; nothing was written.
 * - `stale`: the partner has changed since the decision (deactivated, say); nothing was written.
 */
export type AuditVerdict = 'written' | 'duplicate' | 'stale';

// One statement, so one commit: the rows of a batch, the message ids they claim, and the check that each partner is
// still as it was when the decision was taken.
const COMMIT = `
with batch as (
  select * from json_to_recordset($1::json) as entry (
    n integer, partner_id uuid, revision bigint, sender_id text, remote_address text, action text, registry text,
    message_id text, claim_until double precision, transaction_id text, correlation_id text, legal_basis text,
    purposes text[], field_rule text, outcome text, query jsonb, item_count integer, record_count integer, disclosed jsonb)
), current as (
  select batch.* from batch
  where claim_until is null
     or exists (select 1 from partner where partner.id = batch.partner_id and partner.revision = batch.revision and partner.active)
), claimed as (
  insert into message_seen (partner_id, message_id, expires_at)
  select partner_id, message_id, to_timestamp(claim_until) from current where claim_until is not null
  on conflict do nothing
  returning partner_id, message_id
), accepted as (
  select current.* from current
  where claim_until is null
     or exists (select 1 from claimed where claimed.partner_id = current.partner_id and claimed.message_id = current.message_id)
), written as (
  insert into audit (partner_id, sender_id, remote_address, action, registry, message_id, transaction_id, correlation_id,
    legal_basis, purposes, field_rule, outcome, query, item_count, record_count, disclosed)
  select partner_id, sender_id, remote_address, action, registry, message_id, transaction_id, correlation_id,
    legal_basis, purposes, field_rule, outcome, query, item_count, record_count, disclosed
  from accepted order by n
)
select batch.n, case
  when accepted.n is not null then 'written'
  when current.n is not null then 'duplicate'
  else 'stale' end as verdict
from batch left join current using (n) left join accepted using (n)`;

/**
 * Commits a batch of audit rows. A batch must not claim one message id twice for one partner.
 * Returns a verdict for each entry, in their order.
 */
export async function commitAudit(pool: Pool, entries: readonly AuditEntry[]): Promise<AuditVerdict[]> {
  const batch = `[${entries.map(writeEntry).join(',')}]`;
  const { rows } = await pool.query<{ n: number; verdict: AuditVerdict }>({ name: 'audit-commit', text: COMMIT, values: [batch] });
  const verdicts = new Array<AuditVerdict>(entries.length).fill('stale');
  for (const row of rows) verdicts[row.n] = row.verdict;
  return verdicts;
}

function writeEntry(entry: AuditEntry, n: number): string {
  const columns = JSON.stringify({
    n,
    partner_id: entry.partnerId,
    revision: entry.partnerRevision,
    sender_id: entry.senderId,
    remote_address: entry.remoteAddress,
    action: entry.action,
    registry: entry.registry,
    message_id: entry.messageId,
    claim_until: entry.claimUntil,
    transaction_id: entry.transactionId,
    correlation_id: entry.correlationId,
    legal_basis: entry.legalBasis,
    purposes: entry.purposes,
    field_rule: entry.fieldRule,
    outcome: entry.outcome,
    item_count: entry.itemCount,
    record_count: entry.recordCount,
  });
  const query = entry.query === undefined ? '' : `,"query":${entry.query}`;
  return `${columns.slice(0, -1)}${query},"disclosed":${entry.disclosed}}`;
}

/** What an operator is shown of an audit row. */
export interface AuditSummary {
  readonly at: Date;
  readonly senderId: string;
  readonly action: string;
  readonly outcome: string;
  readonly recordCount: number;
  readonly fieldRule: string | null;
}

/** The newest rows first. */
export async function loadRecentAudit(pool: Pool, most: number): Promise<AuditSummary[]> {
  const { rows } = await pool.query<AuditSummary>(
    `select at, sender_id as "senderId", action, outcome, record_count as "recordCount", field_rule as "fieldRule"
     from audit order by seq desc limit $1`,
    [most],
  );
  return rows;
}
