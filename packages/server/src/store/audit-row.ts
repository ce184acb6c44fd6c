import { hash } from 'node:crypto';

/**
 * A row of the audit trail, and the text of it that is chained. The text is made from the row alone, in one way, so that
 * whoever has the row — from the database or from an export — can make it again.
 */
export interface AuditRow {
  readonly partnerId: string;
  readonly senderId: string;
  readonly remoteAddress: string;
  readonly action: string;
  readonly registry: string;
  readonly messageId: string;
  readonly transactionId?: string | undefined;
  readonly correlationId?: string | undefined;
  readonly legalBasis?: string | undefined;
  readonly purposes: readonly string[];
  readonly fieldRule?: string | undefined;
  /** `answered`, or the code of the refusal. */
  readonly outcome: string;
  readonly itemCount: number;
  readonly recordCount: number;
  /** Ids of all records that were disclosed: by these a person finds who saw him. */
  readonly records: readonly string[];
  /** JSON text; identifying values are hashed. */
  readonly query?: string | undefined;
  /** JSON text: which records, in which entity, under which rule. */
  readonly disclosed: string;
}

/** A row and its place in the trail. */
export interface ChainedRow extends AuditRow {
  readonly chain: number;
  readonly seq: number;
  readonly at: Date;
  readonly link: Buffer;
}

/** JSON text of the row with the names of the columns. A column that is null is left out: one that is added later changes no old text. */
export function writeContent(row: AuditRow): string {
  const columns = JSON.stringify({
    partner_id: row.partnerId,
    sender_id: row.senderId,
    remote_address: row.remoteAddress,
    action: row.action,
    registry: row.registry,
    message_id: row.messageId,
    transaction_id: row.transactionId,
    correlation_id: row.correlationId,
    legal_basis: row.legalBasis,
    purposes: row.purposes,
    field_rule: row.fieldRule,
    outcome: row.outcome,
    item_count: row.itemCount,
    record_count: row.recordCount,
    records: row.records,
  });
  const query = row.query === undefined ? '' : `,"query":${row.query}`;
  return `${columns.slice(0, -1)}${query},"disclosed":${row.disclosed}}`;
}

/** A row whole, as one line of JSON: what is needed to verify it, and its content as it was chained. */
export function writeRowLine({ chain, seq, at, link, ...row }: ChainedRow): string {
  const place = JSON.stringify({ chain, seq, at: at.toISOString(), link: link.toString('base64url') });
  return `${place.slice(0, -1)},${writeContent(row).slice(1)}`;
}

/** SHA-256 of the content, hexadecimal. */
export function digestContent(content: string): string {
  return hash('sha256', content);
}

/** The link of a row: it binds the row, its time and, by the link before it, all rows of its chain that came earlier. */
export function nextLink(previous: Uint8Array, atMs: number, contentDigest: string): Buffer {
  const bound = Buffer.allocUnsafe(previous.length + 8 + contentDigest.length / 2);
  bound.set(previous);
  const time = previous.length;
  bound.writeBigInt64BE(BigInt(atMs), time);
  bound.write(contentDigest, time + 8, 'hex');
  return hash('sha256', bound, 'buffer');
}

/** What the first row of a chain is linked to. */
export function startLink(chain: number): Buffer {
  return hash('sha256', `dci audit chain ${chain}`, 'buffer');
}

/** A row as people name it. */
export function nameRow({ chain, seq }: { readonly chain: number; readonly seq: number }): string {
  return `${chain}/${seq}`;
}
