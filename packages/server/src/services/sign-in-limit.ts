import { createHash } from 'node:crypto';
import { addressSubject } from './address-subject.ts';
import type { RateDecision, RateLimiter } from './rate-limit.ts';

/** How often somebody may ask for a token, counted before any secret is looked at: by address, and by the client named. */
export interface SignInLimit {
  consumeAddress(address: string): Promise<SignInDecision>;
  consumeClient(clientId: string): Promise<SignInDecision>;
}

export interface SignInDecision extends RateDecision {
  readonly policy: string;
}

export interface SignInLimits {
  readonly perAddress: number;
  readonly perClient: number;
}

/** Requests a minute. A token lives for many minutes, so an honest client is far from it. */
export const SIGN_IN_LIMITS: SignInLimits = { perAddress: 120, perClient: 60 };

const WINDOW_SECONDS = 60;

export function createSignInLimit(limiter: RateLimiter, limits: SignInLimits = SIGN_IN_LIMITS): SignInLimit {
  async function consume(policy: string, subject: string, limit: number): Promise<SignInDecision> {
    const decision = await limiter.consume(`sign-in ${subject}`, 1, { limit, windowSeconds: WINDOW_SECONDS });
    return { policy, ...decision };
  }
  return {
    consumeAddress: (address) => consume('sign-in-address', addressSubject(address), limits.perAddress),
    // By its hash: the name is whatever the caller wrote.
    consumeClient: (clientId) =>
      consume('sign-in-client', `client:${createHash('sha256').update(clientId).digest('base64url')}`, limits.perClient),
  };
}
