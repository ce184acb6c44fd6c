import { randomUUID } from 'node:crypto';
import { type EncryptionKey, encryptText } from '@dci/protocol';
import { type MessageChange, SERVER_ID, signBody, type TestPartner } from '../support/test-app.ts';

type Json = Record<string, unknown>;

/** What another registry sends: each kind with a message that is right for it, and the path it is sent to. */
export interface CallbackSample {
  readonly action: string;
  readonly path: string;
  readonly message: () => Json;
}

const timestamp = (): string => new Date().toISOString();
const ids = (): Json => ({ transaction_id: randomUUID(), correlation_id: randomUUID() });
const person = { '@type': 'SRPerson', name: { given_name: 'Ada', surname: 'Lovelace' } };

export function searchResponse(change: Json = {}, page: Json = {}): Json {
  const item = {
    reference_id: '1',
    timestamp: timestamp(),
    status: 'succ',
    data: { reg_record_type: 'SRPerson', reg_records: [person] },
    pagination: { page_size: 20, page_number: 1, total_count: 1, ...page },
  };
  return { ...ids(), search_response: [item], ...change };
}

export const CALLBACK_SAMPLES: readonly CallbackSample[] = [
  { action: 'on-search', path: '/registry/on-search', message: searchResponse },
  {
    action: 'on-subscribe',
    path: '/registry/on-subscribe',
    message: () => ({
      ...ids(),
      subscribe_response: [
        {
          reference_id: '1',
          timestamp: timestamp(),
          status: 'succ',
          subscriptions: [{ code: randomUUID(), status: 'subscribe', timestamp: timestamp() }],
        },
      ],
    }),
  },
  {
    action: 'on-unsubscribe',
    path: '/registry/on-unsubscribe',
    message: () => ({
      ...ids(),
      timestamp: timestamp(),
      status: 'succ',
      subscription_status: [{ code: randomUUID(), status: 'unsubscribe' }],
    }),
  },
  {
    action: 'on-export',
    path: '/registry/on-export',
    message: () => {
      const id = randomUUID();
      const extract = {
        extract_id: id,
        url: `https://other.example.org/dci/registry/extracts/${id}`,
        expires_at: timestamp(),
        records: 20,
        bytes: 900,
        sha256: '0'.repeat(64),
        manifest: 'e30.e30.e30',
      };
      return { ...ids(), export_response: [{ reference_id: '1', timestamp: timestamp(), status: 'succ', extract }] };
    },
  },
  {
    action: 'txn-on-status',
    path: '/registry/txn/on-status',
    message: () => {
      const { transaction_id, correlation_id } = ids();
      const state = { transaction_id: randomUUID(), correlation_id: randomUUID(), search_response: [] };
      return { transaction_id, correlation_id, txnstatus_response: { txn_type: 'search', txn_status: state } };
    },
  },
  {
    action: 'notify',
    path: '/registry/notify',
    message: () => ({
      transaction_id: randomUUID(),
      notify_event: [{ reference_id: randomUUID(), timestamp: timestamp(), data: { reg_record_type: 'SRPerson', reg_records: person } }],
    }),
  },
];

function callbackHeader({ senderId }: Pick<TestPartner, 'senderId'>, action: string): Json {
  return {
    version: '1.0.0',
    message_id: randomUUID(),
    message_ts: timestamp(),
    action,
    status: 'succ',
    sender_id: senderId,
    receiver_id: SERVER_ID,
    total_count: 1,
    completed_count: 1,
  };
}

/** A callback as the peer would send it, signed; `change` alters it before it is signed. */
export function callbackBody(peer: TestPartner, action: string, message: Json, change: MessageChange = {}): string {
  return signBody(peer, { ...callbackHeader(peer, action), ...change.header }, message, change);
}

/** The same, encrypted to us. */
export async function encryptedCallback(
  peer: TestPartner,
  action: string,
  message: Json,
  key: EncryptionKey,
  change: MessageChange = {},
): Promise<string> {
  const header = { ...callbackHeader(peer, action), is_msg_encrypted: true, ...change.header };
  return signBody(peer, header, await encryptText(JSON.stringify(message), key), change);
}
