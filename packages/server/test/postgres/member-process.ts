import { createInterface } from 'node:readline';
import { openEmbeddedPostgres } from '../../src/postgres/embedded.ts';

// A process of its own that uses the embedded database: `member-process.ts DATA_DIR [SERVER]`, where SERVER makes it the
// server. It writes one JSON line for each thing that happens, and leaves when it reads a line.

const [dataDir = '', server] = process.argv.slice(2);

function tell(event: string, detail: object = {}): void {
  process.stdout.write(`${JSON.stringify({ event, ...detail })}\n`);
}

try {
  const log = { info: (message: string) => tell('log', { message }), warn: (message: string) => tell('log', { message }) };
  const postgres = await openEmbeddedPostgres({ dataDir, log });
  try {
    if (server !== undefined) await postgres.claimServer(server);
    tell('open', { connection: postgres.connection });
    await new Promise((resolve) => createInterface(process.stdin).once('line', resolve));
  } finally {
    await postgres.release();
  }
  tell('left');
} catch (error) {
  tell('failed', { message: String(error) });
}
process.exit();
