import { DciError } from '@dci/protocol';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { addressSubject } from '../services/address-subject.ts';
import { type RateDecision, type RateLimiter, rateLimitHeaders } from '../services/rate-limit.ts';
import type { Sender } from '../services/receive-message.ts';
import type { TokenVerifier } from '../services/verify-token.ts';
import { HttpRefusal } from './error-response.ts';

/**
 * What a request must pass before its body is read, cheapest first: the address's limit, size and content type, the bearer
 * token, the scope of the route, the partner's limit.
 */
export interface Gate {
  /** The address's limit, for requests of every kind, those that lead nowhere among them. */
  admit(request: FastifyRequest, reply: FastifyReply): Promise<void>;
  /** Passes or throws; leaves the sender for the handler. */
  check(
    request: FastifyRequest,
    reply: FastifyReply,
    route: { readonly scope: string; readonly registry: string | undefined },
  ): Promise<void>;
  /** Who passed `check` with this request. */
  senderOf(request: FastifyRequest): Sender | undefined;
  /** Takes further points of the partner's limit, for messages that cost more than one. */
  charge(sender: Sender, points: number): Promise<void>;
}

export interface GateParts {
  readonly tokens: TokenVerifier;
  readonly limiter: RateLimiter;
  readonly addressLimitPerMinute: number;
  readonly partnerLimitPerMinute: number;
  readonly maxBodyBytes: number;
}

const WINDOW_SECONDS = 60;

export function createGate(parts: GateParts): Gate {
  const senders = new WeakMap<FastifyRequest, Sender>();

  async function admit(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const rule = { limit: parts.addressLimitPerMinute, windowSeconds: WINDOW_SECONDS };
    const decision = await parts.limiter.consume(`request ${addressSubject(request.ip)}`, 1, rule);
    if (!decision.allowed) refuseRate(decision, reply, 'address', 'too many requests from this address');
  }

  async function check(
    request: FastifyRequest,
    reply: FastifyReply,
    route: { readonly scope: string; readonly registry: string | undefined },
  ): Promise<void> {
    checkBodyHeaders(request, parts.maxBodyBytes);
    const { partner, scopes } = await parts.tokens.verify(request.headers.authorization);
    const sender: Sender = { partner, scopes, remoteAddress: request.ip };
    senders.set(request, sender);
    if (!scopes.has(route.scope) || !partner.scopes.has(route.scope))
      throw new DciError('err.request.forbidden', `the access token does not carry the scope ${route.scope}`);
    if (route.registry !== undefined && !partner.registries.has(route.registry))
      throw new DciError('err.request.forbidden', 'this registry is not open to you');
    const decision = await consume(sender, 1);
    reply.headers(rateLimitHeaders(decision, 'partner'));
    if (!decision.allowed) refuseRate(decision, reply, 'partner', 'too many requests; the limit of this partner is spent');
  }

  async function consume({ partner }: Sender, points: number): Promise<RateDecision> {
    const rule = { limit: partner.limits.pointsPerMinute ?? parts.partnerLimitPerMinute, windowSeconds: WINDOW_SECONDS };
    return await parts.limiter.consume(`partner ${partner.id}`, points, rule);
  }

  return {
    admit,
    check,
    senderOf: (request) => senders.get(request),
    async charge(sender, points) {
      const decision = await consume(sender, points);
      if (!decision.allowed)
        throw new DciError(
          'err.request.too_many_requests',
          'the message holds more items than the limit of this partner leaves; send fewer, or wait a minute',
        );
    },
  };
}

function refuseRate(decision: RateDecision, reply: FastifyReply, policy: string, text: string): never {
  reply.headers(rateLimitHeaders(decision, policy));
  throw new HttpRefusal(429, 'err.request.too_many_requests', 'err.request.too_many_requests', text, {
    'retry-after': String(decision.resetSeconds),
  });
}

function checkBodyHeaders(request: FastifyRequest, maxBodyBytes: number): void {
  const length = request.headers['content-length'];
  if (length !== undefined && Number(length) > maxBodyBytes)
    throw new HttpRefusal(413, 'err.request.bad', 'payload_too_large', `a message may have at most ${maxBodyBytes} bytes`);
  const type = request.headers['content-type'];
  if (type === undefined || !/^application\/json\s*(;\s*charset="?utf-8"?\s*)?$/i.test(type))
    throw new HttpRefusal(415, 'err.request.bad', 'unsupported_media_type', 'send the message as application/json in UTF-8');
  const encoding = request.headers['content-encoding'];
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity')
    throw new HttpRefusal(415, 'err.request.bad', 'unsupported_media_type', 'send the message without content-encoding');
}
