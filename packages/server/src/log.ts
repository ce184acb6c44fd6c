import { type Logger, pino } from 'pino';

/** What PostgreSQL says, in an error, of the row or the value that it refused. */
const OF_ROWS: ReadonlySet<string> = new Set(['detail', 'where', 'internalQuery']);

/** JSON lines on stderr. */
export function createLog({ logLevel }: { readonly logLevel: string }): Logger {
  return pino({ level: logLevel }, pino.destination({ dest: 2, sync: false }));
}

/** The same log, in which errors of the database say nothing of what stands in its rows. */
export function keepRowsOut(log: Logger): Logger {
  return log.child(
    {},
    { serializers: { err: (error: unknown) => (error instanceof Error ? withoutRows(pino.stdSerializers.err(error)) : error) } },
  );
}

function withoutRows(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutRows);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, inner]) => (OF_ROWS.has(name) ? [] : [[name, withoutRows(inner)] as const])),
  );
}
