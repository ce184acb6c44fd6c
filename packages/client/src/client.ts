import type { DecryptionKey, EncryptionKey, SearchCriteria, SignatureDialect, SigningKey, VerificationKey } from '@dci/protocol';
import { type Credentials, createTokenSource } from './access-token.ts';
import { createFixedKeySet, createRemoteKeySet, type KeySet } from './key-set.ts';
import { readRefusal } from './refusal.ts';
import { DciAnswerError } from './errors.ts';
import { readSearchAnswer, type SearchAnswer } from './search-answer.ts';
import { type SearchMessage, type SearchMessageParts, writeEncryptedSearchMessage, writeSearchMessage } from './search-message.ts';
import { createTransport, type HttpAnswer } from './transport.ts';

/** Where a server is, who calls it, and by what both are known. */
export interface DciClientOptions {
  /** Path below which the registries answer, e.g. `https://social.example.org/api/v2/dci`. */
  readonly baseUrl: string;
  /** The partner's own `sender_id`. */
  readonly senderId: string;
  /** The server's `sender_id`; when given, messages name it and answers must come from it. */
  readonly receiverId?: string;
  /** Client id and secret, from which tokens are obtained as needed, or a token. */
  readonly credentials: Credentials;
  /** Signs requests; absent, they go unsigned, which a server takes only from partners registered so. */
  readonly signingKey?: SigningKey;
  /** In which requests are signed; default `dci`. Answers are read in every dialect. */
  readonly dialect?: SignatureDialect;
  /** Encrypt requests, to a key of the server's: this one, or with `true` the first of its JWKS. Answers then come encrypted. */
  readonly encrypt?: boolean | EncryptionKey;
  /** Private keys that the server may encrypt answers to, under the ids by which it knows them. */
  readonly decryptionKeys?: readonly DecryptionKey[];
  /** Keys of the server; absent, they are fetched from `jwksUrl`. */
  readonly verificationKeys?: readonly VerificationKey[];
  /** Default: `{baseUrl}/.well-known/jwks.json`. */
  readonly jwksUrl?: string;
  /** Default: `{baseUrl}/oauth2/client/token`. */
  readonly tokenUrl?: string;
  /** `unverified` takes answers whatever their signature; default `required`. */
  readonly answerSignatures?: 'required' | 'unverified';
  /** Longest an exchange may take, milliseconds; default 30,000. */
  readonly timeoutMs?: number;
  /** Largest answer that is read, bytes; default 64 MiB. */
  readonly maxAnswerBytes?: number;
  readonly fetch?: typeof globalThis.fetch;
  /** Epoch milliseconds; default `Date.now`. */
  readonly clock?: () => number;
}

export interface SearchOptions {
  /** Registry in the path, e.g. `social`; absent, the server takes it from `reg_type` or its default. */
  readonly registry?: string;
  /** At most 99 characters; absent, a new one. */
  readonly transactionId?: string;
  /** ISO 639-3, e.g. `eng`. */
  readonly locale?: string;
}

/** A client of one DCI server, as one of its partners. It holds a token and the server's keys; make one and keep it. */
export interface DciClient {
  /**
   * Searches synchronously: one item for each of the criteria, in one signed message.
   *
   * Source: `POST registry/sync/search` of the SPDCI OpenAPI 1.0.0.
   *
   * @returns the verified answer, items in the order of the criteria; of several, some may be refused by a code of their own
   * @throws DciRefusal when the server refuses the message, or all of its items
   * @throws DciAnswerError when the answer must not be used: not signed by the server, not an answer to this message
   * @throws DciConnectionError when there is no answer
   *
   * @example
   * const { items } = await client.search({ query_type: 'idtype-value', query: { type: 'UIN', value: '847951632' } });
   * const person = items[0]?.data?.reg_records[0];
   */
  search(criteria: SearchCriteria | readonly SearchCriteria[], options?: SearchOptions): Promise<SearchAnswer>;
  /**
   * The access token that the next message would carry; a new one is obtained when there is none or it is about to expire.
   *
   * Source: RFC 6749 section 4.4.
   *
   * @throws DciRefusal with the endpoint's error, e.g. `invalid_client`
   *
   * @example
   * const authorization = `Bearer ${await client.getToken()}`;
   */
  getToken(): Promise<string>;
  /**
   * The keys by which answers are verified, by key id.
   *
   * Source: RFC 7517; `GET .well-known/jwks.json` of the SPDCI OpenAPI 1.0.0.
   *
   * @example
   * const kids = [...(await client.getKeys()).keys()];
   */
  getKeys(): Promise<ReadonlyMap<string, VerificationKey>>;
}

