import { DciError } from '../dci-error.ts';
import type { SignatureAlgorithm, SignatureCheck } from './algorithms.ts';

/** The ways in which a signature is written into a message. */
export type SignatureDialect = 'dci';

/** A signature as its text states it; nothing of it is verified. */
export interface ParsedSignature {
  readonly dialect: SignatureDialect;
  /** `{sender_id}|{key id}`; where one ends and the other begins is known with the sender only, see {@link keyIdOf}. */
  readonly signer: string;
  readonly algorithm: SignatureAlgorithm;
  /** Epoch seconds. */
  readonly created: number;
  /** Epoch seconds. */
  readonly expires: number;
  readonly signature: Uint8Array;
}

/**
 * The id of the sender's key that is said to have signed; `undefined` when the signature names another sender or no key.
 * Both ids may contain `|`: the sender's is the one of the header, the rest is the key's.
 *
 * @example
 * keyIdOf({ ...parsed, signer: 'spmis|key|1' }, 'spmis'); // 'key|1'
 */
export function keyIdOf({ signer }: ParsedSignature, senderId: string): string | undefined {
  if (!signer.startsWith(`${senderId}|`)) return undefined;
  const kid = signer.slice(senderId.length + 1);
  return kid === '' ? undefined : kid;
}

/** Refusal of a signature that is there and no good. */
export function invalidSignature(text: string): DciError {
  return new DciError('err.signature.invalid', `the signature is not accepted: ${text}`, { pointer: '/signature' });
}

// A sender's clock may be this much ahead of ours.
const CLOCK_TOLERANCE_SECONDS = 60;
const LONGEST_LIFE_SECONDS = 24 * 60 * 60;

/**
 * Refuses a signature outside its time: made in the future, expired, or made to last longer than a day.
 *
 * @param now epoch seconds.
 */
export function assertInTime({ created, expires }: ParsedSignature, now: number): void {
  if (created > now + CLOCK_TOLERANCE_SECONDS) throw invalidSignature(`"created" lies in the future; our time is ${now}`);
  if (expires <= created) throw invalidSignature('"expires" is not after "created"');
  if (expires - created > LONGEST_LIFE_SECONDS) throw invalidSignature('it is made to last longer than 24 hours');
  if (!(expires > now)) throw invalidSignature(`it has expired; our time is ${now}`);
}

/** A search that asks for one asymmetric verification after another, wherever they are carried out. */
export type SignatureSearch<T> = Generator<SignatureCheck, T, boolean>;
