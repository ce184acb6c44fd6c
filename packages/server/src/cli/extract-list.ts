import type { Command } from 'commander';
import type { Db } from '../store/database.ts';
import { isStillOpen } from '../services/extract-terms.ts';
import { type ExtractState, loadExtracts, type StoredExtract } from '../store/extracts.ts';
import { loadPartners, type Partner } from '../store/partners.ts';
import { loadConfig, withDatabase } from './context.ts';
import { addExamples, printJson, printTable } from './output.ts';

/** What is in extracts only their partners can read. */
export function registerExtractList(extract: Command): void {
  const command = extract
    .command('list')
    .description('list the extracts that this server makes or has made, the newest first')
    .option('--json', 'print a JSON list')
    .action(async ({ json }: { json?: boolean }) => {
      const found = await withDatabase(loadConfig(), async ({ db }) => describeAll(db));
      if (json) printJson(found);
      else
        printTable(
          ['id', 'partner', 'registry', 'state', 'rows', 'bytes', 'begun', 'expires'],
          found.map((row) => [
            row.id,
            row.partner,
            row.registry,
            row.state,
            row.state === 'making' ? `${row.written} of ${row.records}` : row.records,
            row.bytes,
            row.created_at,
            row.expires_at,
          ]),
        );
    });
  addExamples(command, 'dci extract list');
}

async function describeAll(db: Db) {
  const partners = new Map((await loadPartners(db)).map((partner) => [partner.id, partner]));
  const extracts = await loadExtracts(db);
  return extracts.map((extract) => ({
    id: extract.id,
    partner: partners.get(extract.partnerId)?.senderId ?? extract.partnerId,
    registry: extract.registry,
    state: describeState(extract, partners.get(extract.partnerId)),
    records: extract.expected,
    written: extract.written,
    bytes: extract.made?.bytes ?? null,
    sha256: extract.made?.sha256 ?? null,
    kid: extract.kid,
    created_at: extract.createdAt,
    made_at: extract.madeAt,
    expires_at: extract.expiresAt,
  }));
}

/** `closed`: made, and not to be fetched any more, for its partner or a consent has changed since. */
function describeState(extract: StoredExtract, partner: Partner | undefined): ExtractState | 'closed' | 'expired' {
  if (extract.expiresAt.getTime() < Date.now()) return 'expired';
  if (extract.state === 'making') return 'making';
  return partner !== undefined && extract.unchanged && isStillOpen(extract, partner) ? 'ready' : 'closed';
}
