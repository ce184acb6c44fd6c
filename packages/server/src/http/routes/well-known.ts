import { createHash } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import type { PublishedLocations } from '../../services/locations.ts';
import { JWKS_MAX_AGE_SECONDS } from '../../services/own-key-life.ts';
import type { OwnKeys } from '../../services/own-keys.ts';
import { sendCached } from '../cached-reply.ts';
import { JWKS_DOCUMENTATION, LOCATIONS_DOCUMENTATION } from '../well-known-documentation.ts';

/** What anybody may know of us: the keys that our signatures are checked with and that messages to us are encrypted to, and the tree of places. */
export interface WellKnownRouteParts {
  readonly ownKeys: Pick<OwnKeys, 'jwks'>;
  readonly locations: PublishedLocations;
}

const LOCATIONS_MAX_AGE_SECONDS = 300;

export function registerWellKnownRoutes(app: FastifyInstance, { ownKeys, locations }: WellKnownRouteParts): void {
  app.get('/.well-known/jwks.json', { schema: JWKS_DOCUMENTATION }, async (request, reply) => {
    const body = Buffer.from(JSON.stringify(ownKeys.jwks()));
    const etag = `"${createHash('sha256').update(body).digest('base64url')}"`;
    return sendCached(request, reply, { body, etag, maxAgeSeconds: JWKS_MAX_AGE_SECONDS });
  });

  app.get('/.well-known/locations.json', { schema: LOCATIONS_DOCUMENTATION }, async (request, reply) =>
    sendCached(request, reply, { ...(await locations.document()), maxAgeSeconds: LOCATIONS_MAX_AGE_SECONDS }),
  );
}
