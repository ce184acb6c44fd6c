import type { FastifyInstance } from 'fastify';
import type { Profile } from '../../profiles/profile.ts';
import type { SearchService } from '../../services/answer-search.ts';
import { HttpRefusal } from '../error-response.ts';
import type { Gate } from '../gate.ts';
import { searchDocumentation } from '../openapi.ts';

/** `POST registry/sync/search`, at the base path and below each registry's names. */
export function registerSearchRoutes(
  app: FastifyInstance,
  parts: { gate: Gate; search: SearchService; profiles: readonly Profile[] },
): void {
  registerSearch(app, '/registry/sync/search', undefined, parts);
  for (const profile of parts.profiles)
    for (const name of [profile.registry, ...profile.aliases]) registerSearch(app, `/${name}/registry/sync/search`, profile, parts);
}

function registerSearch(
  app: FastifyInstance,
  path: string,
  mounted: Profile | undefined,
  { gate, search }: { gate: Gate; search: SearchService },
): void {
  const route = { scope: 'registry/search', registry: mounted?.registry };
  app.post(path, {
    schema: searchDocumentation(mounted),
    onRequest: (request, reply) => gate.check(request, reply, route),
    handler: async (request, reply) => {
      const sender = gate.senderOf(request);
      if (sender === undefined) throw new Error('a request reached its handler without passing the gate');
      if (!Buffer.isBuffer(request.body)) throw new HttpRefusal(400, 'err.request.bad', 'err.request.bad', 'the message is missing');
      const gone = new AbortController();
      reply.raw.once('close', () => gone.abort());
      const { text } = await search.answer(sender, mounted, request.body, gone.signal);
      return reply.type('application/json; charset=utf-8').send(text);
    },
  });
}
