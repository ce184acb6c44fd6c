import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ValidateFunction } from 'ajv';
import fc from 'fast-check';
import { Type } from 'typebox';
import { expect, it } from 'vitest';
import {
  Acknowledgement,
  type CallbackEnvelope,
  canonicalJson,
  DciError,
  EncryptedMessage,
  type Envelope,
  ERROR_CODES,
  HEADER_REASON_CODES,
  NotifyRequest,
  normaliseLeniently,
  parseAcknowledgement,
  parseCallbackEnvelope,
  parseEncryptedMessage,
  parseEnvelope,
  parseNotifyRequest,
  parseSearchRequest,
  parseSearchResponse,
  parseSubscribeRequest,
  parseSubscribeResponse,
  parseTxnStatusRequest,
  parseTxnStatusResponse,
  parseUnsubscribeRequest,
  parseUnsubscribeResponse,
  RequestHeader,
  readJson,
  SEARCH_REASON_CODES,
  SearchRequest,
  SearchResponse,
  type SearchResponseItem,
  SOCIAL,
  SUBSCRIBE_REASON_CODES,
  SubscribeAcknowledgement,
  SubscribeRequest,
  SubscribeResponse,
  SyncRefusal,
  TransportRefusal,
  TxnStatusRequest,
  TxnStatusResponse,
  UNSUBSCRIBE_REASON_CODES,
  UnsubscribeRequest,
  UnsubscribeResponse,
  WrittenCallbackHeader,
  type WrittenSearchItem,
  writeCallbackHeader,
  writeSearchResponse,
  signedContent,
  writeSignedEnvelope,
} from '../src/index.ts';
import { describeWithSpec, publishedSchema, specDir } from './support/published-schema.ts';
import { arbitraryOf } from './support/schema-arbitrary.ts';

const runs = { seed: 20240115, numRuns: 300 };

/**
 * Where this package reads more than the published schema accepts; what is written keeps to the published form.
 * By property name, wherever it stands in a message.
 */
const AS_PUBLISHED = {
  query_type: Type.Enum(SOCIAL.search.queryTypes),
  response_entity: Type.Enum(SOCIAL.search.responseEntities),
  operator: Type.Enum(['gt', 'lt', 'eq', 'ge', 'le', 'in']),
  condition: Type.Enum(['and', 'or', 'not']),
  attribute_value: Type.Union([Type.String(), Type.Boolean(), Type.Object({})]),
  value: Type.Union([Type.String(), Type.Boolean(), Type.Object({})]),
  frequency: Type.Object({ start_time: format('date-time'), end_time: format('date-time'), frequency: Type.String() }),
  reg_event_type: Type.Enum(SOCIAL.notify.eventTypes),
  reg_records: Type.Object({}),
  txn_type: Type.Enum(SOCIAL.txnStatus.types),
  attribute_type: Type.Enum(SOCIAL.txnStatus.attributeTypes),
} satisfies Readonly<Record<string, object>>;

function format(name: string) {
  return Type.String({ format: name });
}

function header(schema: typeof RequestHeader | typeof WrittenCallbackHeader, action: string) {
  return Type.Object({ ...schema.properties, action: Type.Literal(action) });
}

function envelope(head: object, message: object): object {
  return {
    type: 'object',
    properties: { signature: { type: 'string' }, header: head, message },
    required: ['signature', 'header', 'message'],
  };
}

const syncRefusal = Type.Object({ ...SyncRefusal.properties, header: header(WrittenCallbackHeader, 'on-search') });

function callback(action: string, message: object): object {
  return envelope(header(WrittenCallbackHeader, action), message);
}

function request(action: string, message: object): object {
  return envelope(header(RequestHeader, action), message);
}

function only(...names: readonly (keyof typeof AS_PUBLISHED)[]) {
  return Object.fromEntries(names.map((name) => [name, AS_PUBLISHED[name]]));
}

type Written = [what: string, ours: object, theirs: () => ValidateFunction, overrides?: Readonly<Record<string, object>>];

const social = () => publishedSchema('social');
const queryOverrides = only('query_type', 'response_entity', 'operator', 'condition', 'attribute_value', 'value');

