import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { TestCertificate } from './certificate.ts';

/** A server that remembers who came: what arrived is what tests look at. */
export interface Recorder {
  readonly port: number;
  /** Connections that were opened, whether or not anything was said on them. */
  readonly connections: () => number;
  readonly requests: readonly RecordedRequest[];
  /** Resolves when every connection has ended. */
  readonly drained: () => Promise<void>;
  close(): Promise<void>;
}

export interface RecordedRequest {
  readonly line: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

type Answer = (request: RecordedRequest, response: ServerResponse) => void;

export interface RecorderOptions {
  readonly certificate?: TestCertificate;
  readonly host?: string;
  readonly port?: number;
}

export async function startRecorder(
  answer: Answer,
  { certificate, host = '127.0.0.1', port = 0 }: RecorderOptions = {},
): Promise<Recorder> {
  const requests: RecordedRequest[] = [];
  const sockets = new Set<Socket>();
  let connections = 0;
  const listener: RequestListener = (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const recorded = { line: `${request.method} ${request.url}`, headers: request.headers, body: Buffer.concat(chunks).toString() };
      requests.push(recorded);
      answer(recorded, response);
    });
  };
  const server = certificate === undefined ? createServer(listener) : createTlsServer(certificate, listener);
  server.on('connection', (socket: Socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on('error', () => undefined).once('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, host, resolve));
  return {
    port: (server.address() as AddressInfo).port,
    connections: () => connections,
    requests,
    async drained() {
      await Promise.all([...sockets].map((socket) => new Promise((resolve) => socket.once('close', resolve))));
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
