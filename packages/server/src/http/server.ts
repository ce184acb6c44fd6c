import type { Duplex } from 'node:stream';
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import {
  type FastifyBaseLogger,
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  fastify,
  LogController,
} from 'fastify';
import type { Profile } from '../profiles/profile.ts';
import type { RequestAcceptor } from '../services/accept-request.ts';
import type { AsyncAction } from '../services/async-action.ts';
import type { AnswerWriter } from '../services/answer-writer.ts';
import type { SyncService } from '../services/answer-sync.ts';
import { isDatabaseUnavailable } from '../store/database.ts';
import { createRefusalSender, FAILED, HttpRefusal, type Refusal, toRefusal, UNAVAILABLE } from './error-response.ts';
import type { Gate } from './gate.ts';
import { guardRoutes } from './guard-routes.ts';
import { openApiDocument } from './openapi.ts';
import { registerAsyncRoutes } from './routes/async.ts';
import { type CallbackRouteParts, registerCallbackRoutes } from './routes/callbacks.ts';
import { type HealthParts, registerHealthRoutes } from './routes/health.ts';
import { type AuditRouteParts, registerAuditRoutes } from './routes/audit.ts';
import { type ExtractRouteParts, registerExtractRoutes } from './routes/extracts.ts';
import { type Explain, type RecordRouteParts, registerRecordRoutes } from './routes/records.ts';
import { registerSyncRoutes } from './routes/sync.ts';
import { registerTokenRoutes, type TokenRouteParts } from './routes/token.ts';
import { registerAuthorizationServer, registerWellKnownRoutes, type WellKnownRouteParts } from './routes/well-known.ts';

/**
 * The HTTP edge: paths to services, errors to refusals. Bodies stay bytes until a service reads them, because signatures
 * are made over bytes; nothing here looks into a message. The framework's objects go no further than this folder.
 */
export interface HttpParts
  extends Pick<RecordRouteParts, 'write' | 'writeConsents'>,
    Pick<AuditRouteParts, 'auditor'>,
    Pick<ExtractRouteParts, 'extracts'>,
    Pick<CallbackRouteParts, 'inbox'> {
  readonly basePath: string;
  readonly maxBodyBytes: number;
  /** Addresses whose word is taken for where a request came from. */
  readonly trustedProxies: readonly string[];
  readonly profiles: readonly Profile[];
  readonly gate: Gate;
  readonly search: SyncService;
  readonly statistics: SyncService;
  readonly exists: SyncService;
  readonly match: SyncService;
  readonly status: SyncService;
  readonly acceptor: RequestAcceptor;
  readonly actions: readonly AsyncAction[];
  readonly answers: AnswerWriter;
  readonly token: TokenRouteParts;
  readonly wellKnown: WellKnownRouteParts;
  readonly health: HealthParts;
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly log: FastifyBaseLogger;
}

const REQUEST_TIMEOUT_MS = 30_000;
// Whoever has not read his answer by then holds up the stop no longer.
const STOP_PATIENCE_MS = 10_000;
const SWEEP_MS = 50;

export async function createHttpServer(parts: HttpParts): Promise<FastifyInstance> {
  const explain = createExplainer(parts);
  const refuse = createRefuser(parts, explain);
  const app = fastify({
    loggerInstance: parts.log,
    logController: new LogController({ disableRequestLogging: true }),
    // Nothing is logged of a request by itself, so none needs a logger of its own.
    childLoggerFactory: (logger) => logger,
    bodyLimit: parts.maxBodyBytes,
    requestTimeout: REQUEST_TIMEOUT_MS,
    forceCloseConnections: 'idle',
    return503OnClosing: true,
    routerOptions: { ignoreTrailingSlash: false },
    // Where there is none, nothing but the connection is looked at.
    trustProxy: parts.trustedProxies.length > 0 && [...parts.trustedProxies],
    frameworkErrors: (error, request, reply) => void refuse(error, request, reply),
    clientErrorHandler: refuseUnreadable,
  });
  guardRoutes(app, parts);
  app.addHook('preClose', async () => {
    // A connection whose last request was answered while stopping would be kept for the next one.
    const sweep = setInterval(() => app.server.closeIdleConnections(), SWEEP_MS);
    const patience = setTimeout(() => app.server.closeAllConnections(), STOP_PATIENCE_MS);
    app.server.once('close', () => {
      clearInterval(sweep);
      clearTimeout(patience);
    });
  });
  // Schemas describe the API; the protocol package checks messages, once, with its own pointers and codes.
  app.setValidatorCompiler(() => () => true);
  app.setSerializerCompiler(() => (payload) => JSON.stringify(payload));
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  app.setErrorHandler((error: FastifyError, request, reply) => refuse(error, request, reply));
  app.setNotFoundHandler(async (request, reply) => {
    await parts.gate.admit(request, reply);
    throw missing(app, request);
  });
  await app.register(swagger, openApiDocument());
  await app.register(
    async (base) => {
      registerSyncRoutes(base, parts);
      registerAsyncRoutes(base, parts);
      registerCallbackRoutes(base, parts);
      registerRecordRoutes(base, parts, explain);
      registerAuditRoutes(base, parts);
      registerExtractRoutes(base, parts);
      registerTokenRoutes(base, parts.token);
      registerWellKnownRoutes(base, parts.wellKnown, parts.basePath);
      await base.register(swaggerUi, {
        routePrefix: '/docs',
        indexPrefix: parts.basePath,
        staticCSP: true,
        uiConfig: { validatorUrl: null },
      });
      base.get('/openapi.json', { schema: { hide: true } }, async (_request, reply) => reply.send(app.swagger()));
    },
    { prefix: parts.basePath },
  );
  if (parts.basePath !== '') {
    registerTokenRoutes(app, parts.token);
    registerWellKnownRoutes(app, parts.wellKnown, '');
    registerAuthorizationServer(app, parts.wellKnown, parts.basePath, parts.basePath);
  }
  registerHealthRoutes(app, parts.health);
  return app;
}

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const;

