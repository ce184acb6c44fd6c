import type { Config } from '../config.ts';
import { readConfig } from '../config.ts';
import type { EventLog } from '../postgres/event-log.ts';
import { openConfiguredDatabase } from '../postgres/open-database.ts';
import type { Database } from '../store/database.ts';
import { printNote } from './output.ts';

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
  const forget = onInterruption(() => opened.close());
  try {
    return await work(opened.database);
  } finally {
    forget();
    await opened.close();
  }
}

const SIGNALS = { SIGINT: 2, SIGTERM: 15, SIGHUP: 1 } as const;

/** On the first signal: clean up, then end as if by that signal. */
function onInterruption(cleanUp: () => Promise<void>): () => void {
  const listeners = Object.entries(SIGNALS).map(([signal, number]) => {
    const listener = (): void => void cleanUp().finally(() => process.exit(128 + number));
    process.once(signal, listener);
    return () => process.removeListener(signal, listener);
  });
  return () => {
    for (const remove of listeners) remove();
  };
}
