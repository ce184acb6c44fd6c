import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { importPublicKey, parseCallbackEnvelope, readJson, type VerificationKey, verifyMessage } from '@dci/protocol';
import type { JsonWebKey } from 'node:crypto';
import { serveOrders } from './child.ts';

/** The side that is told, as a process of its own: keeps what comes with the moment of its arrival, and reads it afterwards. */
export type ReceiverOrder =
  | { readonly what: 'listen' }
  /** How many records have been told so far. */
  | { readonly what: 'count' }
  /** What was told; throws where a message is not signed by one of the keys. */
  | { readonly what: 'read'; readonly keys: readonly JsonWebKey[] };

export interface Listening {
  readonly port: number;
}

export interface Counted {
  readonly records: number;
}

export interface ReadMessages {
  /** In the order of their arrival. */
  readonly messages: readonly ToldMessage[];
}

export interface ToldMessage {
  readonly subscription: string;
  readonly transactionId: string;
  /** Epoch milliseconds: when it was written, by its own account, and when it was here. */
  readonly sentAt: number;
  readonly arrivedAt: number;
  readonly records: readonly ToldRecord[];
}

export interface ToldRecord {
  readonly identifier: string;
  readonly version: number;
}

interface Arrived {
  readonly at: number;
  readonly body: Buffer;
}

const ACK = JSON.stringify({ message: { ack_status: 'ACK', timestamp: '2026-01-01T00:00:00Z', correlation_id: 'bench' } });
const arrived: Arrived[] = [];
let records = 0;

async function carryOut(order: ReceiverOrder): Promise<Listening | Counted | ReadMessages> {
  if (order.what === 'listen') return { port: await listen() };
  if (order.what === 'count') return { records };
  const keys = new Map(order.keys.map((jwk) => importPublicKey(jwk)).map((key) => [key.kid, key]));
  return { messages: arrived.flatMap((message) => readMessage(message, keys)) };
}

async function listen(): Promise<number> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks);
      arrived.push({ at: performance.timeOrigin + performance.now(), body });
      if (body.includes('"action":"notify"')) records += Number(/"total_count":(\d+)/.exec(body.toString('latin1', 0))?.[1]);
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(ACK) }).end(ACK);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

interface Notification {
  readonly transaction_id: string;
  readonly notify_event: readonly {
    readonly reference_id: string;
    readonly data: {
      readonly reg_records: { readonly demographic_info: { readonly identifier: readonly { readonly identifier_value: string }[] } };
    };
  }[];
}

interface Meta {
  readonly subscription_code: string;
  readonly records: readonly { readonly reference_id: string; readonly event_version: number }[];
}

function readMessage({ at, body }: Arrived, keys: ReadonlyMap<string, VerificationKey>): ToldMessage[] {
  const received = readJson(body);
  const envelope = parseCallbackEnvelope(received.value);
  const { header } = envelope;
  if (header.action !== 'notify') return [];
  verifyMessage({
    received,
    envelope: {
      header: { ...header, sender_id: header.sender_id ?? '', total_count: header.total_count ?? 0 },
      message: envelope.message ?? {},
    },
    policy: 'required',
    findKey: (kid) => keys.get(kid),
    now: Math.floor(at / 1000),
  });
  const message = envelope.message as unknown as Notification;
  const meta = header.meta as unknown as Meta;
  return [
    {
      subscription: meta.subscription_code,
      transactionId: message.transaction_id,
      sentAt: Date.parse(header.message_ts ?? ''),
      arrivedAt: at,
      records: message.notify_event.map((event, index) => ({
        identifier: event.data.reg_records.demographic_info.identifier[0]?.identifier_value ?? '',
        version: meta.records[index]?.event_version ?? Number.NaN,
      })),
    },
  ];
}

serveOrders((order) => carryOut(order as ReceiverOrder));
