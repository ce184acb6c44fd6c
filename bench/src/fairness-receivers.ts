import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Servers of partners: one that takes what it is sent, and one for each way of being sick. */
export interface Receivers {
  readonly well: string;
  /** By what ails them. */
  readonly sick: Readonly<Record<string, string>>;
  readonly arrivals: Arrivals;
  close(): Promise<void>;
}

/** When the answer of a transaction arrived, as `performance.now()` tells it. */
export type Arrivals = ReadonlyMap<string, number>;

const ACK = JSON.stringify({ message: { ack_status: 'ACK', timestamp: '2026-01-01T00:00:00Z', correlation_id: '1' } });

export async function startReceivers(): Promise<Receivers> {
  const arrivals = new Map<string, number>();
  const take: RequestListener = (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { message } = JSON.parse(Buffer.concat(chunks).toString()) as { message: { transaction_id: string } };
      arrivals.set(message.transaction_id, performance.now());
      response.writeHead(200, { 'content-type': 'application/json' }).end(ACK);
    });
  };
  const answer =
    (status: number, headers: Readonly<Record<string, string>> = {}): RequestListener =>
    (request, response) =>
      void request.resume().on('end', () => response.writeHead(status, headers).end());
  const servers = await Promise.all([take, () => undefined, answer(500), answer(307, { location: 'http://127.0.0.1/' }), take].map(listen));
  const [well, silent, failing, elsewhere, dead] = servers.map((server) => `127.0.0.1:${(server.address() as AddressInfo).port}`);
  await stop(servers.pop());
  return {
    well: `http://${well}/`,
    sick: {
      dead: `http://${dead}/`,
      silent: `http://${silent}/`,
      failing: `http://${failing}/`,
      redirecting: `http://${elsewhere}/`,
      // No certificate at all: as with a wrong one, the connection ends before anything is said.
      'no TLS': `https://${well}/`,
    },
    arrivals,
    close: async () => void (await Promise.all(servers.map(stop))),
  };
}

async function listen(listener: RequestListener): Promise<Server> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

async function stop(server: Server | undefined): Promise<void> {
  server?.closeAllConnections();
  await new Promise((resolve) => (server === undefined ? resolve(undefined) : server.close(resolve)));
}
