import { sql } from 'kysely';
import { type Migration, Migrator } from 'kysely/migration';
import type { Db } from './database.ts';
import * as foundation from './migrations/0001-foundation.ts';
import * as trust from './migrations/0002-trust.ts';
import * as ownKeys from './migrations/0003-own-keys.ts';
import * as partnerJwks from './migrations/0003b-partner-jwks.ts';
import * as access from './migrations/0004-access.ts';
import * as lanes from './migrations/0005-lanes.ts';
import * as transactions from './migrations/0005b-transactions.ts';
import * as writeRequest from './migrations/0006-write-request.ts';
import * as subscription from './migrations/0006b-subscription.ts';
import * as notification from './migrations/0006c-notification.ts';
import * as agreements from './migrations/0007-agreements.ts';
import * as consentRecipient from './migrations/0007b-consent-recipient.ts';
import * as eventAge from './migrations/0008-event-age.ts';
import * as auditChain from './migrations/0008b-audit-chain.ts';
import * as matching from './migrations/0009-matching.ts';
import * as inbox from './migrations/0010-inbox.ts';
import * as statistics from './migrations/0011-statistics.ts';
import * as consentEnd from './migrations/0014-consent-end.ts';
import * as consentChanges from './migrations/0014b-consent-changes.ts';
import * as remade from './migrations/0014c-remade.ts';
import * as extracts from './migrations/0015-extracts.ts';
import * as auditAppend from './migrations/0016-audit-append.ts';
import * as auditIndex from './migrations/0017-audit-index.ts';

/** Forward only; the name orders them and is never changed once released. */
const MIGRATIONS: Record<string, Migration> = {
  '0001-foundation': foundation,
  '0002-trust': trust,
  '0003-own-keys': ownKeys,
  '0003b-partner-jwks': partnerJwks,
  '0004-access': access,
  '0005-lanes': lanes,
  '0005b-transactions': transactions,
  '0006-write-request': writeRequest,
  '0006b-subscription': subscription,
  '0006c-notification': notification,
  '0007-agreements': agreements,
  '0007b-consent-recipient': consentRecipient,
  '0008-event-age': eventAge,
  '0008b-audit-chain': auditChain,
  '0009-matching': matching,
  '0010-inbox': inbox,
  '0011-statistics': statistics,
  '0014-consent-end': consentEnd,
  '0014b-consent-changes': consentChanges,
  '0014c-remade': remade,
  '0015-extracts': extracts,
  '0016-audit-append': auditAppend,
  '0017-audit-index': auditIndex,
};

/** Brings the fixed tables up to date. Safe to run from several processes at once: one does the work, the others wait. */
export async function migrate(db: Db): Promise<{ applied: string[] }> {
  const migrator = createMigrator(db);
  const { error, results } = await migrator.migrateToLatest();
  if (error !== undefined) throw error;
  return { applied: (results ?? []).filter((result) => result.status === 'Success').map((result) => result.migrationName) };
}

/** What separates the database's schema from the one this program knows: migrations to run, and ones it has never heard of. */
export async function findSchemaDifference(db: Db): Promise<{ pending: string[]; unknown: string[] }> {
  const known = await createMigrator(db).getMigrations();
  const pending = known.filter((migration) => migration.executedAt === undefined).map((migration) => migration.name);
  if (pending.length === known.length) return { pending, unknown: [] };
  const recorded = await sql<{ name: string }>`select name from kysely_migration order by name`.execute(db);
  const unknown = recorded.rows.map((row) => row.name).filter((name) => !(name in MIGRATIONS));
  return { pending, unknown };
}

function createMigrator(db: Db): Migrator {
  return new Migrator({ db, provider: { getMigrations: async () => MIGRATIONS } });
}