const DEFAULT_TIMEOUT_MS = 30_000;
const DEFAULT_MAX_ANSWER_BYTES = 64 * 1024 * 1024;

/**
 * Makes a client. Nothing is sent before the first call.
 *
 * @throws TypeError when `baseUrl` is no http(s) URL
 *
 * @example
 * const client = createDciClient({
 *   baseUrl: 'https://social.example.org/api/v2/dci',
 *   senderId: 'spmis.example.org',
 *   credentials: { clientId: 'spmis', clientSecret: process.env.DCI_CLIENT_SECRET ?? '' },
 *   signingKey: importPrivateKey(await readFile('key.pem', 'utf8'), { kid: 'key-1' }),
 * });
 */
export function createDciClient(options: DciClientOptions): DciClient {
  const { senderId, receiverId, signingKey, dialect, credentials, decryptionKeys = [], clock: now = Date.now } = options;
  const baseUrl = readBaseUrl(options.baseUrl);
  const transport = createTransport({
    fetch: options.fetch ?? globalThis.fetch,
    timeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
    maxAnswerBytes: options.maxAnswerBytes ?? DEFAULT_MAX_ANSWER_BYTES,
  });
  const tokens = createTokenSource({ credentials, tokenUrl: options.tokenUrl ?? `${baseUrl}/oauth2/client/token`, transport, now });
  const keys =
    options.verificationKeys === undefined
      ? createRemoteKeySet(options.jwksUrl ?? `${baseUrl}/.well-known/jwks.json`, transport, now)
      : createFixedKeySet(options.verificationKeys);
  const trust = { keys, signatures: options.answerSignatures ?? 'required', decryptionKeys, now } as const;

  /** Sends a message; once more with a new token where the token is what was refused, before the message was read. */
  async function post(url: string, text: string): Promise<HttpAnswer> {
    const token = await tokens.getToken();
    const answer = await postAs(token, url, text);
    if (answer.status !== 401 || !isTokenRefused(answer) || !tokens.discard(token)) return answer;
    return postAs(await tokens.getToken(), url, text);
  }

  function postAs(token: string, url: string, body: string): Promise<HttpAnswer> {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json', accept: 'application/json' };
    return transport.send(url, { method: 'POST', headers, body });
  }

  async function write(parts: SearchMessageParts): Promise<SearchMessage> {
    const { encrypt = false } = options;
    if (encrypt === false) return writeSearchMessage(parts);
    return await writeEncryptedSearchMessage(parts, encrypt === true ? await chooseEncryptionKey(keys) : encrypt);
  }

  return {
    async search(criteria, { registry, transactionId, locale } = {}) {
      const asked = await write({
        senderId,
        receiverId,
        criteria: 'query_type' in criteria ? [criteria] : criteria,
        transactionId,
        locale,
        signingKey,
        dialect,
        now: now(),
      });
      const path = registry === undefined ? '' : `/${encodeURIComponent(registry)}`;
      const answer = await post(`${baseUrl}${path}/registry/sync/search`, asked.text);
      if (answer.status !== 200) throw readRefusal(answer);
      return readSearchAnswer(answer.body, answer.status, asked, trust);
    },
    getToken: () => tokens.getToken(),
    getKeys: async () => (await keys.load()).verification,
  };
}

async function chooseEncryptionKey(keys: KeySet): Promise<EncryptionKey> {
  const key = (await keys.load()).encryption[0] ?? (await keys.refresh()).encryption[0];
  if (key === undefined) throw new DciAnswerError('the server publishes no key to encrypt to');
  return key;
}

function readBaseUrl(text: string): string {
  const url = URL.parse(text);
  if (url === null || !['http:', 'https:'].includes(url.protocol)) throw new TypeError(`not an http(s) URL: ${text}`);
  return url.href.replace(/\/+$/, '');
}

function isTokenRefused(answer: HttpAnswer): boolean {
  return readRefusal(answer).code === 'err.request.unauthorized';
}
