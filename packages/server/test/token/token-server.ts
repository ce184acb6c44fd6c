import { randomBytes } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import type { VerificationKey } from '@dci/protocol';
import { fastify } from 'fastify';
import { registerTokenRoutes } from '../../src/http/routes/token.ts';
import { registerAuthorizationServer, registerWellKnownRoutes } from '../../src/http/routes/well-known.ts';
import { BUILT_IN_PROFILES } from '../../src/profiles/index.ts';
import { createGuardedClient } from '../../src/outbound/guarded-client.ts';
import { openTokenService, type TokenService } from '../../src/services/token-service.ts';
import { createPublishedLocations } from '../../src/services/locations.ts';
import { openPartnerDirectory, type PartnerDirectory } from '../../src/services/partner-directory.ts';
import { type Registered, registerPartner } from '../../src/services/register-partner.ts';
import { createRateLimiter } from '../../src/services/rate-limit.ts';
import { createSealer, type Sealer } from '../../src/services/sealer.ts';
import { createSignInLimit, type SignInLimits } from '../../src/services/sign-in-limit.ts';
import { openOwnKeys, type OwnKeys } from '../../src/services/own-keys.ts';
import type { TestDatabase } from '../support/database.ts';

/** The parts of a server that issue tokens and check them, over real HTTP. */
export interface TokenServer extends TokenService {
  readonly origin: string;
  readonly directory: PartnerDirectory;
  readonly signingKeys: OwnKeys;
  readonly sealer: Sealer;
  register(senderId: string, scopes?: readonly string[], keys?: readonly VerificationKey[]): Promise<Registered>;
  close(): Promise<void>;
}

/** Below which the metadata of a second issuer stands. */
export const BASE_PATH = '/api/v2/dci';
export const OWN_SENDER_ID = 'registry.example.org';
export const TOKEN_LIFETIME_SECONDS = 600;
export const MANY: SignInLimits = { perAddress: 100_000, perClient: 100_000 };

const QUIET = { info: () => undefined, warn: () => undefined };

export interface TokenServerSettings {
  readonly limits?: SignInLimits;
  /** Epoch milliseconds. */
  readonly now?: () => number;
  readonly sealer?: Sealer;
  readonly jwtSecret?: string;
}

export async function startTokenServer(test: TestDatabase, settings: TokenServerSettings = {}): Promise<TokenServer> {
  const { limits = MANY, now = Date.now, sealer = createSealer(randomBytes(32)) } = settings;
  const { database } = test;
  const directory = await openPartnerDirectory(database, QUIET);
  const common = { tokenLifetimeSeconds: TOKEN_LIFETIME_SECONDS, senderId: OWN_SENDER_ID, now };
  const signingKeys = await openOwnKeys(database.db, { ...common, signingKeyPath: undefined, sealer, log: QUIET });
  const limit = createSignInLimit(createRateLimiter(database.db, { now }), limits);
  const app = fastify();
  let origin = '';
  const client = createGuardedClient({ allowHttpCallbacks: true, allowPrivateCallbacks: true });
  const { jwtSecret } = settings;
  const parts = {
    ...common,
    basePath: BASE_PATH,
    jwtSecret,
    database,
    directory,
    ownKeys: signingKeys,
    client,
    origin: () => origin,
    log: QUIET,
  };
  const tokens = await openTokenService(parts);
  registerTokenRoutes(app, { ...tokens, limit });
  const wellKnown = { ownKeys: signingKeys, locations: createPublishedLocations(database.db, { now }), ...tokens };
  registerWellKnownRoutes(app, wellKnown, '');
  registerAuthorizationServer(app, wellKnown, BASE_PATH, BASE_PATH);
  await app.listen({ port: 0, host: '127.0.0.1' });
  origin = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`;
  return {
    origin,
    ...tokens,
    directory,
    signingKeys,
    sealer,
    async register(senderId, scopes = ['registry/search'], keys = []) {
      const registered = await registerPartner(database.db, BUILT_IN_PROFILES, {
        senderId,
        terms: { registries: ['social'], scopes },
        keys,
      });
      await directory.refresh();
      return registered;
    },
    async close() {
      await app.close();
      signingKeys.close();
      await tokens.close();
      await client.close();
      await directory.close();
    },
  };
}

export function formOf(members: Readonly<Record<string, string>>): { method: 'POST'; headers: Record<string, string>; body: string } {
  const headers = { 'content-type': 'application/x-www-form-urlencoded' };
  return { method: 'POST', headers, body: new URLSearchParams(members).toString() };
}

export async function fetchToken(server: TokenServer, { clientId, clientSecret }: Registered): Promise<string> {
  const request = formOf({ grant_type: 'client_credentials', client_id: clientId, client_secret: clientSecret });
  const response = await fetch(`${server.origin}/oauth2/client/token`, request);
  const { access_token: token } = (await response.json()) as { access_token: string };
  return token;
}
