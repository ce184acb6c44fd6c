import { DatabaseError, type Pool } from 'pg';
import { type Appended, appendAudit, type ChainHead, lockHead } from './append-audit.ts';
import { inTransaction } from './audit-partitions.ts';
import type { AuditRow } from './audit-row.ts';

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

/** A chain as one process writes to it: where it ends is kept in mind, and read again where another has moved it on. */
export interface AuditChain {
  /**
   * Commits a batch at the end of the chain; one batch at a time. A batch must not claim one message id twice for one partner.
   *
   * @param now epoch milliseconds; a row is never older than the one before it
   * @returns a verdict for each entry, in their order
   */
  commit(now: number, entries: readonly AuditEntry[]): Promise<AuditVerdict[]>;
}

const MOST_ATTEMPTS = 10;

/** `chain`: the number that `takeChain` gave. Whoever shares it is heard, too: the links are right whatever happens. */
export function openAuditChain(pool: Pool, chain: number): AuditChain {
  let known: ChainHead | undefined;

  function append(head: ChainHead | undefined, now: number, entries: readonly AuditEntry[]): Promise<Appended> {
    if (head !== undefined) return appendAudit(pool, head, now, entries);
    return inTransaction(pool, async (client) => await appendAudit(client, await lockHead(client, chain), now, entries));
  }

  return {
    async commit(now, entries) {
      const verdicts = new Map<AuditEntry, AuditVerdict>();
      let left = entries;
      for (let attempt = 0; left.length > 0; attempt += 1) {
        if (attempt === MOST_ATTEMPTS) throw new Error(`the audit trail took no row in ${MOST_ATTEMPTS} attempts`);
        const head = known;
        known = undefined;
        const appended = await append(head, now, left).catch(unlessSettledAnew);
        known = appended.head;
        if (appended.head !== undefined) break;
        // What is refused is left out the next time; where nothing was, the head is not where it was thought to be.
        if (appended.refused.size > 0) known = head;
        for (const [place, verdict] of appended.refused) verdicts.set(left[place] as AuditEntry, verdict);
        left = left.filter((entry) => !verdicts.has(entry));
      }
      return entries.map((entry) => verdicts.get(entry) ?? 'written');
    },
  };
}

const [UNIQUE_VIOLATION, CHECK_VIOLATION] = ['23505', '23514'];

/** What another process did at the same moment is seen by the next attempt. */
function unlessSettledAnew(error: unknown): Appended {
  if (!(error instanceof DatabaseError)) throw error;
  const { code, table } = error;
  // Rows on their way to the rest, while their month was given its partition, are refused there: they go where they belong now.
  if (code === UNIQUE_VIOLATION || (code === CHECK_VIOLATION && table === 'audit_rest')) return { refused: new Map() };
  throw error;
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
