import type { StoredAuditRow } from '../store/read-audit.ts';

/** Audit rows for a spreadsheet. */

type Column = readonly [heading: string, read: (row: StoredAuditRow) => string | number | undefined];

const COLUMNS: readonly Column[] = [
  ['chain', (row) => row.chain],
  ['seq', (row) => row.seq],
  ['at', (row) => row.at.toISOString()],
  ['sender_id', (row) => row.senderId],
  ['remote_address', (row) => row.remoteAddress],
  ['action', (row) => row.action],
  ['registry', (row) => row.registry],
  ['message_id', (row) => row.messageId],
  ['transaction_id', (row) => row.transactionId],
  ['correlation_id', (row) => row.correlationId],
  ['legal_basis', (row) => row.legalBasis],
  ['purposes', (row) => row.purposes.join(' ')],
  ['field_rule', (row) => row.fieldRule],
  ['outcome', (row) => row.outcome],
  ['item_count', (row) => row.itemCount],
  ['record_count', (row) => row.recordCount],
  ['records', (row) => row.records.join(' ')],
  ['query', (row) => row.query],
  ['disclosed', (row) => row.disclosed],
  ['link', (row) => row.link.toString('base64url')],
];

export const CSV_HEADINGS = COLUMNS.map(([heading]) => heading).join(',');

/** RFC 4180. What a spreadsheet would take for a formula gets an apostrophe in front: partners choose some of these texts. */
export function writeCsvLine(row: StoredAuditRow): string {
  return COLUMNS.map(([, read]) => writeCell(read(row))).join(',');
}

function writeCell(value: string | number | undefined): string {
  if (value === undefined) return '';
  const text = String(value);
  const safe = typeof value === 'string' && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
