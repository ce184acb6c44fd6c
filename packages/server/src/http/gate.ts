import { DciError } from '@dci/protocol';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { addressSubject } from '../services/address-subject.ts';
import { type RateDecision, type RateLimiter, rateLimitHeaders } from '../services/rate-limit.ts';
import type { Sender } from '../services/receive-message.ts';
import { holdsScope, type Scope } from '../services/scopes.ts';
import type { TokenVerifier } from '../services/verify-token.ts';
import type { Endpoint } from './endpoints.ts';
import { HttpRefusal } from './error-response.ts';

/**
 * What a request must pass before its body is read, cheapest first: the limit of the address, which counts every
 * request, refused or not; size and content type; one Authorization header at most; the bearer token of an active partner;
 * the limit of the partner; scope and registry. Which of them a route has, its line in `endpoints.ts` says.
 */
export interface Gate {
  /** Passes or throws; leaves the sender for the handler. */
  check(request: FastifyRequest, reply: FastifyReply, route: GuardedRoute): Promise<void>;
  /** The limit of the address alone, for requests that lead nowhere. */
  admit(request: FastifyRequest, reply: FastifyReply): Promise<void>;
  /** Who passed `check` with this request. */
  senderOf(request: FastifyRequest): Sender | undefined;
  /** Who passed `check` with this request, and the message, unread. */
  readMessage(request: FastifyRequest): { readonly sender: Sender; readonly bytes: Buffer };
  /** The message, unread, of a `peer`, and whose token came with it. */
  readCallback(request: FastifyRequest): { readonly bearer: Sender | undefined; readonly bytes: Buffer };
  /** Takes further points of the partner's limit, for messages that cost more than their route. */
  charge(sender: Sender, points: number): Promise<void>;
  /** Takes of the identifiers that the partner may check in a day (UTC), whatever it paid for them in points. */
  chargeIdentifiers(sender: Sender, identifiers: number): Promise<void>;
}

/** A line of the table, and the registry that the path names. */
export type GuardedRoute = Endpoint & { readonly registry: string | undefined };

export interface GateParts {
  readonly tokens: TokenVerifier;
  readonly limiter: RateLimiter;
  readonly addressLimitPerMinute: number;
  readonly partnerLimitPerMinute: number;
  readonly maxBodyBytes: number;
  /** Puts on record that a known partner was refused what its agreement does not open. */
  readonly recordRefusal: (sender: Sender, scope: Scope, fault: DciError) => Promise<void>;
}

const WINDOW_SECONDS = 60;
const DAY_SECONDS = 86_400;
const IDENTIFIERS_A_DAY = 1_000_000;

