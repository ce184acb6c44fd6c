import { timingSafeEqual } from 'node:crypto';
import type { Pool } from 'pg';
import {
  type ChainHead,
  findCheckpoint,
  findLastDrop,
  findLinks,
  findVerifiedMark,
  loadChainHeads,
  loadCheckpoints,
  putVerifiedMark,
} from '../store/audit-checkpoints.ts';
import { inTransaction } from '../store/audit-partitions.ts';
import { digestContent, nameRow, nextLink, startLink, writeContent } from '../store/audit-row.ts';
import { type StoredAuditRow, streamAudit } from '../store/read-audit.ts';
import { authenticateMark, type CheckpointStatement, digestCheckpoint, openCheckpoint, verifyCheckpoint } from './audit-checkpoint.ts';

/**
 * Goes through the audit trail and says what is wrong with it: first the rows, each against the one before it in its chain,
 * then the checkpoints, each against the rows it signed for. What the chains alone cannot show — that all rows from some
 * point on were written anew, or are gone — the checkpoints show. Everything is read in one snapshot, page by page.
 */
export interface AuditProblem {
  readonly kind: 'edited' | 'missing' | 'misplaced' | 'truncated' | 'rebuilt' | 'checkpoint';
  /** `chain/number` of the row, or of the first of several. */
  readonly row?: string;
  readonly text: string;
}

export interface AuditVerification {
  readonly rows: number;
  readonly checkpoints: number;
  readonly problems: number;
  /** The checkpoint from which on was verified; absent: from the beginning. */
  readonly since?: number;
  /** The last checkpoint of the trail. */
  readonly until?: number;
  /** Where partitions were dropped: the moment before which there are no rows. */
  readonly droppedBefore?: string;
}

export interface VerifyAuditOptions {
  readonly macKey: Buffer;
  /** Only what came after the checkpoint up to which the trail was last verified. */
  readonly incremental?: boolean;
  /** Checkpoints that somebody kept outside the database, as JWS. */
  readonly known?: readonly string[];
  readonly onProblem: (problem: AuditProblem) => void;
  readonly onProgress?: (rows: number, total: number) => void;
}

export async function verifyAudit(pool: Pool, options: VerifyAuditOptions): Promise<AuditVerification> {
  const verified = await inTransaction(pool, async (client) => {
    await client.query('set transaction isolation level repeatable read, read only');
    return await verifySnapshot(client, options);
  });
  if (verified.problems === 0 && verified.until !== undefined) await markVerified(pool, options.macKey, verified.until);
  return verified;
}

type Queryable = Pick<Pool, 'query'>;

/** Where the chains stood before the rows that are to be verified. */
interface Base {
  readonly heads: readonly ChainHead[];
  /** When that was, where earlier rows are there and are not read again, ISO 8601. */
  readonly since?: string;
}

interface ChainState {
  seq: number;
  link: Buffer;
}

async function verifySnapshot(db: Queryable, options: VerifyAuditOptions): Promise<AuditVerification> {
  let problems = 0;
  const tell = (problem: AuditProblem): void => {
    problems += 1;
    options.onProblem(problem);
  };
  const drop = await openDrop(db, options.macKey, tell);
  const start = options.incremental === true ? await findStart(db, options.macKey) : undefined;
  const isSince = start !== undefined && start.number >= (drop?.number ?? 0);
  const base: Base = isSince ? { heads: start.heads, since: start.at } : { heads: drop?.dropped?.heads ?? [] };
  const rows = await verifyRows(db, base, options, tell);
  const from = isSince ? start.number : 1;
  const { checkpoints, last } = await verifyCheckpoints(db, { from, macKey: options.macKey, droppedBefore: drop?.dropped?.before }, tell);
  for (const jws of options.known ?? []) await verifyKnown(db, jws, last, drop?.dropped?.before, tell);
  return {
    rows,
    checkpoints,
    problems,
    ...(isSince && { since: start.number }),
    ...(last > 0 && { until: last }),
    ...(drop?.dropped && { droppedBefore: drop.dropped.before }),
  };
}

type Tell = (problem: AuditProblem) => void;

async function openDrop(db: Queryable, macKey: Buffer, tell: Tell): Promise<CheckpointStatement | undefined> {
  const stored = await findLastDrop(db);
  if (stored === undefined) return undefined;
  try {
    return await openCheckpoint(stored, macKey);
  } catch (error) {
    tell({ kind: 'checkpoint', text: `checkpoint ${stored.number}, which says what was dropped, cannot be believed: ${say(error)}` });
    return undefined;
  }
}

