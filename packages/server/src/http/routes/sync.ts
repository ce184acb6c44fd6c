import type { FastifyInstance, FastifySchema } from 'fastify';
import type { Profile } from '../../profiles/profile.ts';
import type { SyncService } from '../../services/answer-sync.ts';
import type { Gate } from '../gate.ts';
import { existsDocumentation, matchDocumentation, searchDocumentation, statisticsDocumentation, statusDocumentation } from '../openapi.ts';

export interface SyncRouteParts {
  readonly gate: Gate;
  readonly search: SyncService;
  readonly exists: SyncService;
  readonly match: SyncService;
  readonly status: SyncService;
  readonly statistics: SyncService;
  readonly profiles: readonly Profile[];
}

/** The paths whose messages are answered at once, at the base path and below each registry's names. */
export function registerSyncRoutes(app: FastifyInstance, parts: SyncRouteParts): void {
  registerService(app, '/registry/sync/search', parts.search, searchDocumentation, parts);
  registerService(app, '/registry/sync/statistics', parts.statistics, statisticsDocumentation, parts);
  registerService(app, '/registry/sync/exists', parts.exists, existsDocumentation, parts);
  registerService(app, '/registry/sync/match', parts.match, matchDocumentation, parts);
  registerService(app, '/registry/sync/txn/status', parts.status, statusDocumentation, parts);
}

function registerService(
  app: FastifyInstance,
  path: string,
  service: SyncService,
  document: (mounted: Profile | undefined) => FastifySchema,
  { gate, profiles }: SyncRouteParts,
): void {
  const register = (at: string, mounted: Profile | undefined): void => {
    app.post(at, {
      schema: document(mounted),
      handler: async (request, reply) => {
        const { sender, bytes } = gate.readMessage(request);
        const gone = new AbortController();
        // An answer that was sent whole closes its stream too.
        reply.raw.once('close', () => {
          if (!reply.raw.writableFinished) gone.abort();
        });
        const { text } = await service.answer(sender, mounted, bytes, gone.signal);
        return reply.type('application/json; charset=utf-8').send(text);
      },
    });
  };
  register(path, undefined);
  for (const profile of profiles) for (const name of [profile.registry, ...profile.aliases]) register(`/${name}${path}`, profile);
}
