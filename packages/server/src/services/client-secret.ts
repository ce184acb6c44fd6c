import { createHmac, randomBytes, scrypt, timingSafeEqual } from 'node:crypto';

/**
 * Secrets of clients: made at random, kept as a scrypt hash, compared in constant time. A hash names its parameters, so
 * that they can grow:
 * `$scrypt$ln=14,r=8,p=1$salt$hash`.
 */

const SECRET_BYTES = 32;
const SALT_BYTES = 16;
const HASH_BYTES = 32;
const COST = { ln: 14, r: 8, p: 1 };
const REMEMBERED_FOR_MS = 60_000;
const MOST_REMEMBERED = 10_000;
const AT_ONCE = 2;
const MOST_WAITING = 64;

/** A new secret; shown once, never kept. */
export function makeSecret(): string {
  return randomBytes(SECRET_BYTES).toString('base64url');
}

export async function hashSecret(secret: string): Promise<string> {
  const salt = randomBytes(SALT_BYTES);
  const hash = await derive(secret, salt, COST);
  return `$scrypt$ln=${COST.ln},r=${COST.r},p=${COST.p}$${salt.toString('base64url')}$${hash.toString('base64url')}`;
}

/** Too many secrets wait to be verified; the caller may try again. */
export class OverloadedError extends Error {
  override readonly name = 'OverloadedError';
}

export interface SecretVerifier {
  /**
   * Whether `secret` is the one behind `secretHash`; with no hash — nobody of that name — the answer is no, after the same
   * work. Throws an `OverloadedError`.
   */
  verify(secret: string, secretHash: string | undefined): Promise<boolean>;
}

/**
 * A verifier that remembers for a minute which secret was right for which hash (under a key of this process, by its
 * digest), so that a client that signs in often costs little. A changed hash is another hash: nothing outlives a
 * rotation. `now`: epoch milliseconds.
 */
export function createSecretVerifier({ now }: { now: () => number }): SecretVerifier {
  const processKey = randomBytes(32);
  const remembered = new Map<string, { digest: Buffer; until: number }>();
  const limit = createLimit(AT_ONCE, MOST_WAITING);
  const nobody = hashSecret(makeSecret());

  function remember(secretHash: string, digest: Buffer): void {
    remembered.delete(secretHash);
    for (const oldest of remembered.keys()) {
      if (remembered.size < MOST_REMEMBERED) break;
      remembered.delete(oldest);
    }
    remembered.set(secretHash, { digest, until: now() + REMEMBERED_FOR_MS });
  }

  return {
    async verify(secret, secretHash) {
      const digest = createHmac('sha256', processKey).update(secret).digest();
      const known = secretHash === undefined ? undefined : remembered.get(secretHash);
      if (known !== undefined && known.until > now() && timingSafeEqual(known.digest, digest)) return true;
      const matches = await limit(async () => matchesHash(secret, secretHash ?? (await nobody)));
      if (!matches || secretHash === undefined) return false;
      remember(secretHash, digest);
      return true;
    },
  };
}

async function matchesHash(secret: string, secretHash: string): Promise<boolean> {
  const [, ln, r, p, salt, hash] = /^\$scrypt\$ln=(\d+),r=(\d+),p=(\d+)\$([\w-]+)\$([\w-]+)$/.exec(secretHash) ?? [];
  if (salt === undefined || hash === undefined) return false;
  const expected = Buffer.from(hash, 'base64url');
  const derived = await derive(secret, Buffer.from(salt, 'base64url'), { ln: Number(ln), r: Number(r), p: Number(p) });
  return expected.length === derived.length && timingSafeEqual(expected, derived);
}

function derive(secret: string, salt: Buffer, cost: typeof COST): Promise<Buffer> {
  const options = { N: 2 ** cost.ln, r: cost.r, p: cost.p, maxmem: 256 * 2 ** cost.ln * cost.r };
  return new Promise((resolve, reject) => {
    scrypt(secret, salt, HASH_BYTES, options, (error, key) => (error === null ? resolve(key) : reject(error)));
  });
}

/** At most `atOnce` tasks run, and at most `waiting` wait; one more is refused. */
function createLimit(atOnce: number, waiting: number): <T>(task: () => Promise<T>) => Promise<T> {
  let running = 0;
  const queue: (() => void)[] = [];
  return async (task) => {
    if (running >= atOnce) {
      if (queue.length >= waiting) throw new OverloadedError('too many secrets wait to be verified');
      await new Promise<void>((resolve) => queue.push(resolve));
    } else running += 1;
    try {
      return await task();
    } finally {
      const next = queue.shift();
      if (next === undefined) running -= 1;
      else next();
    }
  };
}