/** Undefined: nothing has been verified before, or nobody can be sure of it. */
async function findStart(db: Queryable, macKey: Buffer): Promise<CheckpointStatement | undefined> {
  const mark = await findVerifiedMark(db);
  const checkpoint = mark && (await findCheckpoint(db, mark.number));
  if (mark === undefined || checkpoint === undefined) return undefined;
  const mac = authenticateMark(macKey, checkpoint);
  if (mark.mac.length !== mac.length || !timingSafeEqual(mark.mac, mac)) return undefined;
  return await openCheckpoint(checkpoint, macKey).catch(() => undefined);
}

async function markVerified(pool: Pool, macKey: Buffer, number: number): Promise<void> {
  const checkpoint = await findCheckpoint(pool, number);
  if (checkpoint !== undefined) await putVerifiedMark(pool, { number, at: new Date(), mac: authenticateMark(macKey, checkpoint) });
}

/** The rows after `base`, each against the one before it. Returns how many. */
async function verifyRows(db: Queryable, base: Base, { onProgress }: VerifyAuditOptions, tell: Tell): Promise<number> {
  const heads = await loadChainHeads(db);
  const begun = new Map(base.heads.map((head) => [head.chain, head]));
  const chains = new Map<number, ChainState>();
  const stateOf = (chain: number): ChainState => {
    const head = begun.get(chain);
    const state = chains.get(chain) ?? { seq: head?.seq ?? 0, link: head ? Buffer.from(head.link, 'base64url') : startLink(chain) };
    chains.set(chain, state);
    return state;
  };
  const total = heads.reduce((sum, { chain, seq }) => sum + Math.max(0, seq - stateOf(chain).seq), 0);
  let count = 0;
  for await (const page of streamAudit(db, { since: firstTime(base, heads) })) {
    for (const row of page) {
      if (base.since !== undefined && isCovered(row, begun.get(row.chain))) continue;
      verifyRow(row, stateOf(row.chain), tell);
      count += 1;
    }
    onProgress?.(count, total);
  }
  for (const head of heads) verifyHead(head, stateOf(head.chain), tell);
  for (const [chain, { seq }] of chains)
    if (seq > 0 && !heads.some((head) => head.chain === chain))
      tell({ kind: 'misplaced', row: nameRow({ chain, seq }), text: `chain ${chain} has rows and no head` });
  return count;
}

// How far the clock of a process may be behind that of the one that wrote the checkpoint.
const CLOCKS_APART_MS = 3_600_000;

/** No row that is to be verified is older: a row is never older than the one before it in its chain. */
function firstTime({ heads: base, since }: Base, heads: readonly ChainHead[]): Date | undefined {
  if (since === undefined) return undefined;
  const begun = new Map(base.map((head) => [head.chain, head]));
  const times = heads.flatMap(({ chain, seq }) => {
    const head = begun.get(chain);
    if (head === undefined) return [Date.parse(since) - CLOCKS_APART_MS];
    return head.seq === seq ? [] : [head.atMs];
  });
  return new Date(Math.min(Date.parse(since), ...times));
}

function isCovered(row: StoredAuditRow, head: ChainHead | undefined): boolean {
  return head !== undefined && row.seq <= head.seq && row.atMs <= head.atMs;
}

function verifyRow(row: StoredAuditRow, state: ChainState, tell: Tell): void {
  const name = nameRow(row);
  if (row.seq <= state.seq) {
    tell({ kind: 'misplaced', row: name, text: `row ${name} (${describe(row)}) stands after row ${nameRow({ ...row, seq: state.seq })}` });
    return;
  }
  if (row.seq > state.seq + 1)
    tell({
      kind: 'missing',
      row: nameRow({ chain: row.chain, seq: state.seq + 1 }),
      text: `missing: ${range(row.chain, state.seq + 1, row.seq - 1)}`,
    });
  else if (!isLinked(row, state.link))
    tell({ kind: 'edited', row: name, text: `row ${name} (${describe(row)}) is not what was written, or not in this place` });
  state.seq = row.seq;
  state.link = row.link;
}

function isLinked(row: StoredAuditRow, previous: Buffer): boolean {
  if (!Number.isInteger(row.atMs)) return false;
  return nextLink(previous, row.atMs, digestContent(writeContent(row))).equals(row.link);
}

