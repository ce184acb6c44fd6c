import type { Config } from '../config.ts';
import { type Database, openDatabase } from '../store/database.ts';
import { findSchemaDifference, migrate } from '../store/migrate.ts';
import { type EmbeddedPostgres, openEmbeddedPostgres } from './embedded.ts';
import type { EventLog } from './event-log.ts';

/** The database that the configuration names, open. */
export interface OpenedDatabase {
  readonly database: Database;
  /** undefined: the database is not our own. */
  readonly embedded: EmbeddedPostgres | undefined;
  close(): Promise<void>;
}

/** The schema is not the one this program knows; the message says what to do. */
export class SchemaError extends Error {
  override readonly name = 'SchemaError';
}

type DatabaseSettings = Pick<Config, 'databaseUrl' | 'dataDir'>;

/** Opens the database with a schema that fits: the embedded one is brought up to date, any other must be already. */
export async function openConfiguredDatabase(settings: DatabaseSettings, log: EventLog): Promise<OpenedDatabase> {
  const opened = await connectDatabase(settings, log);
  try {
    await prepareSchema(opened, log);
    return opened;
  } catch (error) {
    await opened.close();
    throw error;
  }
}

/** Opens the database whatever its schema is. */
export async function connectDatabase(settings: DatabaseSettings, log: EventLog): Promise<OpenedDatabase> {
  if (settings.databaseUrl !== undefined) {
    const database = openDatabase({ connectionString: settings.databaseUrl });
    return { database, embedded: undefined, close: once(() => database.close()) };
  }
  const embedded = await openEmbeddedPostgres({ dataDir: settings.dataDir, log });
  const database = openDatabase(embedded.connection);
  return { database, embedded, close: once(() => database.close().then(() => embedded.release())) };
}

async function prepareSchema({ database, embedded }: OpenedDatabase, log: EventLog): Promise<void> {
  const { pending, unknown } = await findSchemaDifference(database.db);
  if (unknown.length > 0)
    throw new SchemaError(`the database was changed by a newer version of this program (${unknown.join(', ')}): use that version`);
  if (pending.length === 0) return;
  if (embedded === undefined)
    throw new SchemaError(`the database lacks migrations (${pending.join(', ')}): run "dci migrate" once, then start again`);
  await migrate(database.db);
  log.info(`brought the database up to date (${pending.length} migrations)`);
}

function once(close: () => Promise<void>): () => Promise<void> {
  let closed: Promise<void> | undefined;
  return () => (closed ??= close());
}
