import type { Pool } from 'pg';

/**
 * What is kept for how long: one line a kind of row. A task of the ticker purges each kind by age, in batches. Whoever adds
 * a table that grows adds its line here. The audit trail is none of these: see `audit-partitions.ts`.
 */
export interface RetentionKind {
  /** As `DCI_RETENTION` names it. */
  readonly name: string;
  readonly table: string;
  /** The timestamp from which the age counts; an index must begin with it. */
  readonly since: string;
  /** SQL condition on the rows that may go at all; absent: every row that is old enough. */
  readonly only?: string;
  /** Days that a row is kept, unless `DCI_RETENTION` says otherwise. 0: `since` is itself the end of the row's use, and no setting. */
  readonly days: number;
}

export const RETENTION_KINDS: readonly RetentionKind[] = [
  { name: 'seen_messages', table: 'message_seen', since: 'expires_at', days: 0 },
  { name: 'seen_assertions', table: 'client_assertion_seen', since: 'expires_at', days: 0 },
  { name: 'revoked_tokens', table: 'token_revoked', since: 'expires_at', days: 0 },
  { name: 'write_requests', table: 'write_request', since: 'expires_at', days: 0 },
  {
    name: 'change_events',
    table: 'change_event',
    since: 'at',
    only: 'xid < (select min(done_xid) from event_cursor) and seq < (select min(done_seq) from event_cursor)',
    days: 90,
  },
  { name: 'pending_events', table: 'pending_event', since: 'at', days: 90 },
  { name: 'transactions', table: 'dci_transaction', since: 'received_at', only: `state <> 'pending'`, days: 30 },
  { name: 'inbox_messages', table: 'inbox_message', since: 'received_at', days: 30 },
  // Notifications are known by the codes of the subscription that they belong to, as long as it lasts.
  { name: 'own_requests', table: 'own_request', since: 'sent_at', only: `subscription_codes = '{}'`, days: 30 },
  // With their history.
  { name: 'consents', table: 'consent', since: 'ended_at', days: 3_650 },
  // With their contents.
  { name: 'extracts', table: 'extract', since: 'expires_at', days: 0 },
  { name: 'deliveries', table: 'delivery', since: 'created_at', only: `state <> 'pending'`, days: 30 },
];

/** Days by the name of a kind; undefined as a value: for ever. */
export type Retention = ReadonlyMap<string, number | undefined>;

/** What is wrong with `settings`: names that no kind has, or none that may be set. One line each. */
export function findRetentionProblems(settings: Retention): string[] {
  const known = RETENTION_KINDS.filter(({ days }) => days > 0).map(({ name }) => name);
  const unknown = [...settings.keys()].filter((name) => !known.includes(name));
  return unknown.map((name) => `there is no kind ${name}; known: ${known.join(', ')}`);
}

const DAY_MS = 86_400_000;
const BATCH = 10_000;

/** Deletes the rows of a kind whose time is over at `now` (epoch milliseconds), a batch a statement. Returns how many. */
export async function purgeKind(pool: Pool, kind: RetentionKind, settings: Retention, now: number, batch = BATCH): Promise<number> {
  const days = settings.has(kind.name) ? settings.get(kind.name) : kind.days;
  if (days === undefined) return 0;
  const { table, since, only } = kind;
  const statement = `delete from ${table} where ctid = any (array(
    select ctid from ${table} where ${since} < $1 ${only === undefined ? '' : `and (${only})`} limit $2))`;
  let purged = 0;
  for (;;) {
    const { rowCount } = await pool.query(statement, [new Date(now - days * DAY_MS), batch]);
    purged += rowCount ?? 0;
    if ((rowCount ?? 0) < batch) return purged;
  }
}
