import { createHash } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { AuthorizationServer } from '../../services/authorization-server.ts';
import type { PublishedLocations } from '../../services/locations.ts';
import type { OwnKeys } from '../../services/own-keys.ts';
import { sendCached } from '../cached-reply.ts';
import { AUTHORIZATION_SERVER_DOCUMENTATION, JWKS_DOCUMENTATION, LOCATIONS_DOCUMENTATION } from '../well-known-documentation.ts';

/** What anybody may know of us: the keys that our signatures are checked with, how tokens are had, the tree of places. */
export interface WellKnownRouteParts {
  readonly ownKeys: Pick<OwnKeys, 'jwks'>;
  readonly locations: PublishedLocations;
  readonly authorizationServer: Pick<AuthorizationServer, 'describe'>;
}

const MAX_AGE_SECONDS = 300;

/** `path`: where `app` is mounted, '' or the base path. */
export function registerWellKnownRoutes(
  app: FastifyInstance,
  { ownKeys, locations, authorizationServer }: WellKnownRouteParts,
  path: string,
): void {
  app.get('/.well-known/jwks.json', { schema: JWKS_DOCUMENTATION }, async (request, reply) => {
    return sendDocument(request, reply, ownKeys.jwks());
  });

  registerAuthorizationServer(app, { authorizationServer }, '', path);

  app.get('/.well-known/locations.json', { schema: LOCATIONS_DOCUMENTATION }, async (request, reply) =>
    sendCached(request, reply, { ...(await locations.document()), maxAgeSeconds: MAX_AGE_SECONDS }),
  );
}

/** RFC 8414, section 3.1: what describes an issuer stands at the host, with the issuer's path behind it. */
export function registerAuthorizationServer(
  app: FastifyInstance,
  { authorizationServer }: Pick<WellKnownRouteParts, 'authorizationServer'>,
  behind: string,
  issuerPath: string,
): void {
  app.get(`/.well-known/oauth-authorization-server${behind}`, { schema: AUTHORIZATION_SERVER_DOCUMENTATION }, async (request, reply) =>
    sendDocument(request, reply, authorizationServer.describe(issuerPath)),
  );
}

function sendDocument(request: FastifyRequest, reply: FastifyReply, document: object): FastifyReply {
  const body = Buffer.from(JSON.stringify(document));
  const etag = `"${createHash('sha256').update(body).digest('base64url')}"`;
  return sendCached(request, reply, { body, etag, maxAgeSeconds: MAX_AGE_SECONDS });
}
