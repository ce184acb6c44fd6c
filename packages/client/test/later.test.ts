import { generateSigningKey, importPublicKey, parseExportRequest, publicJwk, SIGNATURE_DIALECTS } from '@dci/protocol';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createDciClient, DciAnswerError, type DciClient, type DciClientOptions, DciRefusal } from '../src/index.ts';
import { CREDENTIALS, REGISTRY_ID, type Registry, refuse, startRegistry, verifyRequest } from './support/registry.ts';

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
