import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { SUPERUSER } from './cluster.ts';
import { PORT } from './postmaster.ts';

/**
 * A session that each process holds for as long as it uses the embedded database: by it the last one to leave is known,
 * a second server is refused, and the end of PostgreSQL is noticed.
 */
export interface Presence {
  readonly client: pg.Client;
  /** Resolves when the session has ended, whoever ended it. */
  readonly ended: Promise<void>;
}

// Any numbers. The door is held alone by whoever may be about to stop PostgreSQL, and passed by everybody who comes.
const DOOR = 7_310_011;
const SERVER = 7_310_012;

export const DATABASE = 'dci';

const LINGER_TRIES = 40;
const LINGER_MS = 50;

/** Port and encryption are said, so that no PGPORT or PGSSLMODE of the environment decides them. */
export function connectionTo(socketFolder: string, database: string): pg.ClientConfig {
  return { host: socketFolder, port: PORT, user: SUPERUSER, database, ssl: false };
}

/** Opens the session, waits out a leaver who may be stopping PostgreSQL, and makes our database if it is not there. */
export async function enter(socketFolder: string): Promise<Presence> {
  const client = new pg.Client({ ...connectionTo(socketFolder, 'postgres'), application_name: nameSession('presence', '') });
  const ended = new Promise<void>((resolve) => {
    client.once('end', () => resolve());
  });
  client.on('error', () => undefined);
  await client.connect();
  try {
    await client.query('select pg_advisory_lock_shared($1)', [DOOR]);
    await createDatabase(client);
    await client.query('select pg_advisory_unlock_shared($1)', [DOOR]);
    return { client, ended };
  } catch (error) {
    await client.end().catch(() => undefined);
    throw error;
  }
}

/** Holds the door; true if nobody else is there, in which case PostgreSQL must be stopped before this session ends. */
export async function isLastToLeave({ client }: Presence): Promise<boolean> {
  await client.query('select pg_advisory_lock($1)', [DOOR]);
  for (let tries = 0; tries < LINGER_TRIES; tries += 1) {
    const others = await countOthers(client);
    if (others.present > 0) return await stepOut(client);
    if (others.sessions === 0) return true;
    // Sessions that were closed a moment ago are still listed.
    await sleep(LINGER_MS);
  }
  return false;
}

/** The next one at the door must not take this session, listed for a moment after its end, for somebody present. */
async function stepOut(client: pg.Client): Promise<false> {
  await client.query(`select set_config('application_name', 'dci left', false)`);
  return false;
}

/** Makes this process the one server; otherwise returns the description of the one there is. */
export async function claim({ client }: Presence, description: string): Promise<string | undefined> {
  const { rows } = await client.query<{ claimed: boolean }>('select pg_try_advisory_lock($1) as claimed', [SERVER]);
  if (rows[0]?.claimed !== true) return describeServer(client);
  await client.query(`select set_config('application_name', $1, false)`, [nameSession('server', description)]);
  return undefined;
}

async function countOthers(client: pg.Client): Promise<{ sessions: number; present: number }> {
  const { rows } = await client.query<{ sessions: number; present: number }>(
    `select count(*)::int as sessions,
            count(*) filter (where application_name ~ '^dci (presence|server) ')::int as present
       from pg_stat_activity
      where backend_type = 'client backend' and pid <> pg_backend_pid()`,
  );
  return rows[0] ?? { sessions: 0, present: 0 };
}

async function describeServer(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ name: string }>(
    `select a.application_name as name
       from pg_locks l join pg_stat_activity a on a.pid = l.pid
      where l.locktype = 'advisory' and l.objid = $1 and l.granted and l.pid <> pg_backend_pid()`,
    [SERVER],
  );
  return rows[0]?.name.replace(/^dci \w+ /, '') ?? 'it is just starting or stopping';
}

async function createDatabase(client: pg.Client): Promise<void> {
  const found = await client.query('select 1 from pg_database where datname = $1', [DATABASE]);
  if (found.rowCount === 0) await client.query(`create database ${DATABASE}`).catch(ignoreExisting);
}

// Two first runs at once.
function ignoreExisting(error: unknown): void {
  const { code } = error as { code?: string };
  if (code !== '42P04' && code !== '23505') throw error;
}

/** PostgreSQL keeps 63 bytes of it. */
function nameSession(role: 'presence' | 'server', description: string): string {
  return `dci ${role} (pid ${process.pid}${description === '' ? '' : `, ${description}`})`;
}
