import { generateSigningKey, importPublicKey, publicJwk, type SearchCriteria } from '@dci/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DciAnswerError, type DciClient, type DciClientOptions, DciConnectionError, DciRefusal } from '../src/index.ts';
import { connectTo, REGISTRY_ID, type Registry, refuse, startRegistry, verifyRequest, writeAnswer } from './support/registry.ts';

const PARTNER_KEY = generateSigningKey('EdDSA');
const BY_ID: SearchCriteria = { query_type: 'idtype-value', query: { type: 'UIN', value: '847951632' } };
const BY_AGE: SearchCriteria = {
  query_type: 'predicate',
  query: [{ expression1: { attribute_name: 'age', operator: 'lt', attribute_value: 25 } }],
};

let registry: Registry;
beforeEach(async () => {
  registry = await startRegistry();
});
afterEach(() => registry.close());

const connect = (options: Partial<DciClientOptions> = {}): DciClient => connectTo(registry, { signingKey: PARTNER_KEY, ...options });

function requestsTo(path: string): typeof registry.requests {
  return registry.requests.filter((request) => request.path === `/base/${path}`);
}

async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

describe('a search', () => {
  it('is one signed message, and gives the items in the order asked', async () => {
    registry.answer = (asked) => {
      const items = [...asked.request.search_request].toReversed();
      return { body: writeAnswer(registry, { ...asked, request: { ...asked.request, search_request: items } }) };
    };
    const answer = await connect().search([BY_ID, BY_AGE], { registry: 'social', transactionId: 't-1', locale: 'eng' });

    expect(answer.items.map((item) => item.data?.reg_records[0]?.['asked'])).toEqual([BY_ID.query, BY_AGE.query]);
    expect(answer).toMatchObject({ transactionId: 't-1', correlationId: 'c-1', signedBy: registry.signingKey.kid });
    const [sent] = requestsTo('social/registry/sync/search');
    if (sent === undefined) throw new Error('nothing was sent');
    const { header, message, signedBy } = verifyRequest(sent, importPublicKey({ ...publicJwk(PARTNER_KEY) }));
    expect(signedBy?.kid).toBe(PARTNER_KEY.kid);
    expect(header).toMatchObject({ action: 'search', sender_id: 'partner.example.org', receiver_id: REGISTRY_ID, total_count: 2 });
    expect(message).toMatchObject({
      transaction_id: 't-1',
      search_request: [{ locale: 'eng', search_criteria: BY_ID }, { search_criteria: BY_AGE }],
    });
  });

  it('has a message id of its own each time', async () => {
    const client = connect();
    await client.search(BY_ID);
    await client.search(BY_ID);
    const ids = requestsTo('registry/sync/search').map((request) => JSON.parse(request.body).header.message_id);
    expect(new Set(ids).size).toBe(2);
  });

  it('goes unsigned without a key', async () => {
    await connect({ signingKey: undefined }).search(BY_ID);
    expect(JSON.parse(requestsTo('registry/sync/search')[0]?.body ?? '')).not.toHaveProperty('signature');
  });

  it('gives the reason of an item that was refused beside one that was served', async () => {
    registry.answer = (asked) => {
      const [first, second] = asked.request.search_request;
      const timestamp = new Date().toISOString();
      return {
        body: writeAnswer(registry, asked, {
          response: {
            items: [
              { reference_id: first?.reference_id ?? '', timestamp, status: 'succ', records: [] },
              { reference_id: second?.reference_id ?? '', timestamp, status: 'rjct', status_reason_code: 'rjct.filter.invalid' },
            ],
          },
        }),
      };
    };
    const { items } = await connect().search([BY_ID, BY_AGE]);
    expect(items.map((item) => [item.status, item.status_reason_code])).toEqual([
      ['succ', undefined],
      ['rjct', 'rjct.filter.invalid'],
    ]);
  });
});

