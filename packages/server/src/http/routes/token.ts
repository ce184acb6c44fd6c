import type { FastifyInstance, FastifyReply, FastifyRequest, FastifySchema } from 'fastify';
import { findAssertedClient } from '../../services/client-assertion.ts';
import { OverloadedError } from '../../services/client-secret.ts';
import type { TokenIssuer } from '../../services/issue-token.ts';
import { rateLimitHeaders } from '../../services/rate-limit.ts';
import type { TokenRevoker } from '../../services/revoke-token.ts';
import type { SignInDecision, SignInLimit } from '../../services/sign-in-limit.ts';
import { TokenError, type TokenErrorCode } from '../../services/token-error.ts';
import { HttpRefusal } from '../error-response.ts';
import { REVOCATION_DOCUMENTATION, TOKEN_DOCUMENTATION } from '../token-documentation.ts';
import { type ClientRequest, parseClientRequest } from '../token-request.ts';

/**
 * `POST oauth2/client/token`: the client-credentials grant of RFC 6749; `POST oauth2/client/revoke`: RFC 7009. Refusals are
 * those RFCs', not the standard's; no refusal tells an unknown client from a wrong secret.
 */
export interface TokenRouteParts {
  readonly issuer: TokenIssuer;
  readonly revoker: TokenRevoker;
  readonly limit: SignInLimit;
}

const MAX_BODY_BYTES = 16_384;

const STATUSES: Readonly<Record<TokenErrorCode, number>> = {
  invalid_request: 400,
  invalid_client: 401,
  invalid_grant: 400,
  unsupported_grant_type: 400,
  invalid_scope: 400,
};

const RETRY_SECONDS = '1';

export function registerTokenRoutes(app: FastifyInstance, { issuer, revoker, limit }: TokenRouteParts): void {
  void app.register(async (scope) => {
    // Any body arrives as bytes and unchecked, so that whatever is wrong gets the grant's own refusal.
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
    scope.setErrorHandler(refuse);
    scope.setValidatorCompiler(() => () => true);
    const serve = (path: string, schema: FastifySchema, answer: (asked: ClientRequest) => Promise<object>): void => {
      scope.post(path, { schema, bodyLimit: MAX_BODY_BYTES }, async (request, reply) => {
        const asked = await readWithinLimit(limit, request, reply);
        return asked === undefined ? refuseTooMany(reply) : reply.headers(NOT_STORED).send(await answer(asked));
      });
    };
    serve('/oauth2/client/token', TOKEN_DOCUMENTATION, async (asked) => {
      const { token, expiresInSeconds, scopes } = await issuer.issue(asked);
      return { access_token: token, token_type: 'Bearer', expires_in: expiresInSeconds, scope: scopes.join(' ') };
    });
    serve('/oauth2/client/revoke', REVOCATION_DOCUMENTATION, async (asked) => {
      await revoker.revoke(asked);
      return {};
    });
  });
}

const NOT_STORED = { 'cache-control': 'no-store', pragma: 'no-cache' };

/** Undefined: asked too often, by this address or of this client. */
async function readWithinLimit(limit: SignInLimit, request: FastifyRequest, reply: FastifyReply): Promise<ClientRequest | undefined> {
  if (!tellLimit(reply, await limit.consumeAddress(request.ip))) return undefined;
  const { 'content-type': contentType, authorization } = request.headers;
  const asked = parseClientRequest(contentType, authorization, request.body instanceof Uint8Array ? request.body : new Uint8Array());
  const clientId = asked.clientId ?? findAssertedClient(asked.assertion ?? '');
  return clientId === undefined || tellLimit(reply, await limit.consumeClient(clientId)) ? asked : undefined;
}

function tellLimit(reply: FastifyReply, decision: SignInDecision): boolean {
  reply.headers(rateLimitHeaders(decision, decision.policy));
  return decision.allowed;
}

function refuseTooMany(reply: FastifyReply): FastifyReply {
  return sendRefusal(reply, 429, 'invalid_request', 'too many requests of this kind; try again later');
}

function refuse(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  if (error instanceof TokenError) {
    if (error.code === 'invalid_client') reply.header('www-authenticate', 'Basic realm="token", charset="UTF-8"');
    return sendRefusal(reply, STATUSES[error.code], error.code, error.message);
  }
  if (error instanceof HttpRefusal) return sendRefusal(reply.headers(error.headers), error.status, 'invalid_request', error.message);
  if (error instanceof OverloadedError)
    return sendRefusal(reply.header('retry-after', RETRY_SECONDS), 503, 'temporarily_unavailable', 'the server is busy; try again');
  const status = error instanceof Error && 'statusCode' in error ? error.statusCode : undefined;
  if (status === 413) return sendRefusal(reply, 413, 'invalid_request', `the body is larger than ${MAX_BODY_BYTES} bytes`);
  if (typeof status === 'number' && status >= 400 && status < 500)
    return sendRefusal(reply, 400, 'invalid_request', 'the request cannot be read');
  request.log.error({ err: error }, 'a request for or about a token failed');
  return sendRefusal(reply, 500, 'server_error', 'the request could not be answered');
}

function sendRefusal(reply: FastifyReply, status: number, code: string, description: string): FastifyReply {
  return reply.status(status).headers(NOT_STORED).send({ error: code, error_description: description });
}
