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

interface Column {
  readonly name: string;
  readonly type: string;
  /** How an element of the array that is sent becomes the value of the column, where it does not as it is. */
  readonly cast?: string;
  readonly read: (row: AuditRow) => string | number | undefined;
}

const COLUMNS: readonly Column[] = [
  { name: 'partner_id', type: 'uuid', read: (row) => row.partnerId },
  { name: 'sender_id', type: 'text', read: (row) => row.senderId },
  { name: 'remote_address', type: 'text', read: (row) => row.remoteAddress },
  { name: 'action', type: 'text', read: (row) => row.action },
  { name: 'registry', type: 'text', read: (row) => row.registry },
  { name: 'message_id', type: 'text', read: (row) => row.messageId },
  { name: 'transaction_id', type: 'text', read: (row) => row.transactionId },
  { name: 'correlation_id', type: 'text', read: (row) => row.correlationId },
  { name: 'legal_basis', type: 'text', read: (row) => row.legalBasis },
  { name: 'purposes', type: 'text', cast: 'text[]', read: (row) => writeArray(row.purposes) },
  { name: 'field_rule', type: 'text', read: (row) => row.fieldRule },
  { name: 'outcome', type: 'text', read: (row) => row.outcome },
  { name: 'query', type: 'json', read: (row) => row.query },
  { name: 'item_count', type: 'integer', read: (row) => row.itemCount },
  { name: 'record_count', type: 'integer', read: (row) => row.recordCount },
  { name: 'records', type: 'text', cast: 'uuid[]', read: (row) => `{${row.records.join(',')}}` },
  { name: 'disclosed', type: 'json', read: (row) => row.disclosed },
];

// One statement, so one commit: the head of the chain is moved on, provided that it is where the links were made from and
// that nothing is wrong with any row; only with it do the message ids that the rows claim and the rows themselves come in.
// An id that another process claims at this very moment breaks the unique key, and with it the statement.
const names = COLUMNS.map(({ name }) => name).join(', ');
const FIRST_ARRAY = 7;
const arrays = [...COLUMNS.map(({ type }) => type), 'bytea', 'bigint', 'double precision'].map(
  (type, at) => `$${FIRST_ARRAY + at}::${type}[]`,
);
const APPEND = `
with batch as materialized (
  select * from unnest(${arrays.join(', ')}) with ordinality as entry (${names}, link, revision, claim_until, n)
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
), written as (
  insert into audit (chain, seq, at, link, ${names})
  select moved.chain, $2 + n, to_timestamp($5 / 1000.0), link, ${COLUMNS.map(({ name, cast }) => (cast === undefined ? name : `${name}::${cast}`)).join(', ')}
  from batch cross join moved
)
select exists (select from moved) as written, array(select json_build_array(n, verdict) from refused) as refused`;

/**
 * Writes rows after `head`, all of them or none.
 *
 * @param now epoch milliseconds; a row is never older than the one before it
 */
export async function appendAudit(db: Pool | PoolClient, head: ChainHead, now: number, entries: readonly AuditEntry[]): Promise<Appended> {
  const atMs = Math.max(now, head.atMs);
  const rows = entries.map(completeRow);
  const links: Buffer[] = [];
  for (const row of rows) links.push(nextLink(links.at(-1) ?? head.link, atMs, digestContent(writeContent(row))));
  const next: ChainHead = { chain: head.chain, seq: head.seq + rows.length, atMs, link: links.at(-1) ?? head.link };
  const { rows: results } = await db.query<{ written: boolean; refused: readonly (readonly [number, AuditVerdict])[] }>({
    name: 'audit-append',
    text: APPEND,
    values: [
      head.chain,
      head.seq,
      head.link,
      next.seq,
      next.atMs,
      next.link,
      ...COLUMNS.map(({ read }) => rows.map(read)),
      links,
      entries.map(({ partnerRevision }) => partnerRevision),
      entries.map(({ claimUntil }) => claimUntil),
    ],
  });
  const [result] = results;
  if (result?.written === true) return { head: next };
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

function writeArray(texts: readonly string[]): string {
  return `{${texts.map((text) => `"${text.replaceAll(/["\\]/g, String.raw`\$&`)}"`).join(',')}}`;
}
