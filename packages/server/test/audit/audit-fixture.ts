import { randomBytes, randomUUID } from 'node:crypto';
import { generateSigningKey } from '@dci/protocol';
import { type CheckpointKeys, writeCheckpoint } from '../../src/services/audit-checkpoint.ts';
import { type AuditProblem, type AuditVerification, verifyAudit, type VerifyAuditOptions } from '../../src/services/verify-audit.ts';
import { type AuditEntry, openAuditChain } from '../../src/store/audit.ts';
import { inTransaction } from '../../src/store/audit-partitions.ts';
import type { TestDatabase } from '../support/database.ts';

/** An audit trail under test: rows as a server writes them, and the hand of an administrator who changes them. */

export const NOW = Date.parse('2026-11-24T12:00:00Z');

const signingKey = generateSigningKey('ES256');
export const keys: CheckpointKeys = { activeKey: () => signingKey, macKey: randomBytes(32) };

export function entry(change: Partial<AuditEntry> = {}): AuditEntry {
  return {
    partnerId: randomUUID(),
    partnerRevision: '1',
    senderId: 'mis.test',
    remoteAddress: '127.0.0.1',
    action: 'search',
    registry: 'social',
    messageId: randomUUID(),
    transactionId: 'a "quoted" transaction\\ of 漢字',
    legalBasis: 'law',
    purposes: ['enrolment', 'a, b', 'c "d"'],
    fieldRule: 'full',
    outcome: 'answered',
    query: JSON.stringify([{ filter: { UIN: { eq: ['x'] } } }]),
    itemCount: 1,
    recordCount: 1,
    disclosed: [{ entity: 'SRPerson', records: [randomUUID()], fields: { name: 1.5 } }],
    ...change,
  };
}

/** Rows in one chain, each in a commit of its own or together. */
export async function addRows(
  test: TestDatabase,
  count: number,
  { chain = 1, now = NOW, change = {} as Partial<AuditEntry> } = {},
): Promise<void> {
  const writer = openAuditChain(test.database.pool, chain);
  for (let done = 0; done < count; done += 3) {
    const batch = Array.from({ length: Math.min(3, count - done) }, () => entry(change));
    await writer.commit(now + done, batch);
  }
}

/** The id of a partner that is registered, in its first revision. */
export async function addPartner(test: TestDatabase): Promise<string> {
  const id = randomUUID();
  await test.database.pool.query(
    `insert into partner (id, revision, sender_id, name, registries, scopes, signature_policy) values ($1::uuid, 1, $1::text, '', '{}', '{}', 'required')`,
    [id],
  );
  return id;
}

export async function addCheckpoint(test: TestDatabase, now = NOW): Promise<string> {
  return (await inTransaction(test.database.pool, (client) => writeCheckpoint(client, keys, now))).jws;
}

/** What an administrator of the database can do: triggers and rights are no hindrance to him. */
export async function tamper(test: TestDatabase, ...statements: readonly string[]): Promise<void> {
  await inTransaction(test.database.pool, async (client) => {
    await client.query('set local session_replication_role = replica');
    for (const statement of statements) await client.query(statement);
  });
}

export async function verify(
  test: TestDatabase,
  options: Partial<VerifyAuditOptions> = {},
): Promise<AuditVerification & { found: AuditProblem[] }> {
  const found: AuditProblem[] = [];
  const verification = await verifyAudit(test.database.pool, {
    macKey: keys.macKey,
    onProblem: (problem) => void found.push(problem),
    ...options,
  });
  return { ...verification, found };
}

/** Kind and row of each problem. */
export function named(found: readonly AuditProblem[]): string[] {
  return found.map(({ kind, row }) => (row === undefined ? kind : `${kind} ${row}`));
}