export function createGate(parts: GateParts): Gate {
  async function check(request: FastifyRequest, reply: FastifyReply, route: GuardedRoute): Promise<void> {
    if (route.counted) await admit(request, reply);
    if (route.body === 'message') checkBodyHeaders(request, parts.maxBodyBytes);
    if (route.caller === 'anybody') return;
    checkAuthorizationHeader(request);
    if (route.caller === 'client') return;
    if (route.caller === 'peer' && request.headers.authorization === undefined) return;
    const { partner, scopes } = await parts.tokens.verify(request.headers.authorization);
    const sender: AnsweredSender = { partner, scopes, remoteAddress: request.ip, [REPLY]: reply };
    (request as PassedRequest)[SENDER] = sender;
    if (route.caller === 'peer') return;
    // First, so that what is put on record of refusals is bounded too.
    if (!(await spend(sender, route.points)).allowed)
      throw new HttpRefusal(429, TOO_MANY, TOO_MANY, 'too many requests; the limit of this partner is spent');
    const fault = findClosed(sender, route.caller, route.registry);
    if (fault === undefined) return;
    await parts.recordRefusal(sender, route.caller, fault);
    throw fault;
  }

  async function admit(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const rule = { limit: parts.addressLimitPerMinute, windowSeconds: WINDOW_SECONDS };
    const decision = await parts.limiter.consume(`request ${addressSubject(request.ip)}`, 1, rule);
    if (decision.allowed) return;
    reply.headers(rateLimitHeaders(decision, 'address'));
    throw new HttpRefusal(429, TOO_MANY, TOO_MANY, 'too many requests from this address');
  }

  /** Tells the partner what is left, and for how long to wait where that is not enough. */
  async function spend(sender: AnsweredSender, points: number): Promise<RateDecision> {
    const { id, limits } = sender.partner;
    const rule = { limit: limits.pointsPerMinute ?? parts.partnerLimitPerMinute, windowSeconds: WINDOW_SECONDS };
    const decision = await parts.limiter.consume(`partner ${id}`, points, rule);
    sender[REPLY]?.headers(rateLimitHeaders(decision, 'partner'));
    return decision;
  }

  return {
    check,
    admit,
    senderOf,
    readMessage(request) {
      const sender = senderOf(request);
      if (sender === undefined) throw new Error('a request reached its handler without passing the gate');
      return { sender, bytes: readBody(request) };
    },
    readCallback: (request) => ({ bearer: senderOf(request), bytes: readBody(request) }),
    async charge(sender, points) {
      if (points > 0 && !(await spend(sender, points)).allowed)
        throw new DciError(TOO_MANY, 'the message asks for more than the limit of this partner leaves; ask for less, or wait');
    },
    async chargeIdentifiers(sender: AnsweredSender, identifiers) {
      if (identifiers === 0) return;
      const { id, limits } = sender.partner;
      const rule = { limit: limits.identifiersPerDay ?? IDENTIFIERS_A_DAY, windowSeconds: DAY_SECONDS, leasesAhead: false };
      const decision = await parts.limiter.consume(`identifiers ${id}`, identifiers, rule);
      if (decision.allowed) return;
      sender[REPLY]?.headers(rateLimitHeaders(decision, 'identifiers'));
      throw new DciError(
        TOO_MANY,
        `your agreement lets ${rule.limit} identifiers be checked in a day, of which ${decision.remaining} are left; ask for less, or wait`,
      );
    },
  };
}

const SENDER = Symbol('sender');
const REPLY = Symbol('reply');

/** A request that passed, and who sent it. */
interface PassedRequest extends FastifyRequest {
  [SENDER]?: Sender;
}

/** A sender, and the reply in which he is told what is left of his limits. */
interface AnsweredSender extends Sender {
  readonly [REPLY]?: FastifyReply;
}

function senderOf(request: PassedRequest): Sender | undefined {
  return request[SENDER];
}

const TOO_MANY = 'err.request.too_many_requests';

function readBody({ body }: FastifyRequest): Buffer {
  if (!Buffer.isBuffer(body)) throw new HttpRefusal(400, 'err.request.bad', 'err.request.bad', 'the message is missing');
  return body;
}

/** Why the route is not open to the partner; undefined: it is. */
function findClosed(sender: Sender, scope: Scope, registry: string | undefined): DciError | undefined {
  if (!holdsScope(sender, scope)) return new DciError('err.request.forbidden', `the access token does not carry the scope ${scope}`);
  if (registry !== undefined && !sender.partner.registries.has(registry))
    return new DciError('err.request.forbidden', 'this registry is not open to you');
  return undefined;
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

const AUTHORIZATION = 'authorization';

/** Node.js keeps the first of several and drops the others: a proxy before us may have judged another one. */
function checkAuthorizationHeader({ raw: { rawHeaders } }: FastifyRequest): void {
  let found = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at];
    if (name?.length === AUTHORIZATION.length && name.toLowerCase() === AUTHORIZATION) found += 1;
  }
  if (found > 1) throw new HttpRefusal(400, 'err.request.bad', 'err.request.bad', 'the Authorization header is repeated; send one');
}
