import type { FastifyReply, FastifyRequest } from 'fastify';

export interface CachedBody {
  readonly body: Buffer;
  /** Strong entity tag, quoted. */
  readonly etag: string;
  readonly maxAgeSeconds: number;
}

/** Sends JSON that the caller may keep, or 304 where it has the same already. */
export function sendCached(request: FastifyRequest, reply: FastifyReply, { body, etag, maxAgeSeconds }: CachedBody): FastifyReply {
  reply.headers({ etag, 'cache-control': `public, max-age=${maxAgeSeconds}` });
  if (hasTag(request.headers['if-none-match'], etag)) return reply.status(304).send();
  return reply.type('application/json; charset=utf-8').send(body);
}

// RFC 9110, 13.1.2: tags are compared weakly.
function hasTag(header: string | undefined, etag: string): boolean {
  return header !== undefined && header.split(',').some((tag) => tag.trim() === '*' || tag.trim().replace(/^W\//, '') === etag);
}
