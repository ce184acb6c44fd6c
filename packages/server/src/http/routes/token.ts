import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { OverloadedError } from '../../services/client-secret.ts';
import { TokenError, type TokenErrorCode, type TokenIssuer, type TokenRequest } from '../../services/issue-token.ts';
import { rateLimitHeaders } from '../../services/rate-limit.ts';
import type { SignInDecision, SignInLimit } from '../../services/sign-in-limit.ts';
import { TOKEN_DOCUMENTATION } from '../token-documentation.ts';
import { parseTokenRequest } from '../token-request.ts';

/**
 * `POST oauth2/client/token`: the client-credentials grant of RFC 6749. Refusals are that RFC's, not the standard's; no
 * refusal tells an unknown client from a wrong secret.
 */
export interface TokenRouteParts {
  readonly issuer: TokenIssuer;
  readonly limit: SignInLimit;
}

const MAX_BODY_BYTES = 16_384;

const STATUSES: Readonly<Record<TokenErrorCode, number>> = {
  invalid_request: 400,
  invalid_client: 401,
  unsupported_grant_type: 400,
  invalid_scope: 400,
};

const RETRY_SECONDS = '1';

export function registerTokenRoutes(app: FastifyInstance, parts: TokenRouteParts): void {
  void app.register(async (scope) => {
    // Any body arrives as bytes and unchecked, so that whatever is wrong gets the grant's own refusal.
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
    scope.setErrorHandler(refuse);
    scope.setValidatorCompiler(() => () => true);
    scope.post('/oauth2/client/token', { schema: TOKEN_DOCUMENTATION, bodyLimit: MAX_BODY_BYTES }, (request, reply) =>
      answer(parts, request, reply),
    );
  });
}

async function answer({ issuer, limit }: TokenRouteParts, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  if (!tellLimit(reply, await limit.consumeAddress(request.ip))) return refuseTooMany(reply);
  const asked = readTokenRequest(request);
  if (asked.clientId !== undefined && !tellLimit(reply, await limit.consumeClient(asked.clientId))) return refuseTooMany(reply);
  const issued = await issuer.issue(asked);
  return reply.headers(NOT_STORED).send({
    access_token: issued.token,
    token_type: 'Bearer',
    expires_in: issued.expiresInSeconds,
    scope: issued.scopes.join(' '),
  });
}

const NOT_STORED = { 'cache-control': 'no-store', pragma: 'no-cache' };

function readTokenRequest(request: FastifyRequest): TokenRequest {
  const { 'content-type': contentType, authorization } = request.headers;
  return parseTokenRequest(contentType, authorization, request.body instanceof Uint8Array ? request.body : new Uint8Array());
}

function tellLimit(reply: FastifyReply, decision: SignInDecision): boolean {
  reply.headers(rateLimitHeaders(decision, decision.policy));
  return decision.allowed;
}

function refuseTooMany(reply: FastifyReply): FastifyReply {
  return sendRefusal(reply, 429, 'invalid_request', 'too many requests for a token; try again later');
}

function refuse(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  if (error instanceof TokenError) {
    if (error.code === 'invalid_client') reply.header('www-authenticate', 'Basic realm="token", charset="UTF-8"');
    return sendRefusal(reply, STATUSES[error.code], error.code, error.message);
  }
  if (error instanceof OverloadedError)
    return sendRefusal(reply.header('retry-after', RETRY_SECONDS), 503, 'temporarily_unavailable', 'the server is busy; try again');
  const status = error instanceof Error && 'statusCode' in error ? error.statusCode : undefined;
  if (status === 413) return sendRefusal(reply, 413, 'invalid_request', `the body is larger than ${MAX_BODY_BYTES} bytes`);
  if (typeof status === 'number' && status >= 400 && status < 500)
    return sendRefusal(reply, 400, 'invalid_request', 'the request cannot be read');
  request.log.error({ err: error }, 'a token could not be issued');
  return sendRefusal(reply, 500, 'server_error', 'the token could not be issued');
}

function sendRefusal(reply: FastifyReply, status: number, code: string, description: string): FastifyReply {
  return reply.status(status).headers(NOT_STORED).send({ error: code, error_description: description });
}
