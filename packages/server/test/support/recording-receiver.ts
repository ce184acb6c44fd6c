import { setTimeout as sleep } from 'node:timers/promises';
import { importPublicKey, parseCallbackEnvelope, readJson, type VerificationKey, verifyMessage } from '@dci/protocol';
import { type RecordedRequest, type RecorderOptions, startRecorder } from '../outbound/recorder.ts';

/**
 * A partner's own server: keeps every message that arrives, in the order of its arrival, with whether its signature is the
 * registry's, and answers as it is told.
 */
export interface RecordingReceiver {
  readonly origin: string;
  readonly port: number;
  readonly received: readonly ReceivedMessage[];
  readonly requests: readonly RecordedRequest[];
  /** Waits until so many messages have arrived; returns all. */
  waitFor(count: number, timeoutMs?: number): Promise<readonly ReceivedMessage[]>;
  /** How it answers from now on. */
  answerWith(answer: ReceiverAnswer): void;
  close(): Promise<void>;
}

export interface ReceivedMessage {
  readonly path: string;
  readonly authorization: string | undefined;
  readonly signature: 'good' | 'bad' | 'unchecked';
  readonly header: Readonly<Record<string, unknown>> & { readonly message_id: string; readonly action: string; readonly status: string };
  readonly message: ReceivedContent;
  readonly text: string;
}

export type ReceivedContent = Readonly<Record<string, unknown>> & {
  readonly transaction_id?: string;
  readonly correlation_id?: string;
  readonly search_response?: readonly Readonly<Record<string, unknown>>[];
};

/** `hang`: no answer at all. */
export type ReceiverAnswer =
  | 'ack'
  | 'hang'
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly body?: string }
  | ((message: ReceivedMessage) => ReceiverAnswer);

const ACK = JSON.stringify({ message: { ack_status: 'ACK', timestamp: '2026-01-01T00:00:00Z', correlation_id: 'c' } });

/** `base`: of the registry whose messages are expected; its keys are fetched before the first is judged. */
export async function startRecordingReceiver(base?: string, options: RecorderOptions = {}): Promise<RecordingReceiver> {
  const received: ReceivedMessage[] = [];
  let answer: ReceiverAnswer = 'ack';
  const keys = base === undefined ? undefined : await fetchKeys(base);
  const recorder = await startRecorder((request, response) => {
    const message = readMessage(request, keys);
    received.push(message);
    let chosen = answer;
    while (typeof chosen === 'function') chosen = chosen(message);
    if (chosen === 'hang') return;
    const { status, headers = {}, body = '' } = chosen === 'ack' ? { status: 200, body: ACK } : chosen;
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body);
  }, options);
  return {
    origin: `${options.certificate === undefined ? 'http' : 'https'}://127.0.0.1:${recorder.port}`,
    port: recorder.port,
    received,
    requests: recorder.requests,
    async waitFor(count, timeoutMs = 10_000) {
      const deadline = Date.now() + timeoutMs;
      while (received.length < count) {
        if (Date.now() > deadline) throw new Error(`${received.length} of ${count} messages have arrived`);
        await sleep(5);
      }
      return received;
    },
    answerWith(given) {
      answer = given;
    },
    close: () => recorder.close(),
  };
}

async function fetchKeys(base: string): Promise<ReadonlyMap<string, VerificationKey>> {
  const response = await fetch(`${base}/.well-known/jwks.json`);
  const { keys } = (await response.json()) as { keys: (Parameters<typeof importPublicKey>[0] & { use?: string })[] };
  return new Map(
    keys
      .filter(({ use }) => use !== 'enc')
      .map((jwk) => importPublicKey(jwk))
      .map((key) => [key.kid, key]),
  );
}

function readMessage(request: RecordedRequest, keys: ReadonlyMap<string, VerificationKey> | undefined): ReceivedMessage {
  const body = readJson(Buffer.from(request.body));
  const envelope = body.value as { header: ReceivedMessage['header']; message?: ReceivedContent };
  return {
    path: request.line,
    authorization: request.headers.authorization,
    signature: keys === undefined ? 'unchecked' : isSigned(body, keys) ? 'good' : 'bad',
    header: envelope.header,
    message: envelope.message ?? {},
    text: request.body,
  };
}

function isSigned(received: ReturnType<typeof readJson>, keys: ReadonlyMap<string, VerificationKey>): boolean {
  try {
    verifyMessage({
      received,
      envelope: parseCallbackEnvelope(received.value),
      policy: 'required',
      findKey: (kid) => keys.get(kid),
      now: Math.floor(Date.now() / 1000),
    });
    return true;
  } catch {
    return false;
  }
}
