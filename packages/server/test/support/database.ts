import { createHash, randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import pg from 'pg';
import { inject } from 'vitest';
import { type Database, openDatabase } from '../../src/store/database.ts';
import { migrate } from '../../src/store/migrate.ts';

/**
 * A database of its own for each test file: a copy of a template that was migrated once. The server is the one that the
 * global set-up started for this run, or the one whose socket folder `DCI_TEST_POSTGRES` names.
 */
export interface TestDatabase {
  readonly database: Database;
  readonly connection: pg.ClientConfig;
  drop(): Promise<void>;
}

const MIGRATIONS = new URL('../../src/store/migrations/', import.meta.url);
// Any number: everyone who makes the template takes the same lock.
const TEMPLATE_LOCK = 7_310_021;

/** Makes a database with the newest schema. Close what uses it, then `drop()` it. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const name = `dci_test_${randomBytes(6).toString('hex')}`;
  await administer(async (admin) => {
    await admin.query(`create database ${name} template ${await prepareTemplate(admin)}`);
  });
  const connection = connectionTo(name);
  const database = openDatabase(connection);
  return {
    database,
    connection,
    drop: async () => {
      await database.close();
      await administer((admin) => admin.query(`drop database ${name} with (force)`));
    },
  };
}

function connectionTo(database: string): pg.ClientConfig {
  return { ...inject('testPostgres'), database };
}

async function administer(work: (admin: pg.Client) => Promise<unknown>): Promise<void> {
  const admin = new pg.Client(connectionTo('postgres'));
  await admin.connect();
  try {
    await work(admin);
  } finally {
    await admin.end();
  }
}

/** The template carries the fingerprint of the migrations in its name, so that an outdated one is never copied. */
async function prepareTemplate(admin: pg.Client): Promise<string> {
  const name = `dci_template_${fingerprintMigrations()}`;
  await admin.query('select pg_advisory_lock($1)', [TEMPLATE_LOCK]);
  try {
    const found = await admin.query('select 1 from pg_database where datname = $1', [name]);
    if (found.rowCount === 0) await makeTemplate(admin, name);
    return name;
  } finally {
    await admin.query('select pg_advisory_unlock($1)', [TEMPLATE_LOCK]);
  }
}

async function makeTemplate(admin: pg.Client, name: string): Promise<void> {
  const draft = `dci_draft_${randomBytes(6).toString('hex')}`;
  await admin.query(`create database ${draft} template template0`);
  const database = openDatabase(connectionTo(draft), { poolSize: 1 });
  try {
    await migrate(database.db);
  } finally {
    await database.close();
  }
  await admin.query(`alter database ${draft} rename to ${name}`);
}

function fingerprintMigrations(): string {
  const hash = createHash('sha256');
  for (const file of readdirSync(MIGRATIONS).toSorted()) hash.update(file).update(readFileSync(new URL(file, MIGRATIONS)));
  return hash.digest('hex').slice(0, 12);
}