function verifyHead(head: ChainHead, state: ChainState, tell: Tell): void {
  const { chain, seq } = head;
  if (state.seq < seq) {
    const row = nameRow({ chain, seq: state.seq + 1 });
    tell({ kind: 'truncated', row, text: `the end is missing: ${range(chain, state.seq + 1, seq)}` });
  } else if (state.seq > seq) {
    const row = nameRow({ chain, seq: seq + 1 });
    tell({ kind: 'misplaced', row, text: `beyond the end of chain ${chain}: ${range(chain, seq + 1, state.seq)}` });
  } else if (state.link.toString('base64url') !== head.link)
    tell({ kind: 'edited', row: nameRow(head), text: `row ${nameRow(head)} is not the one that the head of chain ${chain} is linked to` });
}

const CHECKPOINT_PAGE = 200;

interface CheckpointTerms {
  readonly from: number;
  readonly macKey: Buffer;
  readonly droppedBefore: string | undefined;
}

/** Every checkpoint: written by us, none left out, and the rows it signed for are there. */
async function verifyCheckpoints(db: Queryable, terms: CheckpointTerms, tell: Tell): Promise<{ checkpoints: number; last: number }> {
  let expected = terms.from;
  let previous: string | undefined;
  let checkpoints = 0;
  let good: CheckpointStatement | undefined;
  for (;;) {
    const page = await loadCheckpoints(db, expected, CHECKPOINT_PAGE);
    for (const stored of page) {
      if (stored.number !== expected) tell({ kind: 'checkpoint', text: `checkpoints ${expected} to ${stored.number - 1} are missing` });
      checkpoints += 1;
      try {
        const statement = await openCheckpoint(stored, terms.macKey);
        if (stored.number === expected && previous !== undefined && statement.previous !== previous)
          tell({ kind: 'checkpoint', text: `checkpoint ${stored.number} does not follow the one before it` });
        if (await verifySigned(db, statement, good, terms.droppedBefore, tell)) good = statement;
      } catch (error) {
        tell({ kind: 'checkpoint', text: `checkpoint ${stored.number} cannot be believed: ${say(error)}` });
      }
      previous = digestCheckpoint(stored);
      expected = stored.number + 1;
    }
    if (page.length < CHECKPOINT_PAGE) return { checkpoints, last: checkpoints === 0 ? 0 : expected - 1 };
  }
}

/** Whether the rows that a statement signs for are there as they were. `good`: the last one before it for which they are. */
async function verifySigned(
  db: Queryable,
  statement: CheckpointStatement,
  good: CheckpointStatement | undefined,
  droppedBefore: string | undefined,
  tell: Tell,
): Promise<boolean> {
  const kept = statement.heads.filter(({ atMs }) => droppedBefore === undefined || atMs >= Date.parse(droppedBefore));
  const links = await findLinks(db, kept);
  const wrong = kept.filter((head, index) => links[index] !== head.link);
  for (const head of wrong) {
    const { chain, seq } = head;
    const from = (good?.heads.find((other) => other.chain === chain)?.seq ?? 0) + 1;
    const row = nameRow({ chain, seq: from });
    const isThere = links[kept.indexOf(head)] !== undefined;
    const text = `${range(chain, from, seq)}: ${isThere ? 'not those' : 'the last of them is gone, or its time was changed:'} that checkpoint ${statement.number} of ${statement.at} signed for`;
    tell({ kind: isThere ? 'rebuilt' : 'truncated', row, text });
  }
  return wrong.length === 0;
}

/** A checkpoint from outside must be the one that is here. */
async function verifyKnown(db: Queryable, jws: string, last: number, droppedBefore: string | undefined, tell: Tell): Promise<void> {
  try {
    const statement = await verifyCheckpoint(jws);
    const stored = await findCheckpoint(db, statement.number);
    if (stored?.jws === jws) return;
    tell({
      kind: 'checkpoint',
      text:
        stored === undefined
          ? `checkpoint ${statement.number} of ${statement.at}, which was kept elsewhere, is missing; the last one here is ${last}`
          : `checkpoint ${statement.number} of ${statement.at} is another one than the one that was kept elsewhere`,
    });
    await verifySigned(db, statement, undefined, droppedBefore, tell);
  } catch (error) {
    tell({ kind: 'checkpoint', text: `a checkpoint that was kept elsewhere cannot be read: ${say(error)}` });
  }
}

function describe(row: StoredAuditRow): string {
  return `${row.at.toISOString()}, ${row.senderId}, message ${row.messageId === '' ? 'unknown' : row.messageId}`;
}

function range(chain: number, from: number, until: number): string {
  return from >= until
    ? `row ${nameRow({ chain, seq: until })}`
    : `rows ${nameRow({ chain, seq: from })} to ${nameRow({ chain, seq: until })}`;
}

function say(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
