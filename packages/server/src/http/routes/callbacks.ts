import type { FastifyInstance } from 'fastify';
import type { Profile } from '../../profiles/profile.ts';
import { CALLBACK_KINDS, type CallbackKind } from '../../services/callback-kinds.ts';
import type { Inbox } from '../../services/keep-callback.ts';
import type { Gate } from '../gate.ts';
import { callbackDocumentation } from '../openapi.ts';

export interface CallbackRouteParts {
  readonly gate: Gate;
  readonly inbox: Inbox;
  readonly profiles: readonly Profile[];
}

/** Where a kind is sent, if not to the path that is called like it. */
const OTHER_PATHS: Readonly<Record<string, string>> = { 'txn-on-status': '/registry/txn/on-status' };

/** What other registries send us, at the base path and below each registry's names. */
export function registerCallbackRoutes(app: FastifyInstance, parts: CallbackRouteParts): void {
  for (const kind of CALLBACK_KINDS) {
    const path = OTHER_PATHS[kind.action] ?? `/registry/${kind.action}`;
    registerKind(app, path, kind, undefined, parts);
    for (const profile of parts.profiles)
      for (const name of [profile.registry, ...profile.aliases]) registerKind(app, `/${name}${path}`, kind, profile, parts);
  }
}

function registerKind(
  app: FastifyInstance,
  path: string,
  kind: CallbackKind,
  mounted: Profile | undefined,
  { gate, inbox }: CallbackRouteParts,
): void {
  app.post(path, {
    schema: callbackDocumentation(kind.action, mounted),
    handler: async (request, reply) => {
      const { bearer, bytes } = gate.readCallback(request);
      const text = await inbox.keep(kind, { bearer, remoteAddress: request.ip }, mounted, bytes);
      return reply.type('application/json; charset=utf-8').send(text);
    },
  });
}
