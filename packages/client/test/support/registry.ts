import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  canonicalJson,
  type DecryptionKey,
  type EncryptionKey,
  encryptText,
  type Envelope,
  generateSigningKey,
  openMessage,
  parseEnvelope,
  parseSearchRequest,
  publicEncryptionJwk,
  publicJwk,
  readJson,
  type SearchRequest,
  type SignatureDialect,
  type SigningKey,
  signContent,
  signedContent,
  type VerifiedMessage,
  verifyMessage,
  type VerificationKey,
  type WrittenCallbackHeader,
  type WrittenSearchResponse,
  writeCallbackHeader,
  writeSearchResponse,
  writeSignedEnvelope,
} from '@dci/protocol';
import { createDciClient, type DciClient, type DciClientOptions } from '../../src/index.ts';

/** A registry on a real socket that records what arrives and answers as it is told: rightly, or with one thing wrong. */
export interface Registry {
  readonly baseUrl: string;
  readonly requests: Received[];
  /** Signs answers; put another here to rotate. */
  signingKey: SigningKey;
  /** What `jwks.json` shows. */
  publishedKeys: SigningKey[];
  /** Seconds. */
  tokenLifetime: number;
  /** Tokens that are taken; undefined: all that were issued. */
  validTokens: Set<string> | undefined;
  /** What messages are encrypted to. */
  decryptionKey: DecryptionKey | undefined;
  answer: (asked: Asked) => Answer | Promise<Answer>;
  /** Answers what is no search. */
  answerOther: (asked: Pick<Asked, 'envelope' | 'token'>) => Answer;
  close(): Promise<void>;
}

