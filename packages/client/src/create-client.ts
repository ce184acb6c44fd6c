import type { EncryptionKey } from '@dci/protocol';
import { createTokenSource } from './access-token.ts';
import { type Acknowledged, readAcknowledgement } from './acknowledgement.ts';
import { type Answer, readAnswer } from './answer.ts';
import type { DciClient, DciClientOptions, LaterOptions, SearchOptions, StatusAnswer, StatusQuestion } from './client.ts';
import { DciAnswerError } from './errors.ts';
import { fetchManifest } from './extract/fetch-manifest.ts';
import { readContent } from './extract/read-content.ts';
import { createFixedKeySet, createRemoteKeySet, type KeySet } from './key-set.ts';
import { composeItems, composeTxnStatus, type Content, type RequestMessage, writeEncryptedMessage, writeMessage } from './message.ts';
import { type AnswerItem, EXISTS, MATCH, type Question, SEARCH, STATISTICS, TXN_STATUS } from './question.ts';
import { readRefusal } from './refusal.ts';
import { composeSearch } from './search-message.ts';
import { composeSubscribe, composeUnsubscribe } from './subscribe-message.ts';
import { createTransport, type HttpAnswer, type HttpStream } from './transport.ts';

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

  /** GET with the token; once more with a new one where it is refused. */
  async function open(url: string, headers: Readonly<Record<string, string>>): Promise<HttpStream> {
    if (!url.startsWith(`${baseUrl}/`)) throw new TypeError(`the token is for ${baseUrl}, and not to be sent to ${url}`);
    const token = await tokens.getToken();
    const answer = await openAs(token, url, headers);
    if (answer.status !== 401 || !tokens.discard(token)) return answer;
    await answer.cancel();
    return await openAs(await tokens.getToken(), url, headers);
  }

  function openAs(token: string, url: string, headers: Readonly<Record<string, string>>): Promise<HttpStream> {
    return transport.open(url, { headers: { ...headers, authorization: `Bearer ${token}` } });
  }

  async function write<M extends object>(content: Content<M>, senderUri?: string): Promise<RequestMessage<M>> {
    const { encrypt = false } = options;
    const parts = { senderId, receiverId, senderUri, signingKey, dialect, now: now() };
    if (encrypt === false) return writeMessage(parts, content);
    return await writeEncryptedMessage(parts, content, encrypt === true ? await chooseEncryptionKey(keys) : encrypt);
  }

  async function askLater(
    path: string,
    content: Content<{ readonly transaction_id: string }>,
    { registry, senderUri }: LaterOptions,
  ): Promise<Acknowledged> {
    const asked = await write(content, senderUri);
    return readAcknowledgement(await post(urlOf(registry, path), asked.text), content.message.transaction_id);
  }

  async function askNow<Item extends AnswerItem>(
    question: Question<Item>,
    criteria: readonly object[],
    { registry, transactionId, locale }: SearchOptions = {},
  ): Promise<Answer<Item>> {
    const content = composeItems(question.action, { criteria, transactionId, locale, now: now() });
    return await askAt(urlOf(registry, `sync/${question.action}`), question, content);
  }

  async function askAt<Item extends AnswerItem>(
    url: string,
    question: Question<Item>,
    content: Content<{ readonly transaction_id: string }>,
  ): Promise<Answer<Item>> {
    const asked = await write(content);
    const answer = await post(url, asked.text);
    if (answer.status !== 200) throw readRefusal(answer);
    return await readAnswer(question, answer, asked, trust);
  }

  async function findStatus({ type, transactionId }: StatusQuestion, registry: string | undefined): Promise<StatusAnswer> {
    const answer = await askAt(urlOf(registry, 'sync/txn/status'), TXN_STATUS, composeTxnStatus(type, transactionId));
    const { header, signedBy, items } = answer;
    const [item] = items;
    if (item?.state.transaction_id !== transactionId) throw new DciAnswerError('the answer is about another request');
    return { header, signedBy, state: item.state };
  }

  const urlOf = (registry: string | undefined, path: string): string =>
    `${baseUrl}${registry === undefined ? '' : `/${encodeURIComponent(registry)}`}/registry/${path}`;

  return {
    search: async (criteria, asking) => await askNow(SEARCH, listOf(criteria), asking),
    match: async (criteria, asking) => await askNow(MATCH, listOf(criteria), asking),
    exists: async (criteria, asking) => await askNow(EXISTS, listOf(criteria), asking),
    statistics: async (criteria, asking) => await askNow(STATISTICS, listOf(criteria), asking),
    searchLater: async (criteria, later = {}) =>
      await askLater('search', composeSearch({ ...later, criteria: listOf(criteria), now: now() }), later),
    subscribe: async (criteria, later = {}) =>
      await askLater('subscribe', composeSubscribe({ ...later, criteria: listOf(criteria), now: now() }), later),
    unsubscribe: async (codes, later = {}) => await askLater('unsubscribe', composeUnsubscribe(codes, { ...later, now: now() }), later),
    exportLater: async (criteria, later = {}) =>
      await askLater('export', composeItems('export', { ...later, criteria: [criteria], now: now() }), later),
    findStatus: async (asked, { registry } = {}) => await findStatus(asked, registry),
    fetchExtractManifest: async (url) =>
      await fetchManifest(url, { open: (headers) => open(`${url}/manifest`, headers), keys, senderId, receiverId }),
    readExtract: (url, manifest, from = 0) => readContent((headers) => open(url, headers), manifest.content, from),
    getToken: () => tokens.getToken(),
    getKeys: async () => (await keys.load()).verification,
  };
}

function listOf<T extends object>(one: T | readonly T[]): readonly T[] {
  return Array.isArray(one) ? (one as readonly T[]) : [one as T];
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
