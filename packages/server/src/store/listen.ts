import pg from 'pg';

interface ListenLog {
  warn(fields: object, text: string): void;
}

const RECONNECT_AFTER_MS = 1_000;

/**
 * Calls `told` at every word on a channel of the database, and after each (re)connection, when words may have been
 * missed. On a connection of its own.
 */
export function listenTo(connection: pg.ClientConfig, channel: string, told: () => void, log: ListenLog): { close(): Promise<void> } {
  let client: pg.Client | undefined;
  let retry: NodeJS.Timeout | undefined;
  let closed = false;
  let connecting = connect();

  async function connect(): Promise<void> {
    const made = new pg.Client({ ...connection, keepAlive: true });
    client = made;
    made.on('notification', told);
    made.once('end', reconnect);
    made.on('error', (error) => log.warn({ err: error, channel }, 'the connection that listens for changes was lost'));
    try {
      await made.connect();
      await made.query(`listen ${channel}`);
      told();
    } catch (error) {
      if (!closed) log.warn({ err: error, channel }, 'cannot listen for changes; trying again');
      await made.end().catch(() => undefined);
      reconnect();
    }
  }

  function reconnect(): void {
    if (closed || retry !== undefined) return;
    retry = setTimeout(() => {
      retry = undefined;
      connecting = connect();
    }, RECONNECT_AFTER_MS);
    retry.unref();
  }

  return {
    async close() {
      closed = true;
      clearTimeout(retry);
      await connecting;
      await client?.end().catch(() => undefined);
    },
  };
}