describe('the token', () => {
  it('is obtained once, also by searches at the same time', async () => {
    const client = connect();
    await Promise.all([client.search(BY_ID), client.search(BY_ID), client.search(BY_AGE)]);
    expect(requestsTo('oauth2/client/token')).toHaveLength(1);
    expect(await client.getToken()).toBe('token-1');
  });

  it('is renewed shortly before it expires', async () => {
    let now = Date.now();
    const client = connect({ clock: () => now });
    expect(await client.getToken()).toBe('token-1');
    now += 3_560_000;
    expect(await client.getToken()).toBe('token-1');
    now += 20_000;
    expect(await client.getToken()).toBe('token-2');
  });

  it('is replaced once when the server does not take it any more', async () => {
    const client = connect();
    await client.search(BY_ID);
    registry.validTokens = new Set(['token-2']);
    await client.search(BY_ID);
    expect(await client.getToken()).toBe('token-2');

    registry.validTokens = new Set();
    expect(await failureOf(client.search(BY_ID))).toMatchObject({ name: 'DciRefusal', code: 'err.request.unauthorized', status: 401 });
    expect(requestsTo('oauth2/client/token')).toHaveLength(3);
  });

  it('of somebody else is used as it is', async () => {
    registry.validTokens = new Set(['given']);
    await connect({ credentials: { token: 'given' } }).search(BY_ID);
    expect(requestsTo('oauth2/client/token')).toHaveLength(0);
  });

  it('is refused by the name the endpoint gives, and asked for anew the next time', async () => {
    const client = connect({ credentials: { clientId: 'x', clientSecret: 'y' } });
    for (const attempt of [1, 2]) {
      expect(await failureOf(client.search(BY_ID))).toMatchObject({
        name: 'DciRefusal',
        code: 'invalid_client',
        message: 'who are you?',
        status: 401,
      });
      expect(requestsTo('oauth2/client/token')).toHaveLength(attempt);
    }
    expect(requestsTo('registry/sync/search')).toHaveLength(0);
  });
});

describe('a refusal', () => {
  it.each([
    [
      'an ERR acknowledgement',
      refuse(429, 'err.request.too_many_requests', 'slower', { 'retry-after': '7' }),
      'err.request.too_many_requests',
      'slower',
    ],
    ['a list of errors', { status: 400, body: '{"errors":[{"code":"err.request.bad","message":"no"}]}' }, 'err.request.bad', 'no'],
    [
      'an error beside a header',
      { status: 415, body: '{"header":{"status":"rjct"},"error":{"code":"err.request.bad","message":"type"},"errors":[]}' },
      'err.request.bad',
      'type',
    ],
    ['a page of HTML', { status: 502, body: '<html>' }, 'err.service.unavailable', 'HTTP status 502'],
    ['a redirect', { status: 302, headers: { location: 'http://127.0.0.1:1/' }, body: '' }, 'err.request.bad', 'HTTP status 302'],
  ])('is read from %s', async (_, answer, code, message) => {
    registry.answer = () => answer;
    const refusal = await failureOf(connect().search(BY_ID));
    expect(refusal).toBeInstanceOf(DciRefusal);
    expect(refusal).toMatchObject({ code, message: expect.stringContaining(message), status: answer.status });
  });

  it('says when to try again', async () => {
    registry.answer = () => refuse(503, 'err.service.unavailable', 'later', { 'retry-after': '7' });
    expect(await failureOf(connect().search(BY_ID))).toMatchObject({ retryAfterSeconds: 7 });
  });

  it('is read from a signed header without a message', async () => {
    registry.answer = (asked) => ({
      body: writeAnswer(registry, asked, {
        header: { status: 'rjct', status_reason_code: 'rjct.message_id.duplicate', status_reason_message: 'seen before' },
        withoutMessage: true,
      }),
    });
    expect(await failureOf(connect().search(BY_ID))).toMatchObject({
      name: 'DciRefusal',
      code: 'rjct.message_id.duplicate',
      message: 'seen before',
    });
  });

  it('of all items gives the reason of the first', async () => {
    registry.answer = (asked) => ({
      body: writeAnswer(registry, asked, {
        header: { status: 'rjct', status_reason_code: 'rjct.errors.too_many' },
        response: {
          items: [
            {
              reference_id: '1',
              timestamp: new Date().toISOString(),
              status: 'rjct',
              status_reason_code: 'rjct.filter.invalid',
              status_reason_message: 'no such attribute',
            },
          ],
        },
      }),
    });
    expect(await failureOf(connect().search(BY_ID))).toMatchObject({
      name: 'DciRefusal',
      code: 'rjct.filter.invalid',
      message: 'no such attribute',
      items: [{ reference_id: '1' }],
    });
  });
});

