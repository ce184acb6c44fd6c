import type { Pool, PoolClient } from 'pg';
import type { AuditEntry, AuditVerdict } from './audit.ts';
import { type AuditRow, digestContent, nextLink, writeContent } from './audit-row.ts';

/** The last row of a chain: the next one is linked to it. */
export interface ChainHead {
  readonly chain: number;
  readonly seq: number;
  readonly atMs: number;
  readonly link: Buffer;
}

/** Either all rows are written, and the chain ends in `head`; or none is, for these reasons, or because the chain ends elsewhere by now. */
export type Appended = { readonly head: ChainHead } | { readonly head?: never; readonly refused: ReadonlyMap<number, AuditVerdict> };

const COLUMNS = `partner_id, sender_id, remote_address, action, registry, message_id, transaction_id, correlation_id,
    legal_basis, purposes, field_rule, outcome, query, item_count, record_count, records, disclosed`;

// One statement, so one commit: the head of the chain is moved on, provided that it is where the links were made from and
// that nothing is wrong with any row; only with it do the message ids that the rows claim and the rows themselves come in.
// An id that another process claims at this very moment breaks the unique key, and with it the statement.
// Ids are claimed in one order everywhere: two processes that claim the same ones cannot wait for each other.
const APPEND = `
with batch as materialized (
  select * from json_to_recordset($7::json) as entry (
    n integer, link bytea, revision bigint, claim_until double precision,
    partner_id uuid, sender_id text, remote_address text, action text, registry text, message_id text, transaction_id text,
    correlation_id text, legal_basis text, purposes text[], field_rule text, outcome text, query json, item_count integer,
    record_count integer, records uuid[], disclosed json)
), refused as materialized (
  select n, case when partner.id is null then 'stale' else 'duplicate' end as verdict
  from batch
  left join partner on partner.id = batch.partner_id and partner.revision = batch.revision and partner.active
  left join message_seen seen on seen.partner_id = batch.partner_id and seen.message_id = batch.message_id
  where claim_until is not null and (partner.id is null or seen.message_id is not null)
), moved as (
  update audit_chain set seq = $4, at_ms = $5, link = $6
  where chain = $1 and seq = $2 and link = $3 and not exists (select from refused)
  returning chain
), claimed as (
  insert into message_seen (partner_id, message_id, expires_at)
  select partner_id, message_id, to_timestamp(claim_until) from batch cross join moved where claim_until is not null
  order by partner_id, message_id
), written as (
  insert into audit (chain, seq, at, link, ${COLUMNS})
  select moved.chain, $2 + n, to_timestamp($5 / 1000.0), link, ${COLUMNS} from batch cross join moved
)
select exists (select from moved) as written, array(select json_build_array(n, verdict) from refused) as refused`;

/**
 * Writes rows after `head`, all of them or none.
 *
 * @param now epoch milliseconds; a row is never older than the one before it
 */
export async function appendAudit(db: Pool | PoolClient, head: ChainHead, now: number, entries: readonly AuditEntry[]): Promise<Appended> {
  const atMs = Math.max(now, head.atMs);
  let { seq, link } = head;
  const lines: string[] = [];
  for (const entry of entries) {
    const content = writeContent(completeRow(entry));
    seq += 1;
    link = nextLink(link, atMs, digestContent(content));
    const claim = entry.claimUntil === undefined ? '' : `"claim_until":${entry.claimUntil},`;
    lines.push(
      `{"n":${lines.length + 1},"link":"\\\\x${link.toString('hex')}","revision":${entry.partnerRevision},${claim}${content.slice(1)}`,
    );
  }
  const { rows } = await db.query<{ written: boolean; refused: readonly (readonly [number, AuditVerdict])[] }>({
    name: 'audit-append',
    text: APPEND,
    values: [head.chain, head.seq, head.link, seq, atMs, link, `[${lines.join(',')}]`],
  });
  const [result] = rows;
  if (result?.written === true) return { head: { chain: head.chain, seq, atMs, link } };
  return { refused: new Map(result?.refused.map(([n, verdict]) => [n - 1, verdict])) };
}

/** The head as it stands, locked to the end of the transaction of `client`. */
export async function lockHead(client: PoolClient, chain: number): Promise<ChainHead> {
  const { rows } = await client.query<{ seq: string; at_ms: string; link: Buffer }>(
    'select seq, at_ms, link from audit_chain where chain = $1 for update',
    [chain],
  );
  const [row] = rows;
  if (row === undefined) throw new Error(`the audit trail takes no row: the table audit_chain has lost the head of chain ${chain}`);
  return { chain, seq: Number(row.seq), atMs: Number(row.at_ms), link: row.link };
}

function completeRow(entry: AuditEntry): AuditRow {
  const records = entry.disclosed.flatMap((disclosure) => disclosure.records);
  return { ...entry, records, disclosed: JSON.stringify(entry.disclosed) };
}
