import type { FastifyInstance } from 'fastify';
import type { Profile } from '../../profiles/profile.ts';
import type { RequestAcceptor } from '../../services/accept-request.ts';
import type { AsyncAction } from '../../services/async-action.ts';
import type { Gate } from '../gate.ts';
import { acknowledgedDocumentation } from '../openapi.ts';

export interface AsyncRouteParts {
  readonly gate: Gate;
  readonly acceptor: RequestAcceptor;
  readonly actions: readonly AsyncAction[];
  readonly profiles: readonly Profile[];
}

/** The paths whose messages are acknowledged now and answered by a callback, by their action. */
const PATHS: Readonly<Record<string, string>> = {
  search: '/registry/search',
  subscribe: '/registry/subscribe',
  unsubscribe: '/registry/unsubscribe',
  export: '/registry/export',
  'txn-status': '/registry/txn/status',
};

/** At the base path and below each registry's names. */
export function registerAsyncRoutes(app: FastifyInstance, parts: AsyncRouteParts): void {
  for (const action of parts.actions) {
    const path = PATHS[action.action];
    if (path === undefined) throw new Error(`the action "${action.action}" has no path`);
    registerAction(app, path, action, undefined, parts);
    for (const profile of parts.profiles)
      for (const name of [profile.registry, ...profile.aliases]) registerAction(app, `/${name}${path}`, action, profile, parts);
  }
}

function registerAction(
  app: FastifyInstance,
  path: string,
  action: AsyncAction,
  mounted: Profile | undefined,
  { gate, acceptor }: AsyncRouteParts,
): void {
  app.post(path, {
    schema: acknowledgedDocumentation(action.action, mounted),
    handler: async (request, reply) => {
      const { sender, bytes } = gate.readMessage(request);
      const text = await acceptor.accept(action, sender, mounted, bytes);
      return reply.code(202).type('application/json; charset=utf-8').send(text);
    },
  });
}