const WRITTEN: Written[] = [
  ['answer of sync/search', callback('on-search', SearchResponse), () => social().response('/registry/sync/search')],
  ['on-search', callback('on-search', SearchResponse), () => social().request('/registry/on-search')],
  ['encrypted on-search', callback('on-search', EncryptedMessage), () => social().request('/registry/on-search')],
  ['on-subscribe', callback('on-subscribe', SubscribeResponse), () => social().request('/registry/on-subscribe')],
  ['on-unsubscribe', callback('on-unsubscribe', UnsubscribeResponse), () => social().request('/registry/on-unsubscribe')],
  ['notify', callback('notify', NotifyRequest), () => social().request('/registry/notify'), only('reg_event_type', 'reg_records')],
  [
    'answer of sync/txn/status',
    callback('txn-on-status', TxnStatusResponse),
    () => social().response('/registry/sync/txn/status'),
    only('txn_type'),
  ],
  ['txn/on-status', callback('txn-on-status', TxnStatusResponse), () => social().request('/registry/txn/on-status'), only('txn_type')],
  ['search', request('search', SearchRequest), () => social().request('/registry/search'), queryOverrides],
  ['sync/search', request('search', SearchRequest), () => social().request('/registry/sync/search'), queryOverrides],
  [
    'subscribe',
    request('subscribe', SubscribeRequest),
    () => social().request('/registry/subscribe'),
    only('frequency', 'operator', 'condition', 'attribute_value', 'value'),
  ],
  ['unsubscribe', request('unsubscribe', UnsubscribeRequest), () => social().request('/registry/unsubscribe')],
  [
    'txn/status',
    request('txn-status', TxnStatusRequest),
    () => social().request('/registry/txn/status'),
    only('txn_type', 'attribute_type'),
  ],
  [
    'sync/txn/status',
    request('txn-status', TxnStatusRequest),
    () => social().request('/registry/sync/txn/status'),
    only('txn_type', 'attribute_type'),
  ],
  ['acknowledgement', Acknowledgement, () => social().response('/registry/search')],
  ['acknowledgement of a subscription', SubscribeAcknowledgement, () => social().response('/registry/subscribe')],
  ['HTTP error, as an acknowledgement', TransportRefusal, () => social().response('/registry/search')],
  ['HTTP error, as a transport error', TransportRefusal, () => social().response('/registry/search', '401')],
  ['HTTP error of sync/search', syncRefusal, () => social().response('/registry/sync/search')],
];

describeWithSpec('what is written', () => {
  it.each(WRITTEN)('%s: the published schema accepts it', (_what, ours, theirs, overrides = {}) => {
    const accepts = theirs();
    const values = arbitraryOf(ours, { overrides });
    fc.assert(
      fc.property(values, (value) => {
        expect(accepts(value) ? [] : accepts.errors).toEqual([]);
      }),
      runs,
    );
  });
});

describeWithSpec('the writers', () => {
  it('write answers to a search that the published schema accepts', () => {
    const accepts = social().response('/registry/sync/search');
    const headers = arbitraryOf(header(WrittenCallbackHeader, 'on-search')) as fc.Arbitrary<WrittenCallbackHeader>;
    const responses = arbitraryOf(SearchResponse) as fc.Arbitrary<SearchResponse>;
    fc.assert(
      fc.property(headers, fc.option(responses, { nil: undefined }), (head, response) => {
        const headerText = writeCallbackHeader(head);
        const messageText = response && writeSearchResponse({ ...response, items: response.search_response.map(withRecordTexts) });
        const sent: unknown = JSON.parse(writeSignedEnvelope(signedContent(headerText, messageText), 's'));
        expect(accepts(sent) ? [] : accepts.errors).toEqual([]);
        if (response !== undefined) expect(parseSearchResponse((sent as CallbackEnvelope).message)).toMatchObject(asWritten(response));
      }),
      runs,
    );
  });
});

function withRecordTexts({ data, ...item }: SearchResponseItem): WrittenSearchItem {
  return { ...item, ...data, records: data?.reg_records.map(canonicalJson) };
}

/** Versions within an item are always those of the protocol. */
function asWritten(response: SearchResponse): SearchResponse {
  const items = response.search_response.map((item) => (item.data ? { ...item, data: { ...item.data, version: '1.0.0' } } : item));
  return JSON.parse(JSON.stringify({ ...response, search_response: items }));
}

type Read = [path: string, parse: (received: unknown) => unknown, parseMessage: (message: unknown, header: Envelope['header']) => unknown];

const CALLBACKS: Read[] = [
  ['/registry/on-search', parseCallbackEnvelope, parseSearchResponse],
  ['/registry/on-subscribe', parseCallbackEnvelope, parseSubscribeResponse],
  ['/registry/on-unsubscribe', parseCallbackEnvelope, parseUnsubscribeResponse],
  ['/registry/notify', parseCallbackEnvelope, parseNotifyRequest],
  ['/registry/txn/on-status', parseCallbackEnvelope, parseTxnStatusResponse],
];
const REQUESTS: Read[] = [
  ['/registry/search', parseEnvelope, parseSearchRequest],
  ['/registry/sync/search', parseEnvelope, parseSearchRequest],
  ['/registry/subscribe', parseEnvelope, (message, head) => parseSubscribeRequest(message, head.message_ts)],
  ['/registry/unsubscribe', parseEnvelope, parseUnsubscribeRequest],
  ['/registry/txn/status', parseEnvelope, parseTxnStatusRequest],
  ['/registry/sync/txn/status', parseEnvelope, parseTxnStatusRequest],
];

