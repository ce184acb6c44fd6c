import { type Config, readConfig } from '../config.ts';
import type { EventLog } from '../postgres/event-log.ts';
import { openConfiguredDatabase } from '../postgres/open-database.ts';
import type { Database } from '../store/database.ts';
import { printNote } from './output.ts';
import { onStopSignal } from './stop-signal.ts';

/** The configuration of this process; throws a `ConfigError` that names every wrong setting. */
export function loadConfig(): Config {
  return readConfig(process.env);
}

/** Tells a person on stderr what is being done. */
export const NOTES: EventLog = { info: printNote, warn: printNote };

/**
 * Runs `work` on the database of `config` and leaves it in order: the embedded database is stopped by whoever leaves
 * last, also when the command is interrupted.
 */
export async function withDatabase<T>(config: Config, work: (database: Database) => Promise<T>): Promise<T> {
  const opened = await openConfiguredDatabase(config, NOTES);
  const forget = onStopSignal((exitStatus) => void opened.close().finally(() => process.exit(exitStatus)));
  try {
    return await work(opened.database);
  } finally {
    await opened.close();
    forget();
  }
}
