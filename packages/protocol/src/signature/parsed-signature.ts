import { DciError } from '../dci-error.ts';
import type { SignatureAlgorithm, SignatureCheck } from './algorithms.ts';

/** The ways in which a signature is written into a message. */
export const SIGNATURE_DIALECTS = ['dci', 'jws', 'jws-detached'] as const;

/** `dci`: the standard's named parameters. `jws`: a compact JWS with its payload. `jws-detached`: one without (RFC 7515 appendix F). */
export type SignatureDialect = (typeof SIGNATURE_DIALECTS)[number];

/** A signature as its text states it; nothing of it is verified. */
export type ParsedSignature = DciSignature | JwsSignature;

export interface DciSignature {
  readonly dialect: 'dci';
  /** `{sender_id}|{key id}`; where one ends and the other begins is known with the sender only, see {@link keyIdOf}. */
  readonly signer: string;
  readonly algorithm: SignatureAlgorithm;
  /** Epoch seconds. */
  readonly created: number;
  /** Epoch seconds. */
  readonly expires: number;
  readonly signature: Uint8Array;
}

export interface JwsSignature {
  readonly dialect: 'jws' | 'jws-detached';
  /** Key id of the sender's. */
  readonly kid: string;
  readonly algorithm: SignatureAlgorithm;
  /** `iat` of the protected header, epoch seconds; undefined: the time of the message. */
  readonly created: number | undefined;
  /** `exp` of the protected header, epoch seconds. */
  readonly expires: number | undefined;
  /** The protected header as it stands in the text, base64url. */
  readonly encodedHeader: string;
  /** The payload as it stands in the text, base64url; empty where it is detached. */
  readonly encodedPayload: string;
  readonly signature: Uint8Array;
}

/**
 * The id of the sender's key that is said to have signed; `undefined` when the signature names another sender or no key.
 * In the dialect `dci` both ids may contain `|`: the sender's is the one of the header, the rest is the key's.
 *
 * @example
 * keyIdOf({ ...parsed, signer: 'spmis|key|1' }, 'spmis'); // 'key|1'
 */
export function keyIdOf(parsed: ParsedSignature, senderId: string): string | undefined {
  if (parsed.dialect !== 'dci') return parsed.kid;
  if (!parsed.signer.startsWith(`${senderId}|`)) return undefined;
  const kid = parsed.signer.slice(senderId.length + 1);
  return kid === '' ? undefined : kid;
}

/** Refusal of a signature that is there and no good. */
export function invalidSignature(text: string): DciError {
  return new DciError('err.signature.invalid', `the signature is not accepted: ${text}`, { pointer: '/signature' });
}

/** From when to when a signature is good, epoch seconds. */
export interface SignatureTimes {
  readonly created: number;
  readonly expires: number;
}

// A sender's clock may be this much ahead of ours.
const CLOCK_TOLERANCE_SECONDS = 60;
const LONGEST_LIFE_SECONDS = 24 * 60 * 60;
const UNTOLD_LIFE_SECONDS = 300;

/**
 * The times of a signature. A JWS need not say them: without `iat` it was made when the message says that it was, without
 * `exp` it is good for five minutes.
 *
 * @param messageTime the signed header's `message_ts`, epoch seconds.
 */
export function timesOf(parsed: ParsedSignature, messageTime: number): SignatureTimes {
  const created = parsed.created ?? messageTime;
  return { created, expires: parsed.expires ?? created + UNTOLD_LIFE_SECONDS };
}

/**
 * Refuses a signature outside its time: made in the future, expired, or made to last longer than a day.
 *
 * @param now epoch seconds.
 */
export function assertInTime({ created, expires }: SignatureTimes, now: number): void {
  if (!(created <= now + CLOCK_TOLERANCE_SECONDS)) throw invalidSignature(`"created" lies in the future; our time is ${now}`);
  if (!(expires > created)) throw invalidSignature('"expires" is not after "created"');
  if (!(expires - created <= LONGEST_LIFE_SECONDS)) throw invalidSignature('it is made to last longer than 24 hours');
  if (!(expires > now)) throw invalidSignature(`it has expired; our time is ${now}`);
}

/** Before a step that takes long: whoever runs the search may let other work go first. */
export type Pause = 'pause';

/** A search that asks for one asymmetric verification after another, wherever they are carried out. */
export type SignatureSearch<T> = Generator<SignatureCheck | Pause, T, boolean>;