export interface Received {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

export interface Asked {
  readonly envelope: Envelope;
  readonly request: SearchRequest;
  readonly token: string;
}

export interface Answer {
  readonly status?: number;
  readonly headers?: Record<string, string>;
  readonly body: string;
}

export const REGISTRY_ID = 'registry.example.org';
export const CREDENTIALS = { clientId: 'client 1', clientSecret: 's:e/c+r%et' };

/** A partner's client of that registry. */
export function connectTo(registry: Registry, options: Partial<DciClientOptions>): DciClient {
  return createDciClient({
    baseUrl: registry.baseUrl,
    senderId: 'partner.example.org',
    receiverId: REGISTRY_ID,
    credentials: CREDENTIALS,
    ...options,
  });
}

export async function startRegistry(): Promise<Registry> {
  const signingKey = generateSigningKey('ES256');
  const issued: string[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const received = {
      method: request.method ?? '',
      path: request.url ?? '',
      headers: request.headers,
      body: Buffer.concat(chunks).toString(),
    };
    registry.requests.push(received);
    const { status = 200, headers = {}, body } = await respond(received);
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body);
  });

  function respond(received: Received): Answer | Promise<Answer> {
    switch (received.path) {
      case '/base/oauth2/client/token':
        return issueToken(received);
      case '/base/.well-known/jwks.json':
        return {
          body: JSON.stringify({ keys: [...registry.publishedKeys.map(publicJwk), ...encryptionJwks(), { kty: 'oct', k: 'AAAA' }] }),
        };
      default:
        return answerSearch(received);
    }
  }

  function issueToken({ headers }: Received): Answer {
    const [user, password] = Buffer.from(String(headers.authorization).slice('Basic '.length), 'base64').toString().split(':');
    const decode = (text = ''): string => decodeURIComponent(text.replaceAll('+', ' '));
    if (decode(user) !== CREDENTIALS.clientId || decode(password) !== CREDENTIALS.clientSecret)
      return { status: 401, body: '{"error":"invalid_client","error_description":"who are you?"}' };
    issued.push(`token-${issued.length + 1}`);
    return { body: JSON.stringify({ access_token: issued.at(-1), token_type: 'Bearer', expires_in: registry.tokenLifetime }) };
  }

  const encryptionJwks = () => (registry.decryptionKey === undefined ? [] : [publicEncryptionJwk(registry.decryptionKey)]);

  async function answerSearch({ headers, body }: Received): Promise<Answer> {
    const token = String(headers.authorization).slice('Bearer '.length);
    if (!(registry.validTokens ?? new Set(issued)).has(token)) return refuse(401, 'err.request.unauthorized', 'the token has expired');
    const envelope = await openMessage(parseEnvelope(readJson(body).value), {
      findKey: () => registry.decryptionKey,
      maxBytes: 1_000_000,
    });
    if (envelope.header.action !== 'search') return registry.answerOther({ envelope, token });
    return registry.answer({ envelope, request: parseSearchRequest(envelope.message), token });
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const registry: Registry = {
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/base`,
    requests: [],
    signingKey,
    publishedKeys: [signingKey],
    tokenLifetime: 3600,
    validTokens: undefined,
    decryptionKey: undefined,
    answer: (asked) => ({ body: writeAnswer(registry, asked) }),
    answerOther: () => refuse(404, 'err.request.not_found', 'there is nothing here'),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return registry;
}

interface AnswerChange {
  readonly header?: Partial<WrittenCallbackHeader>;
  readonly response?: Partial<WrittenSearchResponse>;
  readonly withoutMessage?: boolean;
  readonly dialect?: SignatureDialect;
}

/** A right answer, changed as told before it is signed. */
export function writeAnswer(registry: Registry, asked: Asked, change: AnswerChange = {}): string {
  const messageText = change.withoutMessage ? undefined : writeSearchResponse({ ...answerMessage(asked), ...change.response });
  return signAnswer(registry, asked, messageText, change);
}

/** The same, its message encrypted. */
export async function writeEncryptedAnswer(
  registry: Registry,
  asked: Asked,
  key: EncryptionKey,
  change: AnswerChange = {},
): Promise<string> {
  const encrypted = canonicalJson(await encryptText(writeSearchResponse({ ...answerMessage(asked), ...change.response }), key));
  return signAnswer(registry, asked, encrypted, { ...change, header: { is_msg_encrypted: true, ...change.header } });
}

export function signAnswer(
  registry: Registry,
  asked: Pick<Asked, 'envelope'>,
  messageText: string | undefined,
  change: AnswerChange,
): string {
  const headerText = writeCallbackHeader({ ...answerHeader(asked), ...change.header });
  const created = Math.floor(Date.now() / 1000);
  const content = signedContent(headerText, messageText);
  const signature = signContent(content, registry.signingKey, {
    senderId: change.header?.sender_id ?? REGISTRY_ID,
    created,
    expires: created + 60,
    dialect: change.dialect ?? 'dci',
  });
  return writeSignedEnvelope(content, signature);
}

function answerHeader({ envelope: { header } }: Pick<Asked, 'envelope'>): WrittenCallbackHeader {
  return {
    message_id: randomUUID(),
    message_ts: new Date().toISOString(),
    action: `on-${header.action}`,
    status: 'succ',
    total_count: header.total_count,
    completed_count: header.total_count,
    sender_id: REGISTRY_ID,
    receiver_id: header.sender_id,
  };
}

/** Each item is answered with one record that names what was asked. */
function answerMessage({ request }: Asked): WrittenSearchResponse {
  return {
    transaction_id: request.transaction_id,
    correlation_id: 'c-1',
    items: request.search_request.map((item) => ({
      reference_id: item.reference_id,
      timestamp: new Date().toISOString(),
      status: 'succ',
      records: [`{"@type":"SRPerson","asked":${JSON.stringify(item.search_criteria.query)}}`],
      pagination: { page_size: 20, page_number: 1, total_count: 1 },
    })),
  };
}

export function refuse(status: number, code: string, message: string, headers: Record<string, string> = {}): Answer {
  const acknowledgement = { ack_status: 'ERR', timestamp: new Date().toISOString(), correlation_id: 'c-1', error: { code, message } };
  return { status, headers, body: JSON.stringify({ errors: [{ code: 'detail', message: 'in detail' }], message: acknowledgement }) };
}

/** Verifies a request as a registry does. */
export function verifyRequest({ body }: Received, key: VerificationKey): VerifiedMessage {
  const received = readJson(body);
  return verifyMessage({
    received,
    envelope: parseEnvelope(received.value),
    policy: 'required',
    findKey: (kid) => (kid === key.kid ? key : undefined),
    now: Math.floor(Date.now() / 1000),
  });
}
