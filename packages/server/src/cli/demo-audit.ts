import type { Config } from '../config.ts';
import { findRecordIdsEver } from '../registry/find-record-ids-ever.ts';
import { CHECKPOINT_KEY } from '../services/audit-checkpoint.ts';
import { createIdentifierHash, ERASED_IDENTIFIER_KEY } from '../services/erase-person.ts';
import { verifyAudit } from '../services/verify-audit.ts';
import type { Database } from '../store/database.ts';
import { readAuditPage, type StoredAuditRow } from '../store/read-audit.ts';
import { withDatabase } from './context.ts';
import { printLine } from './output.ts';
import { openCommandSealer } from './own-keys.ts';
import { getProfile, getReference } from './registry.ts';

const SHOWN = 12;

/** The end of the demo's walk: what is on record of it. */
export async function printAudit(config: Config, number: number, uin: string): Promise<void> {
  await withDatabase(config, async (database) => {
    printLine();
    printLine(`${number}. What the audit log keeps: a row for every message, committed before its answer left; the last ${SHOWN}`);
    const { rows } = await readAuditPage(database.pool, {}, { size: SHOWN, newestFirst: true });
    for (const row of rows.toReversed()) printLine(`     ${describeRow(row)}`);
    await printChain(config, database);
    printLine();
    printLine(`${number + 1}. Who saw the person with the UIN ${uin}?`);
    await printDisclosures(config, database, uin);
  });
  printLine();
  printLine('✔ The walk is done.');
}

function describeRow({ at, senderId, action, outcome, recordCount, fieldRule = '' }: StoredAuditRow): string {
  const columns = [
    at.toISOString(),
    senderId.padEnd(15),
    action.padEnd(12),
    outcome.padEnd(26),
    `${recordCount} ${recordCount === 1 ? 'record' : 'records'}`.padEnd(9),
    fieldRule,
  ];
  return columns.join('  ').trimEnd();
}

async function printChain(config: Config, { pool }: Database): Promise<void> {
  const verification = await verifyAudit(pool, {
    macKey: openCommandSealer(config).deriveKey(CHECKPOINT_KEY),
    onProblem: ({ text }) => printLine(`     ${text}`),
  });
  if (verification.problems > 0) throw new Error('the demo expected that the audit trail verifies');
  printLine(`   ✔ chain verified: ${verification.rows} rows, each linked to the one before it by its hash`);
}

async function printDisclosures(config: Config, { db, pool }: Database, uin: string): Promise<void> {
  const hash = createIdentifierHash(openCommandSealer(config).deriveKey(ERASED_IDENTIFIER_KEY));
  const records = await findRecordIdsEver(db, 'social', getReference(getProfile('social'), `UIN=${uin}`), hash);
  const { rows } = await readAuditPage(pool, { records }, { size: SHOWN, newestFirst: true });
  if (rows.length === 0) throw new Error('the demo expected that the disclosures of the person are on record');
  for (const row of rows.toReversed()) printLine(`     ${describeRow(row)}  legal basis: ${row.legalBasis ?? ''}`);
  printLine('   ✔ found by any identifier that the person has or had, also after the record was erased');
}