describe('an answer is not used', () => {
  async function expectUnused(message: string, client = connect()): Promise<void> {
    const error = await failureOf(client.search(BY_ID));
    expect(error).toBeInstanceOf(DciAnswerError);
    expect(error).toMatchObject({ message: expect.stringContaining(message) });
  }

  it('when something in it was changed after it was signed', async () => {
    registry.answer = (asked) => ({ body: writeAnswer(registry, asked).replace('847951632', '847951633') });
    await expectUnused('does not fit header and message');
  });

  it('when it is not signed', async () => {
    registry.answer = (asked) => ({ body: writeAnswer(registry, asked).replace(/,"signature":".*"}$/, '}') });
    await expectUnused('must be signed');
  });

  it('when an unknown key signed it', async () => {
    registry.signingKey = generateSigningKey('ES256');
    await expectUnused('names a key that is not registered');
  });

  it('when the key of another server signed it', async () => {
    registry.answer = (asked) => ({ body: writeAnswer(registry, asked, { header: { sender_id: 'other.example.org' } }) });
    await expectUnused('another sender');
  });

  it.each([
    ['another transaction', { response: { transaction_id: 'else' } }, 'another transaction'],
    ['another receiver', { header: { receiver_id: 'else' } }, 'another receiver'],
    ['another action', { header: { action: 'on-subscribe' } }, 'no answer to what was asked'],
    ['no item', { response: { items: [] } }, 'has 0 items to 1'],
    [
      'another item',
      { response: { items: [{ reference_id: '7', timestamp: '2024-01-15T10:30:00Z', status: 'succ' as const }] } },
      'lacks the item "1"',
    ],
    ['success without a message', { withoutMessage: true }, 'has no message'],
  ])('when it is signed and of %s', async (_, change, message) => {
    registry.answer = (asked) => ({ body: writeAnswer(registry, asked, change) });
    await expectUnused(message);
  });

  it('when it is not JSON', async () => {
    registry.answer = () => ({ body: 'null and void' });
    await expectUnused('cannot be read');
  });

  it('when it is larger than was allowed', async () => {
    await expectUnused('larger than 300 bytes', connect({ maxAnswerBytes: 300 }));
  });
});

describe('the keys of the server', () => {
  it('are fetched once, and again for a key that is not known', async () => {
    let now = Date.now();
    const client = connect({ clock: () => now });
    await client.search(BY_ID);
    await client.search(BY_ID);
    expect(requestsTo('.well-known/jwks.json')).toHaveLength(1);

    registry.signingKey = generateSigningKey('EdDSA');
    registry.publishedKeys.push(registry.signingKey);
    now += 10_000;
    const { signedBy } = await client.search(BY_ID);
    expect(signedBy).toBe(registry.signingKey.kid);
    expect(requestsTo('.well-known/jwks.json')).toHaveLength(2);
  });

  it('are not fetched for every forgery', async () => {
    const client = connect();
    registry.signingKey = generateSigningKey('ES256');
    for (let attempt = 0; attempt < 3; attempt += 1) expect(await failureOf(client.search(BY_ID))).toBeInstanceOf(DciAnswerError);
    expect(requestsTo('.well-known/jwks.json')).toHaveLength(1);
  });

  it('may be handed over', async () => {
    const verificationKeys = [importPublicKey({ ...publicJwk(registry.signingKey) })];
    await connect({ verificationKeys }).search(BY_ID);
    expect(requestsTo('.well-known/jwks.json')).toHaveLength(0);
  });

  it('are not asked for when the caller takes answers unverified', async () => {
    registry.answer = (asked) => ({ body: writeAnswer(registry, asked).replace('847951632', '847951633') });
    const { items, signedBy } = await connect({ answerSignatures: 'unverified' }).search(BY_ID);
    expect(items[0]?.data?.reg_records).toMatchObject([{ asked: { value: '847951633' } }]);
    expect(signedBy).toBeUndefined();
    expect(requestsTo('.well-known/jwks.json')).toHaveLength(0);
  });
});

describe('without an answer', () => {
  it('says that there was no connection', async () => {
    await registry.close();
    const error = await failureOf(connect().search(BY_ID));
    expect(error).toBeInstanceOf(DciConnectionError);
    expect(error).toMatchObject({ message: expect.stringContaining('ECONNREFUSED') });
  });

  it('gives up after a while', async () => {
    const client = connect({
      timeoutMs: 20,
      fetch: (_, request) =>
        new Promise((_resolve, reject) => request?.signal?.addEventListener('abort', () => reject(request.signal?.reason))),
    });
    expect(await failureOf(client.search(BY_ID))).toBeInstanceOf(DciConnectionError);
  });
});

it('refuses a base URL that is none', () => {
  expect(() => connect({ baseUrl: 'social.example.org' })).toThrow('not an http(s) URL');
});
