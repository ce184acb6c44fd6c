import pg from 'pg';
import type { Database } from '../store/database.ts';
import { gatherLookUps, type LookUps } from './gather-look-ups.ts';
import type { CompiledQuery } from './plan.ts';
import { tooManyRefusal } from './refusal.ts';

/**
 * Reads records. Identifier look-ups go over a few connections that many requests share, one statement behind the other
 * without waiting (pipelined); everything else over a pool. A statement that takes too long is cancelled and refused as
 * a search that finds too much; one whose connection is lost is asked once more, for it only reads. Columns arrive as
 * text: nothing is parsed.
 */
export interface Reader {
  /** A short statement that finds its rows by index. */
  lookUp(query: CompiledQuery): Promise<readonly Row[]>;
  /** Identifier look-ups of all messages. */
  readonly lookUps: LookUps;
  /** Any other. */
  read(query: CompiledQuery): Promise<readonly Row[]>;
  close(): Promise<void>;
}

/** The columns of a row, as text. */
export type Row = readonly (string | null)[];

export interface ReaderOptions {
  /** Longest a statement may keep the database busy. */
  readonly statementTimeoutMs: number;
}

const SHARED_CONNECTIONS = 2;
const POOL_SIZE = 6;
const QUERY_CANCELED = '57014';

/** Nothing is connected before the first search. */
export function openReader(database: Database, { statementTimeoutMs }: ReaderOptions): Reader {
  const connection = withSettings(database.connection, statementTimeoutMs);
  const pool = new pg.Pool({ ...connection, max: POOL_SIZE });
  // An idle connection that the server ends is replaced by the next search.
  pool.on('error', () => undefined);
  const pipeline = new Pipeline({ ...connection, pipeline: true });
  const lookUp = (query: CompiledQuery): Promise<readonly Row[]> => refuseWhenCancelled(pipeline.query(query));
  return {
    lookUp,
    lookUps: gatherLookUps(lookUp),
    read: (query) => refuseWhenCancelled(queryPool(pool, query)),
    close: async () => {
      await Promise.all([pool.end(), pipeline.close()]);
    },
  };
}

/** Sort keys are written out and read back between two pages, so their form may not depend on the server's settings. */
export function withSettings(connection: pg.ClientConfig, statementTimeoutMs: number): pg.ClientConfig {
  const settings = [`statement_timeout=${statementTimeoutMs}`, 'jit=off', 'datestyle=iso', 'timezone=utc', 'extra_float_digits=1'];
  const options = [connection.options ?? '', ...settings.map((setting) => `-c ${setting}`)].join(' ').trim();
  return { ...connection, options };
}

export async function refuseWhenCancelled(rows: Promise<readonly Row[]>): Promise<readonly Row[]> {
  try {
    return await rows;
  } catch (error) {
    if (error instanceof pg.DatabaseError && error.code === QUERY_CANCELED) {
      throw tooManyRefusal('the search takes too long; narrow it');
    }
    throw error;
  }
}

/** Every column as it arrives, whatever its type. */
const AS_TEXT: pg.CustomTypesConfig = { getTypeParser: () => (text: string) => text };

export async function queryRows(client: pg.Pool | pg.Client, { name, sql, parameters }: CompiledQuery): Promise<readonly Row[]> {
  const query = { ...(name !== undefined && { name }), text: sql, values: [...parameters], types: AS_TEXT, rowMode: 'array' as const };
  const { rows } = await client.query<(string | null)[]>(query);
  return rows;
}

async function queryPool(pool: pg.Pool, query: CompiledQuery): Promise<readonly Row[]> {
  try {
    return await queryRows(pool, query);
  } catch (error) {
    if (!isConnectionLoss(error)) throw error;
    return queryRows(pool, query);
  }
}

/** Connections that take turns; one that is lost is replaced. */
class Pipeline {
  readonly #settings: pg.ClientConfig;
  readonly #clients: (Promise<pg.Client> | undefined)[] = Array.from({ length: SHARED_CONNECTIONS });
  #turn = 0;
  #closed = false;

  constructor(settings: pg.ClientConfig) {
    this.#settings = settings;
  }

  async query(query: CompiledQuery): Promise<readonly Row[]> {
    this.#turn = (this.#turn + 1) % SHARED_CONNECTIONS;
    const place = this.#turn;
    const client = this.#connected(place);
    try {
      return await queryRows(await client, query);
    } catch (error) {
      if (!isConnectionLoss(error)) throw error;
      this.#forget(place, client);
      return queryRows(await this.#connected(place), query);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    const clients = await Promise.allSettled(this.#clients.filter((client) => client !== undefined));
    await Promise.all(clients.flatMap((client) => (client.status === 'fulfilled' ? [client.value.end()] : [])));
  }

  #connected(place: number): Promise<pg.Client> {
    if (this.#closed) throw new Error('the reader is closed');
    return this.#clients[place] ?? this.#connect(place);
  }

  #connect(place: number): Promise<pg.Client> {
    const client = new pg.Client(this.#settings);
    const opened = client.connect().then(() => client);
    const forget = (): void => this.#forget(place, opened);
    client.on('error', forget);
    client.on('end', forget);
    opened.catch(forget);
    this.#clients[place] = opened;
    return opened;
  }

  /** Unless it was replaced already. */
  #forget(place: number, client: Promise<pg.Client>): void {
    if (this.#clients[place] === client) this.#clients[place] = undefined;
  }
}

/** Ended by an administrator or a shut-down, or without an answer from the server at all. */
function isConnectionLoss(error: unknown): boolean {
  if (!(error instanceof pg.DatabaseError)) return true;
  return error.code?.startsWith('57P') === true;
}
