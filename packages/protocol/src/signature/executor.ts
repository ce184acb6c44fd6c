import type { KeyObject } from 'node:crypto';
import type { SignatureAlgorithm, SignatureCheck } from './algorithms.ts';

/** A signature that is to be made. */
export interface SignatureOrder {
  readonly algorithm: SignatureAlgorithm;
  /** The private key. */
  readonly key: KeyObject;
  readonly content: Uint8Array;
}

/**
 * Where the asymmetric work of signatures is done: for programs whose one thread has other things to do. Each promise
 * settles as `signBytes` and `verifyBytes` would return or throw.
 *
 * @example
 * const here: SignatureExecutor = {
 *   sign: async ({ algorithm, key, content }) => signBytes(algorithm, key, content),
 *   verify: async (check) => verifyBytes(check),
 *   pause: () => setImmediate(), // of node:timers/promises
 * };
 */
export interface SignatureExecutor {
  sign(order: SignatureOrder): Promise<Buffer>;
  verify(check: SignatureCheck): Promise<boolean>;
  /** Lets other work go first: a step follows that takes the thread long, as reading or writing a large message does. */
  pause(): Promise<void>;
}
