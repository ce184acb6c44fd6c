import type { FastifyInstance } from 'fastify';
import type { Profile } from '../../profiles/profile.ts';
import type { SearchService } from '../../services/answer-search.ts';
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
  app.post(path, {
    schema: searchDocumentation(mounted),
    handler: async (request, reply) => {
      const { sender, bytes } = gate.readMessage(request);
      const gone = new AbortController();
      reply.raw.once('close', () => gone.abort());
      const { text } = await search.answer(sender, mounted, bytes, gone.signal);
      return reply.type('application/json; charset=utf-8').send(text);
    },
  });
}
