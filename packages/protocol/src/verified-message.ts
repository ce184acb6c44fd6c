import { DciError } from './dci-error.ts';
import type { CallbackEnvelope, Envelope } from './envelope.ts';
import { timestampMillis } from './formats.ts';
import type { JsonText } from './json-text.ts';
import type { DigestForm } from './signature/content-form.ts';
import type { SignatureExecutor } from './signature/executor.ts';
import type { VerificationKey } from './signature/keys.ts';
import { parseSignature, searchSignedForm } from './signature/parse-signature.ts';
import {
  assertInTime,
  invalidSignature,
  keyIdOf,
  type ParsedSignature,
  type SignatureDialect,
  type SignatureSearch,
  type SignatureTimes,
  timesOf,
} from './signature/parsed-signature.ts';
import { runSearch, runSearchBy } from './signature/run-search.ts';

/**
 * From an envelope to a message whose sender is known. Only `verifyMessage` makes a `VerifiedMessage`; whatever takes one
 * cannot be given an unverified message.
 */

declare const verified: unique symbol;

/** The signature by which a message was accepted. */
export interface AcceptedSignature {
  readonly kid: string;
  readonly dialect: SignatureDialect;
  /** How the sender serialises what it signs: to be tried first next time, and to be answered in. */
  readonly form: DigestForm;
  /** Epoch seconds. */
  readonly expires: number;
}

type AnyEnvelope = Envelope | CallbackEnvelope;

/** A request, answer or callback whose signature was verified, or that its sender may send without one. */
export interface VerifiedMessage<E extends AnyEnvelope = Envelope> {
  readonly header: E['header'];
  readonly message: E['message'];
  /** `undefined` when there was no signature and none was required. */
  readonly signedBy: AcceptedSignature | undefined;
  readonly [verified]: true;
}

/** `required`: no message without a signature. `optional`: it may be absent, empty or begin with `unsigned`. */
export type SignaturePolicy = 'required' | 'optional';

export interface Verification<E extends AnyEnvelope = Envelope> {
  /** The message as it came: this is what the signature is verified over. */
  readonly received: JsonText;
  /** The same message as it was understood, normalised or not: this is what is handed on. */
  readonly envelope: E;
  readonly policy: SignaturePolicy;
  /** The sender's own key of that id; keys of others must not be found. */
  readonly findKey: (kid: string) => VerificationKey | undefined;
  /** Epoch seconds. */
  readonly now: number;
  /** The form of the sender's last good signature. */
  readonly preferredForm?: DigestForm | undefined;
}

/**
 * Accepts a message by its signature, or by the sender's policy where there is none.
 *
 * The signature is verified over `received`, whatever lenient normalisation made of it in `envelope`; so normalise a copy of
 * `received.value`, never the value itself. Both must name the same sender and message.
 *
 * Source: `MsgSignature` of the SPDCI OpenAPI 1.0.0; RFC 7515.
 *
 * @throws DciError `err.signature.missing` when there is none and one is required; `err.signature.invalid` when there is one
 *   that is not good, under either policy; `err.sender_id.invalid` when normalising changed whose message it is.
 *
 * @example
 * const received = readJson(body);
 * const { header, message } = verifyMessage({
 *   received,
 *   envelope: parseEnvelope(received.value),
 *   policy: 'required',
 *   findKey: (kid) => partner.keys.get(kid),
 *   now: 1700000000,
 * });
 */
export function verifyMessage<E extends AnyEnvelope>(verification: Verification<E>): VerifiedMessage<E> {
  return runSearch(searchSignature(verification));
}

/**
 * `verifyMessage`, with the asymmetric work done by an executor. The cheap checks are made before it is asked.
 *
 * @example
 * const message = await verifyMessageBy(executor, { received, envelope, policy: 'required', findKey, now });
 */
export function verifyMessageBy<E extends AnyEnvelope>(
  executor: SignatureExecutor,
  verification: Verification<E>,
): Promise<VerifiedMessage<E>> {
  return runSearchBy(executor, searchSignature(verification));
}

function* searchSignature<E extends AnyEnvelope>(verification: Verification<E>): SignatureSearch<VerifiedMessage<E>> {
  const { received, envelope, policy } = verification;
  assertSameMessage(received, envelope);
  const signature = receivedSignature(received);
  const signedBy = isUnsigned(signature) ? acceptUnsigned(policy) : yield* verifySignature(signature, verification);
  return { header: envelope.header, message: envelope.message, signedBy } as VerifiedMessage<E>;
}

interface ReceivedMembers {
  readonly signature?: unknown;
  readonly header?: { readonly sender_id?: unknown; readonly message_id?: unknown; readonly message_ts?: unknown };
}

function receivedMembers({ value }: JsonText): ReceivedMembers {
  return value ?? {};
}

function assertSameMessage(received: JsonText, { header }: AnyEnvelope): void {
  const original = receivedMembers(received).header ?? {};
  if (original.sender_id !== header.sender_id || original.message_id !== header.message_id)
    throw new DciError('err.sender_id.invalid', 'sender_id and message_id must be plain strings', { pointer: '/header' });
}

function receivedSignature(received: JsonText): string {
  const { signature } = receivedMembers(received);
  if (signature === undefined || signature === null) return '';
  if (typeof signature !== 'string') throw invalidSignature('it is not a string');
  return signature.trim();
}

function isUnsigned(signature: string): boolean {
  return signature === '' || signature.startsWith('unsigned');
}

function acceptUnsigned(policy: SignaturePolicy): undefined {
  if (policy !== 'optional')
    throw new DciError('err.signature.missing', 'this message must be signed: its member "signature" is absent or empty', {
      pointer: '/signature',
    });
}

/** Cheap checks first; the asymmetric verification comes last. */
function* verifySignature(text: string, verification: Verification<AnyEnvelope>): SignatureSearch<AcceptedSignature> {
  const { received, envelope, now, preferredForm } = verification;
  const parsed = parseSignature(text);
  const key = findSigner(parsed, envelope.header.sender_id, verification.findKey);
  const times = readTimes(parsed, received);
  assertInTime(times, now);
  const form = yield* searchSignedForm(parsed, key, received, preferredForm);
  if (form === undefined) throw invalidSignature('it does not fit header and message as they were received, by the key it names');
  return { kid: key.kid, dialect: parsed.dialect, form, expires: times.expires };
}

function readTimes(parsed: ParsedSignature, received: JsonText): SignatureTimes {
  const { message_ts: written } = receivedMembers(received).header ?? {};
  const millis = typeof written === 'string' ? timestampMillis(written) : undefined;
  return timesOf(parsed, Math.floor((millis ?? Number.NaN) / 1000));
}

function findSigner(parsed: ParsedSignature, senderId: string | undefined, findKey: Verification['findKey']): VerificationKey {
  const kid = senderId === undefined ? undefined : keyIdOf(parsed, senderId);
  if (kid === undefined) throw invalidSignature('"kidId" does not begin with the sender_id of the header, or names no key');
  const key = findKey(kid);
  if (key === undefined || key.kid !== kid) throw invalidSignature('it names a key that is not registered for this sender');
  if (key.algorithm !== parsed.algorithm) throw invalidSignature('its algorithm is not the one of the key');
  return key;
}
