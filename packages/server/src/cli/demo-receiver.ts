import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseCallbackEnvelope, readJson, type VerificationKey, verifyMessage } from '@dci/protocol';

/**
 * The partner's own end in the demo: a small HTTP server that keeps what the registry sends it, once it has verified that the
 * registry signed it, and acknowledges it.
 */
export interface DemoReceiver {
  /** Below which it is called. */
  readonly url: string;
  /** Whose messages are taken, and by which keys they are known. */
  trust(senderId: string, keys: ReadonlyMap<string, VerificationKey>): void;
  /** The first message that `fits`, waiting for it. */
  waitFor(what: string, fits: (message: DemoMessage) => boolean): Promise<DemoMessage>;
  close(): Promise<void>;
}

export interface DemoMessage {
  readonly path: string;
  readonly header: Readonly<Record<string, unknown>>;
  readonly message: Readonly<Record<string, unknown>>;
  /** Id of the key by which its signature was verified. */
  readonly signedBy: string;
}

const PATIENCE_MS = 15_000;
const LOOK_EVERY_MS = 20;

export async function startDemoReceiver(): Promise<DemoReceiver> {
  const kept: DemoMessage[] = [];
  let trusted: { readonly senderId: string; readonly keys: ReadonlyMap<string, VerificationKey> } | undefined;

  function take(path: string, body: Buffer): void {
    const received = readJson(body, { maxDepth: 64 });
    const envelope = parseCallbackEnvelope(received.value);
    if (trusted === undefined || envelope.header.sender_id !== trusted.senderId) throw new Error('the sender is not known');
    const { keys } = trusted;
    const now = Math.floor(Date.now() / 1000);
    const verified = verifyMessage({ received, envelope, policy: 'required', findKey: (kid) => keys.get(kid), now });
    kept.push({ path, header: verified.header, message: verified.message ?? {}, signedBy: verified.signedBy?.kid ?? '' });
  }

  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const answer = (status: number, ackStatus: string): void => {
      const message = { ack_status: ackStatus, timestamp: new Date().toISOString(), correlation_id: 'demo' };
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify({ message }));
    };
    try {
      take(request.url ?? '', Buffer.concat(chunks));
      answer(200, 'ACK');
    } catch {
      answer(401, 'ERR');
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/dci`,
    trust(senderId, keys) {
      trusted = { senderId, keys };
    },
    async waitFor(what, fits) {
      for (const deadline = performance.now() + PATIENCE_MS; performance.now() < deadline; await sleep(LOOK_EVERY_MS)) {
        const found = kept.find(fits);
        if (found !== undefined) return found;
      }
      throw new Error(`the demo expected ${what} within ${PATIENCE_MS / 1000} s`);
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
