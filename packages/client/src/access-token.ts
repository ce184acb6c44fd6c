import { DciAnswerError } from './errors.ts';
import { readRefusal } from './refusal.ts';
import { readJsonObject, type Transport } from './transport.ts';

/** How the client proves to the server who calls: credentials for tokens, or a token that somebody else obtained. */
export type Credentials = { readonly clientId: string; readonly clientSecret: string } | { readonly token: string };

export interface TokenSource {
  /** A token that is good for some time yet. */
  getToken(): Promise<string>;
  /** After a 401: forgets this token; true where another can be had. */
  discard(token: string): boolean;
}

export interface TokenSettings {
  readonly credentials: Credentials;
  readonly tokenUrl: string;
  readonly transport: Transport;
  readonly now: () => number;
}

interface Held {
  readonly token: string;
  readonly usableUntil: number;
}

// A token is not used in the last tenth of its life, or the last half minute of a long one.
const MARGIN_MS = 30_000;

/** Gets tokens by client credentials (RFC 6749 section 4.4) and keeps each until shortly before it expires. */
export function createTokenSource(settings: TokenSettings): TokenSource {
  const { credentials, now } = settings;
  if ('token' in credentials) return { getToken: async () => credentials.token, discard: () => false };
  let held: Held | undefined;
  let requested: Promise<Held> | undefined;

  return {
    async getToken() {
      if (held !== undefined && now() < held.usableUntil) return held.token;
      requested ??= requestToken(settings, credentials).finally(() => {
        requested = undefined;
      });
      held = await requested;
      return held.token;
    },
    discard(token) {
      if (held?.token === token) held = undefined;
      return true;
    },
  };
}

type ClientCredentials = Extract<Credentials, { clientId: string }>;

async function requestToken({ tokenUrl, transport, now }: TokenSettings, credentials: ClientCredentials): Promise<Held> {
  const asked = now();
  const answer = await transport.send(tokenUrl, {
    method: 'POST',
    headers: {
      authorization: `Basic ${Buffer.from(`${formEncode(credentials.clientId)}:${formEncode(credentials.clientSecret)}`).toString('base64')}`,
      accept: 'application/json',
    },
    body: new URLSearchParams({ grant_type: 'client_credentials' }),
  });
  if (answer.status !== 200) throw readRefusal(answer);
  const { access_token: token, expires_in: lifetime } = readJsonObject(answer.body) ?? {};
  if (typeof token !== 'string' || token === '') throw new DciAnswerError(`${tokenUrl} answered without an access_token`);
  const lifetimeMs = typeof lifetime === 'number' && lifetime > 0 ? lifetime * 1000 : 0;
  return { token, usableUntil: asked + lifetimeMs - Math.min(MARGIN_MS, lifetimeMs / 10) };
}

// RFC 6749 section 2.3.1: both parts are form-encoded before they are joined by the colon.
function formEncode(text: string): string {
  return new URLSearchParams({ '': text }).toString().slice(1);
}
