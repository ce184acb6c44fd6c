import type { FastifyInstance, onRequestHookHandler } from 'fastify';
import type { Profile } from '../profiles/profile.ts';
import { type Endpoint, ENDPOINTS } from './endpoints.ts';
import type { Gate } from './gate.ts';

/** Where routes are mounted, and what guards them. */
export interface GuardParts {
  readonly gate: Pick<Gate, 'check'>;
  readonly basePath: string;
  readonly profiles: readonly Profile[];
}

/**
 * Puts the checks of its line in `ENDPOINTS` before every route that is registered from now on. Throws where a route has
 * no line.
 */
export function guardRoutes(app: FastifyInstance, { gate, basePath, profiles }: GuardParts): void {
  const registries = new Map(profiles.flatMap(({ registry, aliases }) => [registry, ...aliases].map((name) => [name, registry])));
  app.addHook('onRoute', (route) => {
    const path = withoutPrefix(route.url, basePath);
    const [, name = '', below = ''] = /^\/([^/]+)(\/registry\/.*)$/.exec(path) ?? [];
    const registry = registries.get(name);
    const endpoint = findEndpoint(route.method, registry === undefined ? path : below);
    const guard: onRequestHookHandler = (request, reply) => gate.check(request, reply, { ...endpoint, registry });
    route.onRequest = [guard, ...[route.onRequest ?? []].flat()];
  });
}

function withoutPrefix(url: string, basePath: string): string {
  return basePath !== '' && url.startsWith(`${basePath}/`) ? url.slice(basePath.length) : url;
}

function findEndpoint(methods: string | readonly string[], path: string): Endpoint {
  const names = [methods].flat().map((method) => `${method === 'HEAD' ? 'GET' : method} `);
  const found = names.map((name) => {
    const line = Object.keys(ENDPOINTS).find(
      (key) => key === name + path || (key.endsWith('/*') && (name + path).startsWith(key.slice(0, -1))),
    );
    if (line === undefined) throw new Error(`${name}${path} has no line in http/endpoints.ts that says who may ask`);
    return ENDPOINTS[line];
  });
  const [endpoint] = found;
  if (endpoint === undefined || new Set(found).size > 1) throw new Error(`${path} takes methods whose lines in http/endpoints.ts differ`);
  return endpoint;
}
