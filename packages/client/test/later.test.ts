import {
  canonicalJson,
  generateSigningKey,
  importPublicKey,
  parseExportRequest,
  parseTxnStatusRequest,
  publicJwk,
  SIGNATURE_DIALECTS,
} from '@dci/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createDciClient, DciAnswerError, type DciClient, type DciClientOptions, DciRefusal } from '../src/index.ts';
import { CREDENTIALS, REGISTRY_ID, type Registry, refuse, signAnswer, startRegistry, verifyRequest } from './support/registry.ts';

const OWN_KEY = generateSigningKey('ES256');
const BY_ID = { query_type: 'idtype-value' as const, query: { type: 'UIN', value: '847951632' } };
const SENDER_URI = 'https://partner.example.org/dci/registry/on-search';

let registry: Registry;

beforeEach(async () => {
  registry = await startRegistry();
  registry.answer = () => acknowledge({ ack_status: 'ACK' });
});
afterEach(() => registry.close());

function acknowledge(message: object, status = 202) {
  return { status, body: JSON.stringify({ message: { timestamp: new Date().toISOString(), correlation_id: 'c-1', ...message } }) };
}

function connect(options: Partial<DciClientOptions> = {}): DciClient {
  const { baseUrl } = registry;
  return createDciClient({
    baseUrl,
    senderId: 'partner.test',
    receiverId: REGISTRY_ID,
    credentials: CREDENTIALS,
    signingKey: OWN_KEY,
    ...options,
  });
}

const ask = (options: Partial<DciClientOptions> = {}) =>
  connect(options).searchLater([BY_ID, BY_ID], { registry: 'social', transactionId: 't-1', senderUri: SENDER_URI });

it.each(SIGNATURE_DIALECTS)('asks now, signed in the dialect %s, and says where the answer goes', async (dialect) => {
  expect(await ask({ dialect })).toEqual({ transactionId: 't-1', correlationId: 'c-1' });
  const sent = registry.requests.find(({ path }) => path === '/base/social/registry/search');
  if (sent === undefined) throw new Error('nothing was sent');
  const { header, message, signedBy } = verifyRequest(sent, importPublicKey({ ...publicJwk(OWN_KEY) }));
  expect(signedBy).toMatchObject({ kid: OWN_KEY.kid, dialect });
  expect(header).toMatchObject({ action: 'search', sender_uri: SENDER_URI, receiver_id: REGISTRY_ID, total_count: 2 });
  expect(message).toMatchObject({ transaction_id: 't-1', search_request: [{ reference_id: '1' }, { reference_id: '2' }] });
});

it('takes any 2xx that acknowledges, also with a header and a signature beside it', async () => {
  registry.answer = () => {
    const { body } = acknowledge({ ack_status: 'ACK', subscription_code: 's-1' });
    return { status: 200, body: JSON.stringify({ signature: 'x', header: { action: 'on-subscribe' }, ...(JSON.parse(body) as object) }) };
  };
  expect(await ask()).toEqual({ transactionId: 't-1', correlationId: 'c-1' });
});

const error = { code: 'err.sender_uri.invalid', message: 'not yours' };

it.each<[string, () => ReturnType<Registry['answer']>, string]>([
  ['by its status', () => refuse(400, 'err.sender_uri.invalid', 'not yours'), 'err.sender_uri.invalid'],
  ['by ERR alone', () => acknowledge({ ack_status: 'ERR', error }), 'err.sender_uri.invalid'],
  ['by NACK: no answer follows', () => acknowledge({ ack_status: 'NACK' }), 'err.request.bad'],
])('knows a refusal %s', async (_name, answer, code) => {
  registry.answer = answer;
  const refusal = await ask().catch((caught: unknown) => caught);
  expect(refusal).toBeInstanceOf(DciRefusal);
  expect(refusal).toMatchObject({ code });
});

it.each(['', '{}', '[]', '{"message": {"ack_status": "MAYBE"}}'])('uses no acknowledgement that is none: %s', async (body) => {
  registry.answer = () => ({ status: 202, body });
  await expect(ask()).rejects.toBeInstanceOf(DciAnswerError);
});