/** The only places where a message that the published schema accepts is refused: bounds of ids and pages. */
const BOUNDED = [/^\/header\/message_id$/, /\/pagination\/(page_size|page_number|total_count)$/];

describeWithSpec('what is read', () => {
  it.each([...REQUESTS, ...CALLBACKS])('%s: what the published schema accepts is parsed', (path, parse, parseMessage) => {
    const schema = social();
    const accepts = schema.request(path);
    const values = arbitraryOf(schema.requestSchema(path), { resolve: schema.resolve, additional: true }).filter((value) => accepts(value));
    let parsed = 0;
    fc.assert(
      fc.property(values, (value) => {
        const fault = faultOf(() => {
          const { header: head, message } = parse(value) as Envelope | CallbackEnvelope;
          if (message === undefined) return;
          if (isEncrypted(message)) parseEncryptedMessage(message);
          else parseMessage(message, head as Envelope['header']);
        });
        if (fault === undefined) parsed += 1;
        else
          expect(BOUNDED.some((place) => place.test(fault.pointer ?? '')) ? 'bounded' : `${fault.pointer}: ${fault.message}`).toBe(
            'bounded',
          );
      }),
      runs,
    );
    expect(parsed).toBeGreaterThan(runs.numRuns / 3);
  });

  it('acknowledgements that the published schema accepts are parsed', () => {
    const schema = social();
    const accepts = schema.response('/registry/search');
    const pointer = '#/components/responses/Response/content/application~1json/schema';
    const values = arbitraryOf(schema.resolve(pointer), { resolve: schema.resolve, additional: true }).filter((value) => accepts(value));
    fc.assert(
      fc.property(values, (value) => {
        expect(parseAcknowledgement(value)).toBe(value);
      }),
      runs,
    );
  });
});

function faultOf(action: () => void): DciError | undefined {
  try {
    action();
    return undefined;
  } catch (error) {
    if (error instanceof DciError) return error;
    throw error;
  }
}

function isEncrypted(message: object): boolean {
  return 'ciphertext' in message;
}

describeWithSpec('the lists of codes', () => {
  it.each([
    ['Error/properties/code', ERROR_CODES],
    ['MsgHeaderStatusReasonCode', HEADER_REASON_CODES],
    ['SearchStatusReasonCode', SEARCH_REASON_CODES],
    ['SubscribeStatusReasonCode', SUBSCRIBE_REASON_CODES],
    ['UnSubscribeStatusReasonCode', UNSUBSCRIBE_REASON_CODES],
    ['SearchRequest/properties/search_request/items/properties/search_criteria/properties/query_type', SOCIAL.search.queryTypes],
    ['SearchRequest/properties/search_request/items/properties/search_criteria/properties/response_entity', SOCIAL.search.responseEntities],
    ['NotifyEventRequest/properties/notify_event/items/properties/data/properties/reg_event_type', SOCIAL.notify.eventTypes],
    ['TxnStatusRequest/properties/txnstatus_request/properties/txn_type', SOCIAL.txnStatus.types],
    ['TxnStatusRequest/properties/txnstatus_request/properties/attribute_type', SOCIAL.txnStatus.attributeTypes],
  ])('%s is the published one', (pointer, codes) => {
    expect(social().resolve(`#/components/schemas/${pointer}`)['enum']).toEqual(codes);
  });
});

const SAMPLES = specDir === undefined ? [] : readdirSync(join(specDir, 'samples/social')).filter((name) => name.endsWith('req.json'));

describeWithSpec('the published samples', () => {
  it('are there', () => {
    expect(SAMPLES.length).toBeGreaterThan(0);
  });

  it.each(SAMPLES)('%s is read in lenient mode', (name) => {
    const now = new Date().toISOString();
    const text = readFileSync(join(specDir ?? '', 'samples/social', name), 'utf8');
    const sample = readJson(text, { keepRepeated: new Set(['condition']) }).value as Readonly<Record<'header' | 'message', object>>;
    const received = {
      ...sample,
      header: { ...sample.header, message_id: 'm-1', message_ts: now, receiver_id: 'social' },
      message: { ...sample.message, transaction_id: 't-1' },
    };
    expect(() => parseEnvelope(received)).toThrow(DciError);
    const { value, changes } = normaliseLeniently(received, { now });
    const { header: head, message } = parseEnvelope(value);
    const { search_request: items } = parseSearchRequest(message);
    expect(head.total_count).toBe(items.length);
    expect(changes.length).toBeGreaterThan(0);
    const sent = (sample.message as { search_request: { search_criteria: { query: unknown } }[] }).search_request[0]?.search_criteria;
    expect(items[0]?.search_criteria.query_type).toBe(Array.isArray(sent?.query) ? 'predicate' : 'expression');
  });
});
