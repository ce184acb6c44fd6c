import type { Pool } from 'pg';
import type { ChainHead } from './audit-checkpoints.ts';
import type { ChainedRow } from './audit-row.ts';

/** Reading the audit trail: in order of time, a page at a time, whoever reads however much. */

export interface StoredAuditRow extends ChainedRow {
  /** Epoch milliseconds; not whole where somebody wrote a time that we never write. */
  readonly atMs: number;
}

/** All that is given must hold. */
export interface AuditFilter {
  readonly since?: Date | undefined;
  /** Before this moment. */
  readonly until?: Date | undefined;
  readonly senderId?: string | undefined;
  readonly action?: string | undefined;
  readonly outcome?: string | undefined;
  /** Rows that disclosed one of these records. */
  readonly records?: readonly string[] | undefined;
  /** Rows about one of these registries, or about none. */
  readonly registries?: readonly string[] | undefined;
}

/** After which row a page begins. */
export interface AuditPosition {
  /** As PostgreSQL writes it, to the microsecond. */
  readonly at: string;
  readonly chain: number;
  readonly seq: number;
}

export interface AuditPage {
  readonly rows: readonly StoredAuditRow[];
  /** Undefined: there is no more. */
  readonly next: AuditPosition | undefined;
}

type Queryable = Pick<Pool, 'query'>;

const COLUMNS = `chain, seq::float8 as seq, at, (extract(epoch from at) * 1000)::float8 as "atMs",
  to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as position,
  partner_id as "partnerId", sender_id as "senderId", remote_address as "remoteAddress", action, registry,
  message_id as "messageId", transaction_id as "transactionId", correlation_id as "correlationId", legal_basis as "legalBasis",
  purposes, field_rule as "fieldRule", outcome, item_count as "itemCount", record_count as "recordCount", records,
  query::text as query, disclosed::text as disclosed, link`;

type Row = StoredAuditRow & { readonly position: string };

/** A page of rows in the order of time, or the newest first. */
export async function readAuditPage(
  db: Queryable,
  filter: AuditFilter,
  { size, after, newestFirst = false }: { size: number; after?: AuditPosition | undefined; newestFirst?: boolean },
): Promise<AuditPage> {
  const parameters: unknown[] = [];
  const bind = (value: unknown): string => `$${parameters.push(value)}`;
  const conditions = compileFilter(filter, bind);
  if (after !== undefined)
    conditions.push(
      `(at, chain, seq) ${newestFirst ? '<' : '>'} (${bind(after.at)}::timestamptz, ${bind(after.chain)}::smallint, ${bind(after.seq)}::bigint)`,
    );
  const where = conditions.length === 0 ? '' : `where ${conditions.join(' and ')}`;
  const direction = newestFirst ? 'desc' : 'asc';
  // What was disclosed of one record is found by the index on records, never by going through all rows in order.
  const source = filter.records === undefined ? `audit ${where}` : `(select * from audit ${where} offset 0) as found`;
  const { rows } = await db.query<Row>(
    `select ${COLUMNS} from ${source} order by at ${direction}, chain ${direction}, seq ${direction} limit ${bind(size + 1)}`,
    parameters,
  );
  const page = rows.slice(0, size).map(readRow);
  const last = rows.length > size ? rows[size - 1] : undefined;
  return { rows: page, next: last && { at: last.position, chain: last.chain, seq: last.seq } };
}

const PAGE = 2_000;

/** All rows in the order of time, in pages: memory does not grow with their number. */
export async function* streamAudit(db: Queryable, filter: AuditFilter): AsyncGenerator<readonly StoredAuditRow[]> {
  let after: AuditPosition | undefined;
  do {
    const page = await readAuditPage(db, filter, { size: PAGE, after });
    yield page.rows;
    after = page.next;
  } while (after !== undefined);
}

/** Where the chains stood just before a moment, as far as there are rows before it; and how many those are. */
export async function findHeadsBefore(db: Queryable, before: Date): Promise<{ heads: ChainHead[]; rows: number }> {
  const { rows } = await db.query<Omit<ChainHead, 'link'> & { link: Buffer; count: number }>(
    `select chain, seq::float8 as seq, (extract(epoch from at) * 1000)::float8 as "atMs", link, count
     from (
       select chain, seq, at, link, row_number() over (partition by chain order by seq desc) as place, count(*) over (partition by chain)::float8 as count
       from audit where at < $1
     ) as earlier
     where place = 1 order by chain`,
    [before],
  );
  return {
    heads: rows.map(({ chain, seq, atMs, link }) => ({ chain, seq, atMs, link: link.toString('base64url') })),
    rows: rows.reduce((sum, { count }) => sum + count, 0),
  };
}

function compileFilter(filter: AuditFilter, bind: (value: unknown) => string): string[] {
  const { since, until, senderId, action, outcome, records, registries } = filter;
  return [
    since && `at >= ${bind(since)}`,
    until && `at < ${bind(until)}`,
    senderId !== undefined && `sender_id = ${bind(senderId)}`,
    action !== undefined && `action = ${bind(action)}`,
    outcome !== undefined && `outcome = ${bind(outcome)}`,
    records !== undefined && `records && ${bind(records)}::uuid[]`,
    registries !== undefined && `(registry = '' or string_to_array(registry, ' ') <@ ${bind(registries)}::text[])`,
  ].filter((condition) => typeof condition === 'string');
}

function readRow(row: Row): StoredAuditRow {
  const given = Object.entries(row).filter(([name, value]) => value !== null && name !== 'position');
  return Object.fromEntries(given) as unknown as StoredAuditRow;
}
