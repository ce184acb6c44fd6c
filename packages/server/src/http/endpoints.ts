import type { Scope } from '../services/scopes.ts';

/**
 * What a request must pass before its body is read, for every route there is. A route without a line here cannot be
 * registered, so a new one is a new line. The columns stand in the order of the checks:
 *
 * - `counted`: whether it counts against the limit of its address; what is refused counts too.
 * - `body`: judged by its headers. A `message` is JSON in UTF-8, not compressed, of bounded size; `credentials` are small,
 *   and read by their route.
 * - `caller`: `anybody`; a `client`, which presents itself in the request and is counted again, by address and by name; a
 *   `peer`, a partner whose signature of the message is verified once it is read, whatever its policy says, and who needs no
 *   token (one that is there must be its own); or the bearer of a token with that scope, whose partner is active, has the
 *   scope too and the registry of the path.
 * - `points`: what it takes of the partner's limit at the door. What its message costs beyond is charged once it is read.
 */
export interface Endpoint {
  readonly counted: boolean;
  readonly body: 'message' | 'credentials' | 'none';
  readonly caller: 'anybody' | 'client' | 'peer' | Scope;
  readonly points: number;
}

/** By method and path below the base path or, where the route stands there too, the host; without a registry's name. */
export const ENDPOINTS: Readonly<Record<string, Endpoint>> = {
  'POST /registry/sync/search': { counted: true, body: 'message', caller: 'registry/search', points: 1 },
  'POST /registry/sync/txn/status': { counted: true, body: 'message', caller: 'registry/search', points: 1 },
  'POST /registry/sync/statistics': { counted: true, body: 'message', caller: 'registry/statistics', points: 5 },
  'POST /registry/sync/exists': { counted: true, body: 'message', caller: 'registry/exists', points: 1 },
  'POST /registry/sync/match': { counted: true, body: 'message', caller: 'registry/match', points: 10 },
  'POST /registry/txn/status': { counted: true, body: 'message', caller: 'registry/search', points: 1 },
  'POST /registry/search': { counted: true, body: 'message', caller: 'registry/search', points: 1 },
  'POST /registry/subscribe': { counted: true, body: 'message', caller: 'registry/subscribe', points: 1 },
  'POST /registry/unsubscribe': { counted: true, body: 'message', caller: 'registry/subscribe', points: 1 },
  'POST /registry/export': { counted: true, body: 'message', caller: 'registry/export', points: 1 },
  'GET /registry/extracts/:id': { counted: true, body: 'none', caller: 'registry/export', points: 5 },
  'GET /registry/extracts/:id/manifest': { counted: true, body: 'none', caller: 'registry/export', points: 1 },
  // What other registries send us. Points are taken once the signature says whose they are.
  'POST /registry/on-search': { counted: true, body: 'message', caller: 'peer', points: 0 },
  'POST /registry/on-subscribe': { counted: true, body: 'message', caller: 'peer', points: 0 },
  'POST /registry/on-unsubscribe': { counted: true, body: 'message', caller: 'peer', points: 0 },
  'POST /registry/on-export': { counted: true, body: 'message', caller: 'peer', points: 0 },
  'POST /registry/txn/on-status': { counted: true, body: 'message', caller: 'peer', points: 0 },
  'POST /registry/notify': { counted: true, body: 'message', caller: 'peer', points: 0 },
  'POST /registry/records': { counted: true, body: 'message', caller: 'registry/write', points: 1 },
  'GET /audit/entries': { counted: true, body: 'none', caller: 'audit/read', points: 5 },
  'GET /audit/checkpoints': { counted: true, body: 'none', caller: 'audit/read', points: 1 },
  'POST /audit/person': { counted: true, body: 'message', caller: 'audit/read', points: 5 },
  'POST /registry/consents': { counted: true, body: 'message', caller: 'consent/write', points: 1 },
  'POST /oauth2/client/token': { counted: true, body: 'credentials', caller: 'client', points: 0 },
  'POST /oauth2/client/revoke': { counted: true, body: 'credentials', caller: 'client', points: 0 },
  'GET /.well-known/oauth-authorization-server': { counted: true, body: 'none', caller: 'anybody', points: 0 },
  'GET /.well-known/oauth-authorization-server/*': { counted: true, body: 'none', caller: 'anybody', points: 0 },
  'GET /.well-known/jwks.json': { counted: true, body: 'none', caller: 'anybody', points: 0 },
  'GET /.well-known/locations.json': { counted: true, body: 'none', caller: 'anybody', points: 0 },
  'GET /openapi.json': { counted: true, body: 'none', caller: 'anybody', points: 0 },
  'GET /docs': { counted: true, body: 'none', caller: 'anybody', points: 0 },
  'GET /docs/*': { counted: true, body: 'none', caller: 'anybody', points: 0 },
  // Not counted: they must answer when the database, where limits are kept, does not.
  'GET /health/live': { counted: false, body: 'none', caller: 'anybody', points: 0 },
  'GET /health/ready': { counted: false, body: 'none', caller: 'anybody', points: 0 },
};
