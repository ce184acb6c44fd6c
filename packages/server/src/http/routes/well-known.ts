import { createHash } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import type { PublishedLocations } from '../../services/locations.ts';
import type { SigningKeys } from '../../services/signing-keys.ts';
import { sendCached } from '../cached-reply.ts';
import { JWKS_DOCUMENTATION, LOCATIONS_DOCUMENTATION } from '../well-known-documentation.ts';

/** What anybody may know of us: the keys that our signatures are checked with, and the tree of places. */
export interface WellKnownRouteParts {
  readonly signingKeys: Pick<SigningKeys, 'jwks'>;
  readonly locations: PublishedLocations;
}

const MAX_AGE_SECONDS = 300;

export function registerWellKnownRoutes(app: FastifyInstance, { signingKeys, locations }: WellKnownRouteParts): void {
  app.get('/.well-known/jwks.json', { schema: JWKS_DOCUMENTATION }, async (request, reply) => {
    const body = Buffer.from(JSON.stringify(signingKeys.jwks()));
    const etag = `"${createHash('sha256').update(body).digest('base64url')}"`;
    return sendCached(request, reply, { body, etag, maxAgeSeconds: MAX_AGE_SECONDS });
  });

  app.get('/.well-known/locations.json', { schema: LOCATIONS_DOCUMENTATION }, async (request, reply) =>
    sendCached(request, reply, { ...(await locations.document()), maxAgeSeconds: MAX_AGE_SECONDS }),
  );
}