it('asks for an extract', async () => {
  const everything = { query_type: 'idtype-value' as const, query: { type: '*', value: '*' } };
  const options = { registry: 'social', transactionId: 't-1', senderUri: 'https://partner.example.org/dci/registry/on-export' };
  const criteria = { dimensions: ['region', 'sex'], format: 'csv' as const, ...everything };
  registry.answerOther = () => acknowledge({ ack_status: 'ACK' });
  expect(await connect().exportLater(criteria, options)).toEqual({ transactionId: 't-1', correlationId: 'c-1' });
  const sent = registry.requests.find(({ path }) => path === '/base/social/registry/export');
  if (sent === undefined) throw new Error('nothing was sent');
  const { header, message } = verifyRequest(sent, importPublicKey({ ...publicJwk(OWN_KEY) }));
  expect(header).toMatchObject({ action: 'export', sender_uri: options.senderUri, total_count: 1 });
  expect(parseExportRequest(message)).toMatchObject({
    transaction_id: 't-1',
    export_request: [{ reference_id: '1', export_criteria: criteria }],
  });
});

describe('the status of a request', () => {
  const EXTRACT = {
    extract_id: 'e-1',
    url: 'https://registry.example.org/registry/extracts/e-1',
    expires_at: '2026-12-01T10:00:00Z',
    records: 3,
    bytes: 17,
    sha256: '0'.repeat(64),
    manifest: 'x.y.z',
  };
  const ITEM = { reference_id: 'r-9', timestamp: '2026-11-30T10:00:00Z', status: 'succ', extract: EXTRACT };

  function answerStatus(change: { header?: object; of?: string; state?: object } = {}): void {
    registry.answerOther = ({ envelope }) => {
      const { transaction_id } = parseTxnStatusRequest(envelope.message);
      const state = {
        transaction_id: change.of ?? 't-1',
        correlation_id: 'c-1',
        search_response: [],
        export_response: [ITEM],
        ...change.state,
      };
      const message = { transaction_id, correlation_id: 'c-2', txnstatus_response: { txn_type: 'export', txn_status: state } };
      return {
        body: signAnswer(registry, { envelope }, canonicalJson(message), { header: { action: 'txn-on-status', ...change.header } }),
      };
    };
  }

  const askStatus = () => connect().findStatus({ type: 'export', transactionId: 't-1' }, { registry: 'social' });

  it('is asked for by its transaction, and believed when it is signed', async () => {
    answerStatus();
    const { state, signedBy, header } = await askStatus();
    expect([state.export_response, signedBy, header.status]).toEqual([[ITEM], registry.signingKey.kid, 'succ']);
    const sent = registry.requests.find(({ path }) => path === '/base/social/registry/sync/txn/status');
    if (sent === undefined) throw new Error('nothing was sent');
    const { header: asked, message } = verifyRequest(sent, importPublicKey({ ...publicJwk(OWN_KEY) }));
    expect(asked).toMatchObject({ action: 'txn-status', total_count: 1 });
    expect(parseTxnStatusRequest(message).txnstatus_request).toEqual({
      reference_id: '1',
      txn_type: 'export',
      attribute_type: 'transaction_id',
      attribute_value: 't-1',
    });
  });

  it('of a request that is not known is a refusal', async () => {
    answerStatus({ header: { status: 'rjct', status_reason_message: 'no such request' }, state: { export_response: [] } });
    await expect(askStatus()).rejects.toMatchObject({ name: 'DciRefusal', message: 'no such request' });
  });

  it.each([
    ['another request', { of: 't-2' }],
    ['another question', { header: { action: 'on-search' } }],
    ['a receipt', { state: { search_response: undefined, receipt_information: {} } }],
  ])('is not used where it answers about %s', async (_name, change) => {
    answerStatus(change);
    await expect(askStatus()).rejects.toBeInstanceOf(DciAnswerError);
  });

  it('is not used where somebody else signed it', async () => {
    answerStatus();
    registry.publishedKeys = [generateSigningKey('ES256')];
    await expect(askStatus()).rejects.toBeInstanceOf(DciAnswerError);
  });
});
