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
  // So does one that is in use between two statements: the next one fails. Unheard, the event would end the process.
  pool.on('connect', (client) => void client.on('error', () => undefined));
  const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
  return {
    db,
    pool,
    connection: settings,
    async close() {
      await db.destroy();
      // Kysely ends the pool only if it has used it.
      if (!pool.ended) await pool.end();
    },
  };
}

// Connection lost or refused, server starting or shutting down, too many connections (PostgreSQL appendix A, class 08, 57P, 53300).
// Not 08P01: a message that breaks the protocol, such as one of too many parameters, does so at the next attempt too.
const UNAVAILABLE_CODES = /^(08(?!P01)...|57P0[1-3]|53300|ECONNREFUSED|ECONNRESET|ENOENT|EPIPE|ETIMEDOUT)$/;

// What the driver says itself has no code; of a transaction whose connection was lost it is what the rollback says.
const NOT_THERE = /Connection terminated|connection timeout|timeout exceeded when trying to connect|is not queryable/i;

/** Whether the database could not be reached, as against having refused a statement. */
export function isDatabaseUnavailable(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code } = error as { code?: unknown };
  return (typeof code === 'string' && UNAVAILABLE_CODES.test(code)) || NOT_THERE.test(error.message);
}
