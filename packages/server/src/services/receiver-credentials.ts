import type { GuardedClient } from '../outbound/guarded-client.ts';
import type { Partner } from '../store/partners.ts';
import type { Sealer } from './sealer.ts';

/**
 * How this server presents itself to a partner that it calls: not at all, by a token that never changes, or by one that it
 * gets from the partner's OAuth2 server (client credentials, RFC 6749 section 4.4) and uses until it ends.
 */
export type CallbackAuth =
  | { readonly kind: 'bearer'; readonly token: string }
  | {
      readonly kind: 'oauth2';
      readonly tokenUrl: string;
      readonly clientId: string;
      readonly clientSecret: string;
      readonly scope?: string | undefined;
    };

export interface ReceiverCredentials {
  /** The `Authorization` header for this partner; undefined where none was registered. Throws an `OutboundError` or a `ReceiverSignInError`. */
  authorize(partner: Partner): Promise<string | undefined>;
  /** What was used is not accepted: the next time another is got. */
  forget(partner: Partner): void;
}

/** The partner's OAuth2 server has not given a token. */
export class ReceiverSignInError extends Error {
  override readonly name = 'ReceiverSignInError';
}

/** What they are sealed for. */
export const CALLBACK_AUTH_USE = 'callback credentials';
const TIMEOUT_MS = 10_000;
const MAX_BYTES = 65_536;
const USUAL_LIFE_SECONDS = 300;
// It must still be good when it arrives.
const SPARE_SECONDS = 30;

/** As kept with the partner. */
export function sealCallbackAuth(sealer: Sealer, auth: CallbackAuth): Buffer {
  return sealer.seal(Buffer.from(JSON.stringify(auth)), CALLBACK_AUTH_USE);
}

interface Held {
  readonly revision: string;
  readonly until: number;
  readonly asked: Promise<{ readonly token: string }>;
}

export function createReceiverCredentials(parts: { sealer: Sealer; client: GuardedClient; now: () => number }): ReceiverCredentials {
  const held = new Map<string, Held>();

  async function getToken(partner: Partner, auth: Extract<CallbackAuth, { kind: 'oauth2' }>): Promise<string> {
    const known = held.get(partner.id);
    if (known !== undefined && known.revision === partner.revision && parts.now() < known.until) return (await known.asked).token;
    // Whoever comes meanwhile waits for the same token.
    const asked = requestToken(parts.client, auth);
    const entry = { revision: partner.revision, until: parts.now() + TIMEOUT_MS, asked };
    held.set(partner.id, entry);
    try {
      const { token, lifeSeconds } = await asked;
      const until = parts.now() + Math.max(0, lifeSeconds - SPARE_SECONDS) * 1_000;
      held.set(partner.id, { ...entry, until });
      return token;
    } catch (error) {
      held.delete(partner.id);
      throw error;
    }
  }

  return {
    async authorize(partner) {
      if (partner.sealedCallbackAuth === undefined) return undefined;
      const auth = JSON.parse(parts.sealer.unseal(partner.sealedCallbackAuth, CALLBACK_AUTH_USE).toString()) as CallbackAuth;
      return `Bearer ${auth.kind === 'bearer' ? auth.token : await getToken(partner, auth)}`;
    },
    forget(partner) {
      held.delete(partner.id);
    },
  };
}

async function requestToken(
  client: GuardedClient,
  auth: Extract<CallbackAuth, { kind: 'oauth2' }>,
): Promise<{ token: string; lifeSeconds: number }> {
  const form = new URLSearchParams({ grant_type: 'client_credentials', ...(auth.scope === undefined ? {} : { scope: auth.scope }) });
  const basic = Buffer.from(`${encodeURIComponent(auth.clientId)}:${encodeURIComponent(auth.clientSecret)}`).toString('base64');
  const first = await post(client, auth.tokenUrl, form, { authorization: `Basic ${basic}` });
  if (first.status === 200) return readToken(first.body);
  if (first.status !== 400 && first.status !== 401) throw refused(first.status);
  // RFC 6749 section 2.3.1 asks for Basic; servers that know only the form are in use.
  form.set('client_id', auth.clientId);
  form.set('client_secret', auth.clientSecret);
  const second = await post(client, auth.tokenUrl, form, {});
  if (second.status !== 200) throw refused(second.status);
  return readToken(second.body);
}

function post(client: GuardedClient, url: string, form: URLSearchParams, headers: Record<string, string>) {
  return client.send({
    url,
    method: 'POST',
    headers: { ...headers, accept: 'application/json', 'content-type': 'application/x-www-form-urlencoded' },
    body: form.toString(),
    timeoutMs: TIMEOUT_MS,
    maxBytes: MAX_BYTES,
  });
}

function refused(status: number): ReceiverSignInError {
  return new ReceiverSignInError(`the receiver's token address answered ${status}`);
}

function readToken(body: Buffer): { token: string; lifeSeconds: number } {
  const answer = parse(body);
  const { access_token: token, expires_in: life } = answer;
  if (typeof token !== 'string' || !/^[\x21-\x7e]+$/.test(token))
    throw new ReceiverSignInError("the receiver's token address gave no token");
  return { token, lifeSeconds: typeof life === 'number' && life > 0 ? life : USUAL_LIFE_SECONDS };
}

function parse(body: Buffer): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(body.toString());
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