function missing(app: FastifyInstance, request: FastifyRequest): HttpRefusal {
  const path = pathOf(request);
  const allowed = METHODS.filter((method) => app.findRoute({ method, url: path }) !== null);
  if (allowed.length === 0) return new HttpRefusal(404, 'err.request.not_found', 'not_found', 'there is nothing at this path');
  return new HttpRefusal(405, 'err.request.bad', 'method_not_allowed', `this path takes ${allowed.join(', ')}`, {
    allow: allowed.join(', '),
  });
}

type Refuser = (error: unknown, request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply>;

function createExplainer(parts: HttpParts): Explain {
  return (error, request) => {
    const refusal = toRefusal(error) ?? refuseFramework(error) ?? refuseFailure(parts, request, error);
    // Neither path nor pointer as they came: both may hold what a sender wrote into them.
    const { status, detail } = refusal;
    if (status < 500) parts.log.info({ route: request.routeOptions.url, status, code: detail }, 'refused');
    return refusal;
  };
}

function createRefuser(parts: HttpParts, explain: Explain): Refuser {
  const sendRefusal = createRefusalSender(parts);
  return (error, request, reply) =>
    sendRefusal(reply, explain(error, request), {
      sync: pathOf(request).includes('/sync/'),
      action: answeringAction(request),
      partner: parts.gate.senderOf(request)?.partner,
    });
}

/** The action of the answer, had there been one. */
function answeringAction(request: FastifyRequest): string {
  if (pathOf(request).endsWith('/txn/status')) return 'txn-on-status';
  const [, action = 'search'] = /\/sync\/([a-z]+)$/.exec(request.routeOptions.url ?? '') ?? [];
  return `on-${action}`;
}

/** What is not HTTP never becomes a request: the connection is told and closed. */
function refuseUnreadable(_error: Error, socket: Duplex): void {
  if (!socket.writable) return;
  const body = JSON.stringify({ errors: [{ code: 'bad_request', message: 'the request could not be read' }] });
  const head = ['HTTP/1.1 400 Bad Request', 'content-type: application/json; charset=utf-8', `content-length: ${Buffer.byteLength(body)}`];
  socket.end(`${head.join('\r\n')}\r\nconnection: close\r\n\r\n${body}`);
}

const FRAMEWORK_TEXTS: Readonly<Record<number, readonly [detail: string, text: string]>> = {
  408: ['request_timeout', 'the request did not arrive in time'],
  413: ['payload_too_large', 'the message is too large'],
  415: ['unsupported_media_type', 'send the message as application/json in UTF-8'],
};

// Errors of the framework and its plugins about the request itself carry a 4xx status; their texts are not ours to send.
function refuseFramework(error: unknown): Refusal | undefined {
  const { code, statusCode: status } = error as Partial<FastifyError>;
  if (status === undefined || status < 400) return undefined;
  if (status >= 500) return status === 503 && code?.startsWith('FST_ERR') === true ? UNAVAILABLE : undefined;
  const [detail, text] = FRAMEWORK_TEXTS[status] ?? ['bad_request', 'the request could not be read'];
  return { status, code: 'err.request.bad', message: text, detail, pointer: undefined, headers: {} };
}

function refuseFailure(parts: HttpParts, request: FastifyRequest, error: unknown): Refusal {
  parts.log.error({ err: error, route: request.routeOptions.url }, 'request failed');
  return isDatabaseUnavailable(error) ? UNAVAILABLE : FAILED;
}

function pathOf(request: FastifyRequest): string {
  const end = request.url.indexOf('?');
  return end === -1 ? request.url : request.url.slice(0, end);
}
