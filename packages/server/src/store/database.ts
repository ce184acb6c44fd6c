import { Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';
import type { Tables } from './tables.ts';

/** A pool or a transaction; store functions take it first. */
export type Db = Kysely<Tables>;

/** The open database: Kysely over a pool, and the settings with which a connection of one's own can be made. */
export interface Database {
  readonly db: Db;
  readonly pool: pg.Pool;
  readonly connection: pg.ClientConfig;
  close(): Promise<void>;
}

// bigint (int8) arrives as text: sequence numbers and revisions are compared and passed on, never calculated with.
const APPLICATION_NAME = 'dci';

/** Opens a pool on `connection` (of the embedded database, or made from `DCI_DATABASE_URL`). */
export function openDatabase(connection: pg.ClientConfig, options: { poolSize?: number } = {}): Database {
  const settings: pg.ClientConfig = { application_name: APPLICATION_NAME, ...connection };
  const pool = new pg.Pool({ ...settings, max: options.poolSize ?? 10 });
  // A connection that the server ends while idle is taken out of the pool; the next query opens another.
  pool.on('error', () => undefined);
  const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
  return { db, pool, connection: settings, close: () => db.destroy() };
}
