import { connect, type Socket } from 'node:net';

/**
 * One keep-alive HTTP/1.1 connection that sends one request at a time. It knows just enough of HTTP to measure servers
 * that state the length of their answers, and refuses the others; the less it does, the less of the machine it takes
 * from what is measured.
 */
export interface Connection {
  exchange(request: Uint8Array): Promise<Answer>;
  close(): void;
}

export interface Answer {
  readonly status: number;
  readonly body: Buffer;
}

interface Waiting {
  resolve(answer: Answer): void;
  reject(error: Error): void;
}

// Longer than any answer takes: whoever is silent for so long will not answer.
const SILENCE_MS = 30_000;
const HEAD_END = Buffer.from('\r\n\r\n');

/** Opens a connection to a port of this machine. */
export async function openConnection(port: number): Promise<Connection> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  return speak(socket);
}

function speak(socket: Socket): Connection {
  let waiting: Waiting | undefined;
  let received: Buffer = Buffer.alloc(0);

  function fail(error: Error): void {
    socket.destroy();
    waiting?.reject(error);
    waiting = undefined;
  }

  socket.on('data', (chunk: Buffer) => {
    received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
    try {
      const answer = readAnswer(received);
      if (answer === undefined) return;
      const done = waiting;
      waiting = undefined;
      received = Buffer.alloc(0);
      done?.resolve(answer);
    } catch (error) {
      fail(error instanceof Error ? error : new Error(String(error)));
    }
  });
  socket.setTimeout(SILENCE_MS, () => fail(new Error(`no answer within ${SILENCE_MS / 1000} s`)));
  socket.on('error', fail);
  socket.on('close', () => fail(new Error('the server closed the connection')));

  return {
    exchange: (request) =>
      new Promise((resolve, reject) => {
        waiting = { resolve, reject };
        socket.write(request);
      }),
    close: () => socket.destroy(),
  };
}

/** The answer, once all of it is there. */
function readAnswer(received: Buffer): Answer | undefined {
  const headEnd = received.indexOf(HEAD_END);
  if (headEnd < 0) return undefined;
  const head = received.toString('latin1', 0, headEnd);
  const status = Number(head.slice(9, 12));
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  if (length === undefined) throw new Error('the answer does not state its length');
  const start = headEnd + HEAD_END.length;
  const end = start + Number(length);
  if (received.length < end) return undefined;
  if (received.length > end) throw new Error('more arrived than the answer');
  return { status, body: received.subarray(start, end) };
}
