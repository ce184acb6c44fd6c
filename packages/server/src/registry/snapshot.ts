import pg from 'pg';
import type { Database } from '../store/database.ts';
import type { CompiledQuery } from './plan.ts';
import { queryRows, refuseWhenCancelled, type Row, withSettings } from './reader.ts';

/** One state of the registry, read by as many statements as it takes. It may take long: nothing waits for its end. */
export interface Snapshot {
  /** When it was taken, by the clock of the database. */
  readonly at: Date;
  read(query: CompiledQuery): Promise<readonly Row[]>;
  /** The rows, so many at a time, as they are taken. */
  stream(query: CompiledQuery, size: number): AsyncGenerator<readonly Row[]>;
}

export interface SnapshotOptions {
  /** Longest one statement may keep the database busy; one that takes longer is refused as a search that finds too much. */
  readonly statementTimeoutMs: number;
  /** Ends it at once. */
  readonly signal: AbortSignal;
}

/** Takes a snapshot on a connection of its own, which ends with `work`. */
export async function withSnapshot<T>(
  database: Database,
  { statementTimeoutMs, signal }: SnapshotOptions,
  work: (snapshot: Snapshot) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  const client = new pg.Client(withSettings(database.connection, statementTimeoutMs));
  // What a lost connection means, the statement under way says.
  client.on('error', () => undefined);
  const end = (): void => void client.end().catch(() => undefined);
  signal.addEventListener('abort', end, { once: true });
  try {
    await client.connect();
    await client.query('begin isolation level repeatable read, read only');
    const { rows } = await client.query<{ at: Date }>('select now() as at');
    const result = await work(openSnapshot(client, rows[0]?.at ?? new Date(0)));
    await client.query('commit');
    return result;
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener('abort', end);
    end();
  }
}

const CURSOR = 'dci_rows';

function openSnapshot(client: pg.Client, at: Date): Snapshot {
  const read = (query: CompiledQuery): Promise<readonly Row[]> => refuseWhenCancelled(queryRows(client, query));
  return {
    at,
    read,
    async *stream({ sql, parameters }, size) {
      await read({ sql: `declare ${CURSOR} no scroll cursor for ${sql}`, parameters });
      for (;;) {
        const rows = await read({ sql: `fetch ${size} from ${CURSOR}`, parameters: [] });
        if (rows.length > 0) yield rows;
        if (rows.length < size) break;
      }
      await read({ sql: `close ${CURSOR}`, parameters: [] });
    },
  };
}
