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
import type { AnswerWriter } from '../services/answer-writer.ts';
import type { SearchService } from '../services/answer-search.ts';
import { isDatabaseUnavailable } from '../store/database.ts';
import { FAILED, HttpRefusal, type Refusal, sendRefusal, toRefusal, UNAVAILABLE } from './error-response.ts';
import type { Gate } from './gate.ts';
import { openApiDocument } from './openapi.ts';
import { type HealthParts, registerHealthRoutes } from './routes/health.ts';
import { registerSearchRoutes } from './routes/search.ts';
import { registerTokenRoutes, type TokenRouteParts } from './routes/token.ts';
import { registerWellKnownRoutes, type WellKnownRouteParts } from './routes/well-known.ts';

/**
 * The HTTP edge: paths to services, errors to refusals. Bodies stay bytes until a service reads them, because signatures
 * are made over bytes; nothing here looks into a message. The framework's objects go no further than this folder.
 */
export interface HttpParts {
  readonly basePath: string;
  readonly maxBodyBytes: number;
  readonly profiles: readonly Profile[];
  readonly gate: Gate;
  readonly search: SearchService;
  readonly answers: AnswerWriter;
  readonly token: TokenRouteParts;
  readonly wellKnown: WellKnownRouteParts;
  readonly health: HealthParts;
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly log: FastifyBaseLogger;
}

const REQUEST_TIMEOUT_MS = 30_000;

export async function createHttpServer(parts: HttpParts): Promise<FastifyInstance> {
  const app = fastify({
    loggerInstance: parts.log,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: parts.maxBodyBytes,
    requestTimeout: REQUEST_TIMEOUT_MS,
    forceCloseConnections: 'idle',
    return503OnClosing: true,
    routerOptions: { ignoreTrailingSlash: false },
  });
  // Schemas describe the API; the protocol package checks messages, once, with its own pointers and codes.
  app.setValidatorCompiler(() => () => true);
  app.setSerializerCompiler(() => (payload) => JSON.stringify(payload));
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  app.setErrorHandler((error: FastifyError, request, reply) => refuse(parts, request, reply, error));
  app.setNotFoundHandler((request, reply) => refuse(parts, request, reply, missing(app, request)));
  await app.register(swagger, openApiDocument());
  await app.register(
    async (base) => {
      registerSearchRoutes(base, parts);
      registerTokenRoutes(base, parts.token);
      registerWellKnownRoutes(base, parts.wellKnown);
      await base.register(swaggerUi, { routePrefix: '/docs', indexPrefix: parts.basePath, staticCSP: true, uiConfig: { validatorUrl: null } });
      base.get('/openapi.json', { schema: { hide: true } }, async (_request, reply) => reply.send(app.swagger()));
    },
    { prefix: parts.basePath },
  );
  if (parts.basePath !== '') {
    registerTokenRoutes(app, parts.token);
    registerWellKnownRoutes(app, parts.wellKnown);
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

function refuse(parts: HttpParts, request: FastifyRequest, reply: FastifyReply, error: unknown): Promise<FastifyReply> {
  const refusal = toRefusal(error) ?? refuseFramework(error) ?? refuseFailure(parts, request, error);
  if (refusal.status < 500)
    parts.log.info({ path: pathOf(request), status: refusal.status, code: refusal.detail, pointer: refusal.pointer }, 'refused');
  return sendRefusal(reply, refusal, {
    sync: pathOf(request).includes('/sync/'),
    action: 'on-search',
    answers: parts.answers,
    now: parts.now,
    receiverId: parts.gate.senderOf(request)?.partner.senderId,
  });
}

const FRAMEWORK_TEXTS: Readonly<Record<number, readonly [detail: string, text: string]>> = {
  408: ['request_timeout', 'the request did not arrive in time'],
  413: ['payload_too_large', 'the message is too large'],
  415: ['unsupported_media_type', 'send the message as application/json in UTF-8'],
};

// Errors of the framework about the request itself carry a 4xx status; their texts are not ours to send.
function refuseFramework(error: unknown): Refusal | undefined {
  const { code, statusCode: status } = error as Partial<FastifyError>;
  if (typeof code !== 'string' || !code.startsWith('FST_ERR') || status === undefined || status < 400) return undefined;
  if (status >= 500) return status === 503 ? UNAVAILABLE : undefined;
  const [detail, text] = FRAMEWORK_TEXTS[status] ?? ['bad_request', 'the request could not be read'];
  return { status, code: 'err.request.bad', message: text, detail, pointer: undefined, headers: {} };
}

function refuseFailure(parts: HttpParts, request: FastifyRequest, error: unknown): Refusal {
  parts.log.error({ err: error, path: pathOf(request) }, 'request failed');
  return isDatabaseUnavailable(error) ? UNAVAILABLE : FAILED;
}

function pathOf(request: FastifyRequest): string {
  const end = request.url.indexOf('?');
  return end === -1 ? request.url : request.url.slice(0, end);
}
