import type { Pool } from 'pg';
import { destroyPrivateHalves, type KeyUse, type StoredKey } from '../store/own-keys.ts';

/**
 * The life of a key of ours: made → active → retired → ended; or withdrawn, from anywhere. Others must know a key that
 * signs before it does, and must be able to check what it signed as long as that is good; what they encrypt to a key is
 * read for as long as they may have remembered it.
 */
export type KeyState =
  /** Published (`sig`) or read (`enc`) already, not yet used. */
  | 'next'
  | 'active'
  /** Still published (`sig`) or read (`enc`). */
  | 'retired'
  | 'ended'
  | 'withdrawn';

export interface KeyLifeSettings {
  readonly tokenLifetimeSeconds: number;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

/** How long our key set may be kept by those who read it. */
export const JWKS_MAX_AGE_SECONDS = 300;

/** From making a key to its use: whoever keeps our key set has read it anew by then; whichever node is asked can read with it. */
export const LEAD_SECONDS: { readonly [use in KeyUse]: number } = { sig: 2 * JWKS_MAX_AGE_SECONDS, enc: 10 };

/** The longest a signature of ours may be good for. */
const SIGNATURE_LIFE_MS = 86_400_000;
/** Whoever keeps a key of ours for longer without looking at our key set is told so by a refusal. */
const ENCRYPTION_OVERLAP_MS = 7 * 86_400_000;

export function keyState(key: StoredKey, { tokenLifetimeSeconds, now }: KeyLifeSettings): KeyState {
  if (key.withdrawnAt !== null) return 'withdrawn';
  const retiredFor = key.retiredAt === null ? Number.NEGATIVE_INFINITY : now() - key.retiredAt.getTime();
  const overlap = key.use === 'enc' ? ENCRYPTION_OVERLAP_MS : SIGNATURE_LIFE_MS + tokenLifetimeSeconds * 1000;
  if (retiredFor >= overlap) return 'ended';
  if (retiredFor >= 0) return 'retired';
  return key.activeFrom.getTime() <= now() ? 'active' : 'next';
}

/** Destroys the private halves of keys that sign no more, or that nothing is read with any more. */
export async function destroyEndedKeys(pool: Pool, now: number): Promise<void> {
  await destroyPrivateHalves(pool, 'sig', new Date(now));
  await destroyPrivateHalves(pool, 'enc', new Date(now - ENCRYPTION_OVERLAP_MS));
}
